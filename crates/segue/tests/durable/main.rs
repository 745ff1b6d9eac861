//! Runs that outlive their process: two runners on one store are two processes, and the first can be lost at any write.

mod basics;
mod people;
mod resume;
mod support;
