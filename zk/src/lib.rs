//! ZooKeeper as Kafka uses it: sessions that renew themselves, the payloads of the znodes,
//! conditional and fenced writes, and watches as events.
//!
//! [`Zk`] is the handle. Reads are repeated when the connection is lost; writes are not, since a
//! lost answer says nothing, and have three outcomes: stored (`Ok`), not stored because of a
//! [`Conflict`], and [`WriteError::Unknown`]. `zk/LAYOUT.md` is the table of znodes.
//!
//! Absent on purpose: decisions. Who leads what is decided by the controller, what to do about a
//! lost session by the cluster driver.

mod admin;
mod broker;
mod cluster;
mod config;
mod connect;
mod consumer;
mod consumer_group;
mod election;
mod error;
mod fenced;
mod lane;
mod multi;
mod node;
mod notification;
mod path;
mod record;
mod remains;
mod session;
#[cfg(feature = "testing")]
pub mod testing;

mod topic;
mod watch;
mod zk;
pub mod znode;

pub use broker::RegisteredBroker;
pub use connect::ZkConfig;
pub use election::{ControllerFence, ControllerState, Election};
pub use error::{Conflict, MalformedZnode, RegisterError, WriteError, WriteResult, ZkError};
pub use fenced::FencedWrite;
pub use node::{NodeStat, ReadOne, Versioned};
pub use notification::{Numbered, Sequence};
pub use record::{SessionId, SessionRecord};
pub use remains::Remains;
pub use session::SessionEvent;
pub use watch::{Watch, WatchEvent, WatchEvents};
pub use zk::Zk;
