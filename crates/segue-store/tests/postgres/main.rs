//! The store in PostgreSQL, on a real server that this process starts for itself.

mod cluster;
mod like_memory;
mod sample;
