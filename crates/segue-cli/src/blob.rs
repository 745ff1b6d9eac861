//! Bytes of a store, piece by piece, for whoever can only read without waiting for others.

use std::io::{self, Read};

use segue::store::{BlobReader, Store};
use tokio::runtime::Handle;

/// Kept bytes as something that is read. Only where blocking is allowed: in [`tokio::task::block_in_place`].
pub(crate) struct Blob {
    reader: Box<dyn BlobReader>,
    runtime: Handle,
    piece: Vec<u8>,
    at: usize,
    /// How much there has to be still.
    left: u64,
}

impl Blob {
    /// Opens bytes by their hash.
    ///
    /// # Errors
    /// When they are gone or cannot be read.
    pub(crate) fn open(store: &dyn Store, sha256: &str, bytes: u64) -> io::Result<Self> {
        let runtime = Handle::current();
        let reader = runtime.block_on(store.blobs().read(sha256.to_owned()));
        let reader = reader.map_err(|error| io::Error::other(error.message))?;
        let reader = reader.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its bytes are gone"))?;
        Ok(Self {
            reader,
            runtime,
            piece: Vec::new(),
            at: 0,
            left: bytes,
        })
    }
}

impl Read for Blob {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            let next = self.runtime.block_on(self.reader.next());
            match next.map_err(|error| io::Error::other(error.message))? {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None if self.left == 0 => return Ok(0),
                None => {
                    return Err(io::Error::other(format!(
                        "{} bytes are missing at its end",
                        self.left
                    )));
                }
            }
        }
        let length = into.len().min(self.piece.len() - self.at);
        into[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or_else(|| io::Error::other("there are more bytes than its record says"))?;
        Ok(length)
    }
}
