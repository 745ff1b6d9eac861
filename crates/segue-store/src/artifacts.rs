//! Where the bytes of artifacts are kept, and outputs that are too large for a log: by their hash, outside the database.

mod directory;
mod hash;

pub use directory::Directory;
