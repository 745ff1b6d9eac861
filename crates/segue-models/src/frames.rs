//! Frames: the bytes of an answer, cut into events. Bounded; what is not ended by its own end is no event.

use crate::wire::Framing;

/// How much of an answer is kept for a message about it.
const HEAD: usize = 4 << 10;

/// Cuts bytes into events, however they arrive.
pub(crate) struct Frames {
    framing: Framing,
    /// Bytes of the line that is not over.
    line: Vec<u8>,
    /// The last line ended with a carriage return, which may be half of a line end.
    after_return: bool,
    /// The data lines of the event that is not over.
    data: Option<String>,
    /// The beginning of everything, for a message.
    head: Vec<u8>,
    seen: usize,
    most: usize,
}

/// Why bytes are no events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Garbled {
    /// They are not text.
    NotText,
    /// There are too many of them.
    TooMany(usize),
}

impl Frames {
    /// Of at most this many bytes.
    pub(crate) fn new(framing: Framing, most: usize) -> Self {
        Self {
            framing,
            line: Vec::new(),
            after_return: false,
            data: None,
            head: Vec::new(),
            seen: 0,
            most,
        }
    }

    /// The events that are whole now.
    ///
    /// # Errors
    /// When these bytes can be none.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, Garbled> {
        self.seen += bytes.len();
        if self.seen > self.most {
            return Err(Garbled::TooMany(self.most));
        }
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let mut whole = Vec::new();
        for byte in bytes {
            let after_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if after_return => {}
                b'\n' => whole.extend(self.ends_line()?),
                b'\r' if self.framing == Framing::Events => {
                    self.after_return = true;
                    whole.extend(self.ends_line()?);
                }
                byte => self.line.push(*byte),
            }
        }
        Ok(whole)
    }

    /// The beginning of what came.
    pub(crate) fn head(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// The event that ends with the line that is over, if one does.
    fn ends_line(&mut self) -> Result<Option<String>, Garbled> {
        let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| Garbled::NotText)?;
        if self.framing == Framing::Lines {
            return Ok(Some(line).filter(|line| !line.trim().is_empty()));
        }
        if line.is_empty() {
            return Ok(self.data.take());
        }
        // A comment has no name; events of every protocol here say in their data what they are.
        if let Some((name, value)) = line.split_once(':')
            && name == "data"
        {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_arrive() {
        let text = ": keep-alive\n\nevent: a\ndata: {\"x\":\"é\"}\n\ndata: one\r\ndata:two\r\n\r\nid: 7\n\ndata: [DONE]\r\r";
        let expected = ["{\"x\":\"é\"}", "one\ntwo", "[DONE]"];
        for size in 1..text.len() {
            let mut frames = Frames::new(Framing::Events, 1 << 20);
            let mut events = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                events.extend(frames.push(piece).unwrap());
            }
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn lines_are_events_and_one_without_an_end_is_none() {
        let mut frames = Frames::new(Framing::Lines, 1 << 20);
        assert_eq!(frames.push(b"{\"a\":1}\n\n{\"b\"").unwrap(), ["{\"a\":1}"]);
        assert_eq!(frames.push(b":2}\r\n{\"done\":true}").unwrap(), ["{\"b\":2}\r"]);
        let mut frames = Frames::new(Framing::Events, 1 << 20);
        assert_eq!(frames.push(b"data: [DONE]\n").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_text_or_too_much_is_said() {
        let mut frames = Frames::new(Framing::Events, 8);
        assert_eq!(frames.push(b"data: \xff\n"), Err(Garbled::NotText));
        assert_eq!(frames.push(b"a"), Err(Garbled::TooMany(8)));
        assert_eq!(frames.head(), "data: \u{fffd}\n");
    }
}
