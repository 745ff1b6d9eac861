//! The tables of keys.
