//! The arms of a route are known before a run: they carry nothing.

use segue::Route;

#[derive(Clone, Copy, Route)]
enum Size {
    Short(u8),
    Long { words: u64 },
}

#[derive(Clone, Copy, Route)]
struct NotAnEnum;

fn main() {}
