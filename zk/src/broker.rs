//! Live brokers: reading their registrations, and making ours.

use ottla_metadata::{BrokerId, BrokerInfo, Millis};

use crate::error::{RegisterError, WriteResult, ZkError};
use crate::multi::Op;
use crate::node::{Failure, NodeStat, ReadOne, Versioned, stopped};
use crate::path;
use crate::record::SessionId;
use crate::session::Session;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{BrokerRegistration, Znode};

/// How often a registration is tried again when the node changes below our hands.
const CONTENTION_LIMIT: usize = 100;
const ACTION: &str = "registering the broker";

/// A registration that is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredBroker {
    /// The broker epoch (KIP-380): the czxid of the node.
    pub epoch: i64,
    /// The session it lives as long as.
    pub session: SessionId,
    /// The generation of that session.
    pub generation: u64,
}

impl Versioned<BrokerRegistration> {
    /// The registration as the cluster image has it.
    pub fn broker_info(&self, id: BrokerId) -> BrokerInfo {
        BrokerInfo {
            id,
            epoch: self.stat.czxid,
            endpoints: self.value.endpoints.clone(),
            rack: self.value.rack.clone(),
        }
    }
}

impl Zk {
    /// The ids of all live brokers, sorted. What is not a number is not a broker.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn broker_ids(&self, watch: Watch) -> Result<Vec<BrokerId>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::BrokersChanged);
        let names = self.live()?.children(path::BROKER_IDS, event).await?;
        let mut ids: Vec<BrokerId> = names
            .unwrap_or_default()
            .iter()
            .filter_map(|name| name.parse().ok().map(BrokerId))
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// One broker's registration; its czxid is the broker epoch.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn broker(
        &self,
        id: BrokerId,
        watch: Watch,
    ) -> Result<Option<Versioned<BrokerRegistration>>, ZkError> {
        self.read(&path::broker(id), broker_event(id, watch)).await
    }

    /// The registrations of many brokers, in the order given. One that is gone is `Ok(None)`.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn brokers(
        &self,
        ids: Vec<BrokerId>,
        watch: Watch,
    ) -> Result<Vec<(BrokerId, ReadOne<BrokerRegistration>)>, ZkError> {
        self.read_many(ids, |id| path::broker(*id), |id| broker_event(*id, watch))
            .await
    }

    /// Registers the broker in the current session and answers its epoch.
    ///
    /// A node that a session of ours has left behind, of this process or of the one before it, is
    /// replaced at once instead of waiting for that session to time out.
    ///
    /// # Errors
    /// [`RegisterError::IdTaken`] and [`RegisterError::EndpointTaken`] if another broker is in the
    /// way; else ZooKeeper failed.
    pub async fn register_broker(
        &self,
        id: BrokerId,
        registration: &BrokerRegistration,
    ) -> Result<RegisteredBroker, RegisterError> {
        let session = self.live()?;
        self.refuse_taken_endpoints(id, registration).await?;
        let own = &self.inner.own;
        own.add(session.id()).await;
        let at = path::broker(id);
        let data = registration.encode();
        let mut old = None;
        for _ in 0..CONTENTION_LIMIT {
            match session
                .multi(&registration_ops(&session, &at, &data, old))
                .await
            {
                Ok(stats) => {
                    if let Some(stat) = stats.last().copied().flatten() {
                        return Ok(registered(&session, stat));
                    }
                }
                Err(failed) => match failed.failure {
                    Failure::Conflict(_) | Failure::Lost => {}
                    other => return Err(stopped(other.of_write(&at), ACTION).into()),
                },
            }
            old = None;
            let Some((found, stat)) = session.get(&at, None).await? else {
                // It has just vanished, or ZooKeeper has been emptied.
                session.ensure(path::BROKER_IDS).await?;
                continue;
            };
            match stat.ephemeral_owner {
                Some(owner) if owner == session.id() => {
                    // Ours of this session: the answer was lost, or it is registered again.
                    if found == data {
                        return Ok(registered(&session, stat));
                    }
                    if let Ok(stat) = session.set(&at, &data, Some(stat.version)).await {
                        return Ok(registered(&session, stat));
                    }
                }
                Some(owner) if own.contains(owner) => {
                    tracing::info!(%id, session = %owner, epoch = stat.czxid,
                        "replacing the registration that this broker left behind");
                    old = Some(stat);
                }
                owner => return Err(id_taken(id, &found, owner)),
            }
        }
        Err(RegisterError::Zk(ZkError::Contended {
            path: at,
            action: ACTION,
        }))
    }

    /// Replaces the data of our registration, such as its addresses; the epoch stays.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn update_registration(
        &self,
        id: BrokerId,
        registration: &BrokerRegistration,
    ) -> WriteResult<()> {
        let session = self.live_for_write()?;
        session
            .set(&path::broker(id), &registration.encode(), None)
            .await
            .map(|_| ())
    }

    /// Two brokers at one address would take each other's requests (`KafkaServer.createBrokerInfo`).
    async fn refuse_taken_endpoints(
        &self,
        id: BrokerId,
        registration: &BrokerRegistration,
    ) -> Result<(), RegisterError> {
        let mut others = self.broker_ids(Watch::No).await?;
        others.retain(|other| *other != id);
        for (other, found) in self.brokers(others, Watch::No).await? {
            // What nobody can read nobody can be sent to.
            let Ok(Some(found)) = found else { continue };
            let taken = registration.endpoints.iter().find(|ours| {
                let theirs = &found.value.endpoints;
                theirs
                    .iter()
                    .any(|e| e.host == ours.host && e.port == ours.port)
            });
            if let Some(taken) = taken {
                return Err(RegisterError::EndpointTaken {
                    endpoint: format!("{}:{}", taken.host, taken.port),
                    other,
                });
            }
        }
        Ok(())
    }
}

fn broker_event(id: BrokerId, watch: Watch) -> Option<WatchEvent> {
    (watch == Watch::Arm).then_some(WatchEvent::BrokerChanged(id))
}

fn registered(session: &Session, stat: NodeStat) -> RegisteredBroker {
    RegisteredBroker {
        epoch: stat.czxid,
        session: session.id(),
        generation: session.generation,
    }
}

/// Created empty and then set, as Kafka does since 2.2: only the answer to a write has the czxid.
///
/// An old node of ours is deleted in the same step. It has just been read, and its owner and czxid
/// said that it is the old one; the version that the deletion expects cannot say it again, because
/// every registration has version 1. So in the moment since, the old session could have ended and
/// another process could have registered this id. No such process can be meant to exist: it would
/// need this broker's id and, since the caller holds the lock of this broker's log directory,
/// another directory. If somebody configured that mistake, the loser is told so: a broker watches
/// its own node, registers again when it vanishes, and finds the id taken.
fn registration_ops(session: &Session, at: &str, data: &[u8], old: Option<NodeStat>) -> Vec<Op> {
    let mut ops = Vec::with_capacity(3);
    if let Some(old) = old {
        ops.push(Op::Delete {
            path: at.to_owned(),
            expected: Some(old.version),
        });
    }
    if session.dialect.is_old() {
        // An empty node would be seen; the czxid is read afterwards.
        ops.push(Op::CreateEphemeral {
            path: at.to_owned(),
            data: data.to_vec(),
        });
        return ops;
    }
    ops.push(Op::CreateEphemeral {
        path: at.to_owned(),
        data: Vec::new(),
    });
    ops.push(Op::Set {
        path: at.to_owned(),
        data: data.to_vec(),
        expected: Some(0),
    });
    ops
}

fn id_taken(id: BrokerId, found: &[u8], owner: Option<SessionId>) -> RegisterError {
    let holder = BrokerRegistration::decode(found).ok();
    let address = holder
        .as_ref()
        .and_then(|holder| holder.endpoints.first())
        .map_or_else(
            || "an unreadable registration".to_owned(),
            |e| format!("{}:{}", e.host, e.port),
        );
    RegisterError::IdTaken {
        id,
        address,
        registered: holder.map_or_else(|| "?".to_owned(), |h| utc(h.timestamp_ms)),
        owner: owner.unwrap_or(SessionId(0)),
    }
}

/// A time for people: `2026-11-21T10:13:37Z`, by the proleptic Gregorian calendar.
fn utc(ms: Millis) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Counted from the first of March of the year 0, so that leap days come last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + carry;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_shown_for_people() {
        let check = |ms: i64, text: &str| assert_eq!(utc(ms), text);
        check(0, "1970-01-01T00:00:00Z");
        check(1_700_000_000_001, "2023-11-14T22:13:20Z");
        check(951_782_400_000, "2000-02-29T00:00:00Z");
        check(951_868_800_000, "2000-03-01T00:00:00Z");
        check(4_102_444_799_999, "2099-12-31T23:59:59Z");
        check(-1, "1969-12-31T23:59:59Z");
        // Whatever a node holds.
        utc(i64::MAX);
        utc(i64::MIN);
    }
}
