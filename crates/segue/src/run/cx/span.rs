//! Spans that a step opens by itself.

use super::Cx;
use crate::log::EventKind;

/// A span that is open until it is dropped, however that comes.
pub(super) struct OpenSpan<'a> {
    cx: &'a Cx,
    span: String,
    pub(super) status: &'static str,
}

impl<'a> OpenSpan<'a> {
    pub(super) fn new(cx: &'a Cx, name: &str) -> Self {
        let span = cx.position();
        cx.event(EventKind::SpanOpened {
            span: span.clone(),
            name: name.to_owned(),
        });
        Self {
            cx,
            span,
            status: "cut_off",
        }
    }
}

impl Drop for OpenSpan<'_> {
    fn drop(&mut self) {
        self.cx.event(EventKind::SpanClosed {
            span: std::mem::take(&mut self.span),
            status: self.status.to_owned(),
        });
    }
}
