//! Whole logs on real directories.

mod basics;
mod crash;
mod hostile;
mod model;
mod support;
