//! Whole logs on real directories.

mod basics;
mod model;
mod support;
