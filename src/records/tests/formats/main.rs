//! The record formats, through the public interface.

mod golden;
mod support;
