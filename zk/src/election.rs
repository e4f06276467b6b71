//! Standing for controller (KIP-237's atomic election, `registerControllerAndIncrementControllerEpoch`).

use ottla_metadata::{BrokerId, Millis};

use crate::error::{Conflict, ZkError};
use crate::multi::Op;
use crate::node::{Failure, Versioned, stopped};
use crate::path;
use crate::session::Session;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{ControllerEpoch, ControllerRegistration, Znode};

/// How often the election is tried again when nodes change below our hands.
const CONTENTION_LIMIT: usize = 100;
const ACTION: &str = "electing a controller";

/// What entitles a broker to write as controller: nobody has been elected since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerFence {
    /// The number of the election, which goes into requests and partition states.
    pub epoch: i32,
    /// The version of `/controller_epoch` that every write checks.
    pub zk_version: i32,
}

/// How an election ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// We are controller.
    Won(ControllerFence),
    /// Another broker is. A watch on `/controller` is armed.
    Lost {
        /// Who.
        controller: BrokerId,
    },
}

/// Who is controller, and the number of the last election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerState {
    /// The holder of `/controller`, if there is one.
    pub holder: Option<Versioned<ControllerRegistration>>,
    /// `/controller_epoch`; 0 before the first election.
    pub epoch: i32,
}

impl Zk {
    /// Reads who is controller.
    ///
    /// # Errors
    /// ZooKeeper failed, or a node is malformed.
    pub async fn controller(&self, watch: Watch) -> Result<ControllerState, ZkError> {
        let epoch = self
            .read::<ControllerEpoch>(path::CONTROLLER_EPOCH, None)
            .await?;
        let event = (watch == Watch::Arm).then_some(WatchEvent::ControllerChanged);
        Ok(ControllerState {
            holder: self.read(path::CONTROLLER, event).await?,
            epoch: epoch.map_or(0, |epoch| epoch.value.0),
        })
    }

    /// Stands for controller. Whatever the outcome, a watch on `/controller` is armed; after a victory
    /// it fires once for the node that was just created.
    ///
    /// A node that a session of ours has left behind, of this process or of the one before it, is
    /// replaced within the election. So the caller must not stand while it is controller: it would
    /// win again and its earlier fence would be void.
    ///
    /// # Errors
    /// ZooKeeper failed, or a node is malformed.
    pub async fn elect(&self, broker: BrokerId, now_ms: Millis) -> Result<Election, ZkError> {
        let session = self.live()?;
        self.inner.own.add(session.id()).await;
        let registration = ControllerRegistration {
            broker,
            timestamp_ms: now_ms,
            kraft_epoch: -1,
        };
        let mut tried = None;
        for _ in 0..CONTENTION_LIMIT {
            // The epoch is read before the holder. The other way round another broker could be
            // elected between the two reads, and the node to be replaced would be its fresh one.
            let epoch = self.epoch_or_create(&session).await?;
            let event = Some(WatchEvent::ControllerChanged);
            let raw = session.get(path::CONTROLLER, event).await?;
            let holder = crate::node::decode::<ControllerRegistration>(path::CONTROLLER, raw)?;
            if let Some(holder) = &holder {
                let owner = holder.stat.ephemeral_owner;
                if owner == Some(session.id()) && tried == Some(epoch.value.0) {
                    // We have won already, and the answer was lost.
                    return Ok(Election::Won(fence(&epoch)));
                }
                if !owner.is_some_and(|owner| self.inner.own.contains(owner)) {
                    return Ok(Election::Lost {
                        controller: holder.value.broker,
                    });
                }
            }
            let Some(next) = epoch.value.0.checked_add(1) else {
                return Err(ZkError::Malformed(crate::MalformedZnode {
                    path: path::CONTROLLER_EPOCH.to_owned(),
                    reason: "the epochs are used up".to_owned(),
                }));
            };
            tried = Some(next);
            let ops = ballot(&registration, holder.as_ref(), next, epoch.stat.version);
            match session.multi(&ops).await {
                Ok(stats) => {
                    let stat = stats.last().copied().flatten();
                    let zk_version = stat.map_or(epoch.stat.version.wrapping_add(1), |s| s.version);
                    return Ok(Election::Won(ControllerFence {
                        epoch: next,
                        zk_version,
                    }));
                }
                Err(failed) => match failed.failure {
                    // Somebody was faster, or we were and do not know it: look again.
                    Failure::Conflict(_) | Failure::Lost => {}
                    other => return Err(stopped(other.of_write(path::CONTROLLER), ACTION)),
                },
            }
        }
        Err(ZkError::Contended {
            path: path::CONTROLLER.to_owned(),
            action: ACTION,
        })
    }

    async fn epoch_or_create(
        &self,
        session: &Session,
    ) -> Result<Versioned<ControllerEpoch>, ZkError> {
        loop {
            let raw = session.get(path::CONTROLLER_EPOCH, None).await?;
            if let Some(epoch) = crate::node::decode(path::CONTROLLER_EPOCH, raw)? {
                return Ok(epoch);
            }
            let zero = ControllerEpoch(0).encode();
            match session.create(path::CONTROLLER_EPOCH, &zero).await {
                Ok(()) | Err(crate::WriteError::Unknown { .. }) => {}
                Err(error) if error.conflict() == Some(Conflict::Exists) => {}
                Err(error) => return Err(stopped(error, ACTION)),
            }
        }
    }
}

fn fence(epoch: &Versioned<ControllerEpoch>) -> ControllerFence {
    ControllerFence {
        epoch: epoch.value.0,
        zk_version: epoch.stat.version,
    }
}

/// Takes `/controller` and raises the epoch, both or neither. An old node of ours is deleted in the
/// same step. Its own version says little (every fresh node has version 0), but whoever is elected
/// raises the epoch, which has to be what it was before we looked: a fresh node is never deleted.
/// (The check at the beginning is for servers that do not carry out all of it as one.)
fn ballot(
    registration: &ControllerRegistration,
    old: Option<&Versioned<ControllerRegistration>>,
    next_epoch: i32,
    epoch_version: i32,
) -> Vec<Op> {
    let mut ops = Vec::with_capacity(4);
    ops.push(Op::Check {
        path: path::CONTROLLER_EPOCH.to_owned(),
        version: epoch_version,
    });
    if let Some(old) = old {
        ops.push(Op::Delete {
            path: path::CONTROLLER.to_owned(),
            expected: Some(old.stat.version),
        });
    }
    ops.push(Op::CreateEphemeral {
        path: path::CONTROLLER.to_owned(),
        data: registration.encode(),
    });
    ops.push(Op::Set {
        path: path::CONTROLLER_EPOCH.to_owned(),
        data: ControllerEpoch(next_epoch).encode(),
        expected: Some(epoch_version),
    });
    ops
}
