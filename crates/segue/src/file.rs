//! Pipeline files: from bytes to values that know their place.

pub mod scalar;
pub mod suggest;
pub mod yaml;
