//! The binary `segue`: the command line with nothing registered by a program.

use std::process::ExitCode;

/// Runs are made of many small things that one thread makes and another frees, which the allocators of C libraries are slow
/// at. A program that embeds the library has its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    segue_cli::main(segue::Registry::new())
}
