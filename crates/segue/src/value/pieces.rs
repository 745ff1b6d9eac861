//! The JSON text of a value, piece by piece: a long one is never in memory as a whole unless somebody wants all of it.

use std::io::{self, Write};

/// Takes the text of a value, and gives it on in pieces of one size; what is left at the end is the last.
pub(super) struct Pieces<'g> {
    piece: Vec<u8>,
    size: usize,
    give: &'g mut (dyn FnMut(Vec<u8>) -> io::Result<()> + 'g),
}

impl<'g> Pieces<'g> {
    pub(super) fn new(size: usize, give: &'g mut (dyn FnMut(Vec<u8>) -> io::Result<()> + 'g)) -> Self {
        Self {
            piece: Vec::with_capacity(size.min(64)),
            size: size.max(1),
            give,
        }
    }

    /// What was not given on yet.
    pub(super) fn rest(self) -> Vec<u8> {
        self.piece
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.size - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == self.size {
            (self.give)(std::mem::take(&mut self.piece))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
