//! Whole logs on real directories.

mod basics;
mod crash;
mod model;
mod support;
