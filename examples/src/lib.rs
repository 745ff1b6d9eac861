//! One program and one pipeline file for each purpose: see `rust/` and the YAML files beside it, and `README.md` here for
//! what is what. All of them run offline.
//!
//! This library is empty. It gives the project's README a place where its Rust is compiled and run.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
