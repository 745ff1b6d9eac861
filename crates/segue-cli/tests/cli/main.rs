//! The command line from outside: the real binary, its flags, its exit codes and every byte of its stdout.

mod artifacts;
mod check;
mod demo;
mod ends;
mod graph;
mod init;
mod inputs;
mod interrupt;
mod kept;
mod operator;
mod plan;
mod program;
mod project;
mod retain;
mod runs_diff;
mod runs_export;
mod runs_list;
mod runs_rm;
mod runs_show;
mod settings;
mod shapes;
mod standing;
mod status;
mod test;
mod test_record;
mod usage;
