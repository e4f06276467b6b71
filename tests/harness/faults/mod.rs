//! Faults on a cluster under load, drawn from a seed or written down, and the proof after them.

mod churn;
mod committer;
mod fault;
mod run;
mod schedule;

pub use fault::{Fault, Target};
pub use run::{FaultRun, Load, Proof};
pub use schedule::{Faults, Step, schedule};
