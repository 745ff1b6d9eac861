//! Test files: every key has its effect, every expectation is met and unmet, every fault strikes.

mod acts;
mod answerers;
mod expectations;
mod faults;
mod support;
