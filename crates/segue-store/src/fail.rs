//! Fail points: named places at which a test makes the process fail. Without the feature `testing` there are none.

/// A place of this name is reached.
#[cfg(not(feature = "testing"))]
#[inline(always)]
pub(crate) fn point(_name: &'static str) {}

#[cfg(feature = "testing")]
pub(crate) use segue::testing::fail::point;
