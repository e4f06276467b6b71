//! The record formats, through the public interface.
#![allow(clippy::unwrap_used, clippy::panic)] // In tests a panic is the report.

mod admission;
mod building;
mod conversion;
mod golden;
mod hostile;
mod refusal;
mod support;
