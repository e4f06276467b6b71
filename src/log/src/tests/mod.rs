//! Whole logs on real directories.

mod basics;
mod crash;
mod flushing;
mod formats;
mod hostile;
mod loading;
mod model;
mod moving;
mod shortage;
mod support;
