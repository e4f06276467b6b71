//! Whole logs on real directories.

mod basics;
mod support;
