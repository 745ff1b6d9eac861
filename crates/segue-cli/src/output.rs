//! Output: what a program may read on stdout. Results only, in one of three forms.
//!
//! Every verb writes its result through [`Output`] and nothing else through it. When the reader has gone away, what is
//! left is dropped quietly: a closed pipe ends the viewer, never the work.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value as Json;

use crate::secrets;
use crate::terminal::words;

/// Stdout until its reader goes away.
pub(crate) struct Output {
    is_open: bool,
    is_terminal: bool,
}

impl Output {
    /// The process's stdout.
    pub(crate) fn stdout() -> Self {
        Self {
            is_open: true,
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// One JSON object, indented.
    pub(crate) fn object(&mut self, object: &impl Serialize) {
        let text = serde_json::to_string_pretty(&clean(object));
        self.write(text.expect("JSON can be written").as_bytes(), true);
    }

    /// One line of newline-delimited JSON, there to be read at once.
    pub(crate) fn line(&mut self, object: &impl Serialize) {
        self.write(clean(object).to_string().as_bytes(), true);
    }

    /// Whether somebody still reads it.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether a person reads it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// The output of a run: text as it is, null as nothing, anything else as indented JSON. A terminal would act on
    /// control characters, so there they are spelled out.
    pub(crate) fn value(&mut self, value: &Json) {
        match value {
            Json::Null => {}
            Json::String(text) => {
                let text = secrets::redactor().text(text).into_owned();
                let text = match self.is_terminal {
                    true => words::visible(&text),
                    false => text,
                };
                self.write(text.as_bytes(), true);
            }
            value => self.object(value),
        }
    }

    /// A document, ending with exactly one newline.
    pub(crate) fn document(&mut self, text: &str) {
        let text = secrets::redactor().text(text).into_owned();
        self.write(text.strip_suffix('\n').unwrap_or(&text).as_bytes(), true);
    }

    /// Bytes as they are: of what was kept, where secrets were taken out when it was saved.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.write(bytes, false);
    }

    fn write(&mut self, bytes: &[u8], newline: bool) {
        if !self.is_open {
            return;
        }
        let end: &[u8] = if newline { b"\n" } else { b"" };
        // Locked for each write only: a step of the program that prints would otherwise wait for ever.
        let mut to = io::stdout().lock();
        let written = to
            .write_all(bytes)
            .and_then(|()| to.write_all(end))
            .and_then(|()| to.flush());
        self.is_open = written.is_ok();
    }
}

/// An object without secrets, whichever way one may have come into it.
fn clean(object: &impl Serialize) -> Json {
    // What is written here was made of JSON, or has only text keys.
    let mut json = serde_json::to_value(object).expect("the published shapes can be written as JSON");
    secrets::redactor().json(&mut json);
    json
}
