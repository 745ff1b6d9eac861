//! Runs that outlive their process: two runners on one store are two processes, and the first can be lost at any write.

mod basics;
mod called;
mod drift;
mod halt;
mod interrupt;
mod outputs;
mod people;
mod property;
mod raised_budgets;
mod reach;
mod rerun;
mod resume;
mod runners;
mod shared_budgets;
mod standing;
mod support;
mod workspace;
