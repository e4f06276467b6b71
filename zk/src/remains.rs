//! Removing what a dead broker has left behind, so that nobody waits for its session to time out.

use ottla_metadata::BrokerId;

use crate::error::ZkError;
use crate::multi::Op;
use crate::node::{Failure, NodeStat, stopped};
use crate::path;
use crate::session::Session;
use crate::zk::Zk;

/// How often the removal is tried again when nodes change below our hands.
const CONTENTION_LIMIT: usize = 100;
const ACTION: &str = "removing what a dead broker has left behind";

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// `/brokers/ids/<id>`.
    pub registration: bool,
    /// `/controller`.
    pub controller: bool,
}

impl Zk {
    /// Removes a broker's registration and its `/controller`, where they belong to earlier sessions
    /// in this handle's record of sessions: the registration's watchers and the other candidates
    /// hear of the death at once.
    ///
    /// The caller holds the lock that proves that the process of those sessions is dead. Both go
    /// in one step, so that the next controller does not find the dead broker among the living.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn remove_remains(&self, id: BrokerId) -> Result<Remains, ZkError> {
        let session = self.live()?;
        if self.inner.own.is_empty() {
            return Ok(Remains::default());
        }
        let registration = path::broker(id);
        let mut tried = Remains::default();
        for _ in 0..CONTENTION_LIMIT {
            // The epoch first: whoever is elected after this read raises it, and then nothing is
            // deleted. A node's own version cannot tell the old one from a fresh one.
            let epoch = session.stat(path::CONTROLLER_EPOCH).await?;
            let controller = self.left_behind(&session, path::CONTROLLER).await?;
            let broker = self.left_behind(&session, &registration).await?;
            let mut ops = Vec::with_capacity(3);
            if let (Some(epoch), Some(_)) = (epoch, controller) {
                ops.push(Op::Check {
                    path: path::CONTROLLER_EPOCH.to_owned(),
                    version: epoch.version,
                });
            }
            let found = [
                (path::CONTROLLER, controller),
                (registration.as_str(), broker),
            ];
            ops.extend(found.iter().filter_map(|(path, stat)| {
                Some(Op::Delete {
                    path: (*path).to_owned(),
                    expected: Some((*stat)?.version),
                })
            }));
            if ops.is_empty() {
                return Ok(tried);
            }
            tried = Remains {
                registration: tried.registration || broker.is_some(),
                controller: tried.controller || controller.is_some(),
            };
            match session.multi(&ops).await {
                Ok(_) => return Ok(tried),
                Err(failed) => match failed.failure {
                    // Changed meanwhile, or done already and we do not know it: look again.
                    Failure::Conflict(_) | Failure::Lost => {}
                    other => return Err(stopped(other.of_write(&registration), ACTION)),
                },
            }
        }
        Err(ZkError::Contended {
            path: registration,
            action: ACTION,
        })
    }

    /// The node, if an earlier session of ours owns it.
    async fn left_behind(
        &self,
        session: &Session,
        path: &str,
    ) -> Result<Option<NodeStat>, ZkError> {
        let ours = |owner| owner != session.id() && self.inner.own.contains(owner);
        let stat = session.stat(path).await?;
        Ok(stat.filter(|stat| stat.ephemeral_owner.is_some_and(ours)))
    }
}
