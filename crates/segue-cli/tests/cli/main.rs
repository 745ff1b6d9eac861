//! The command line from outside: the real binary, its flags, its exit codes and every byte of its stdout.

mod check;
mod demo;
mod ends;
mod graph;
mod init;
mod inputs;
mod interrupt;
mod plan;
mod program;
mod shapes;
mod usage;
