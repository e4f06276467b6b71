//! A little driver for tests: one group, a clock that is moved by hand, appends that end when told.

#![allow(dead_code, clippy::panic, clippy::unwrap_used)] // each test file uses its part

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_group::{
    Action, AppendFailure, AppendId, AppendOutcome, Commit, CommitOffset, EncodedRecord, Event,
    GroupError, GroupState, Groups, Join, JoinRefused, Joined, MemberRef, Now, Response, Settings,
    Sync, Synced, WaiterId,
};
use ottla_metadata::TopicPartition;

pub(crate) const GROUP: &str = "g";

pub(crate) struct Bench {
    pub(crate) groups: Groups,
    pub(crate) now: i64,
    pub(crate) answers: BTreeMap<WaiterId, Response>,
    /// Appends that have not ended.
    pub(crate) appends: Vec<(AppendId, Vec<EncodedRecord>)>,
    /// Every record stored.
    pub(crate) log: Vec<EncodedRecord>,
    next_waiter: u64,
}

/// What a client says when it joins.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<&'static str>,
    pub(crate) version: i16,
    pub(crate) protocol_type: &'static str,
    pub(crate) protocols: Vec<(&'static str, &'static [u8])>,
    pub(crate) session_ms: i32,
    pub(crate) rebalance_ms: i32,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            member_id: String::new(),
            instance_id: None,
            version: 3,
            protocol_type: "consumer",
            protocols: vec![("range", b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff")],
            session_ms: 10_000,
            rebalance_ms: 60_000,
        }
    }
}

impl Client {
    pub(crate) fn named(member_id: &str) -> Client {
        Client {
            member_id: member_id.into(),
            ..Client::default()
        }
    }

    pub(crate) fn fixed(instance: &'static str, version: i16) -> Client {
        Client {
            instance_id: Some(instance),
            version,
            ..Client::default()
        }
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        offset_metadata_max: 10,
        ..Settings::default()
    }
}

pub(crate) fn member(id: &str, instance: Option<&str>) -> MemberRef {
    MemberRef {
        member_id: id.into(),
        instance_id: instance.map(Arc::from),
    }
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Bench {
        Bench {
            groups: Groups::new(Arc::new(settings)),
            now: 1_000,
            answers: BTreeMap::new(),
            appends: Vec::new(),
            log: Vec::new(),
            next_waiter: 0,
        }
    }

    pub(crate) fn time(&self) -> Now {
        Now {
            mono: self.now,
            wall: self.now + 1_000_000,
        }
    }

    pub(crate) fn waiter(&mut self) -> WaiterId {
        self.next_waiter += 1;
        WaiterId(self.next_waiter)
    }

    pub(crate) fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Append {
                    append, records, ..
                } => self.appends.push((append, records)),
                Action::Answer { waiter, response } => {
                    assert!(self.answers.insert(waiter, response).is_none());
                }
            }
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        let actions = self.groups.step(self.time(), GROUP, event);
        self.take(actions);
    }

    /// Moves the clock to each deadline on the way.
    pub(crate) fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while let Some(at) = self.groups.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let actions = self.groups.tick(self.time());
            self.take(actions);
        }
        self.now = end;
    }

    /// Ends all appends well, also those that follow from it.
    pub(crate) fn store(&mut self) {
        while !self.appends.is_empty() {
            let (append, records) = self.appends.remove(0);
            let offset = self.log.len() as i64;
            self.log.extend(records);
            let outcome = AppendOutcome::Stored { offset };
            self.event(Event::Appended { append, outcome });
        }
    }

    pub(crate) fn fail(&mut self, failure: AppendFailure) {
        for (append, _) in std::mem::take(&mut self.appends) {
            let outcome = AppendOutcome::Failed(failure);
            self.event(Event::Appended { append, outcome });
        }
    }

    pub(crate) fn join(&mut self, client: &Client) -> WaiterId {
        let waiter = self.waiter();
        let protocols = client.protocols.iter();
        self.event(Event::Join(Join {
            waiter,
            member: member(&client.member_id, client.instance_id),
            uuid: format!("uuid{}", waiter.0).into(),
            member_id_required: client.version >= 4,
            can_skip_assignment: client.version >= 9,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: client.rebalance_ms,
            session_timeout_ms: client.session_ms,
            protocol_type: client.protocol_type.into(),
            protocols: protocols
                .map(|(name, bytes)| ((*name).into(), Bytes::from_static(bytes)))
                .collect(),
        }));
        waiter
    }

    pub(crate) fn joined(&mut self, waiter: WaiterId) -> Result<Joined, JoinRefused> {
        match self.answers.remove(&waiter) {
            Some(Response::Join(result)) => result,
            other => panic!("no answer to a join: {other:?}"),
        }
    }

    pub(crate) fn sync_with(
        &mut self,
        id: &str,
        generation: i32,
        assignments: &[(&str, &'static [u8])],
    ) -> WaiterId {
        let waiter = self.waiter();
        self.event(Event::Sync(Sync {
            waiter,
            member: member(id, None),
            generation,
            protocol_required: false,
            protocol_type: None,
            protocol_name: None,
            assignments: assignments
                .iter()
                .map(|(id, bytes)| ((*id).into(), Bytes::from_static(bytes)))
                .collect(),
        }));
        waiter
    }

    pub(crate) fn synced(&mut self, waiter: WaiterId) -> Result<Synced, GroupError> {
        match self.answers.remove(&waiter) {
            Some(Response::Sync(result)) => result,
            other => panic!("no answer to a sync: {other:?}"),
        }
    }

    pub(crate) fn heartbeat(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let waiter = self.waiter();
        self.event(Event::Heartbeat {
            waiter,
            member: member(id, instance),
            generation,
        });
        match self.answers.remove(&waiter) {
            Some(Response::Heartbeat(result)) => result,
            other => panic!("no answer to a heartbeat: {other:?}"),
        }
    }

    pub(crate) fn leave(
        &mut self,
        members: Vec<MemberRef>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let waiter = self.waiter();
        self.event(Event::Leave { waiter, members });
        match self.answers.remove(&waiter) {
            Some(Response::Leave(result)) => result,
            other => panic!("no answer to a leave: {other:?}"),
        }
    }

    pub(crate) fn commit_of(
        &mut self,
        member: MemberRef,
        generation: i32,
        offsets: &[(&str, i32, i64, &str)],
    ) -> WaiterId {
        let waiter = self.waiter();
        self.event(Event::Commit(Commit {
            waiter,
            member,
            generation,
            retention_ms: None,
            offsets: offsets
                .iter()
                .map(|(topic, partition, offset, metadata)| CommitOffset {
                    partition: TopicPartition::new(*topic, *partition),
                    offset: *offset,
                    leader_epoch: Some(3),
                    metadata: (*metadata).into(),
                    timestamp: None,
                })
                .collect(),
        }));
        waiter
    }

    pub(crate) fn committed(&mut self, waiter: WaiterId) -> Vec<Result<(), GroupError>> {
        match self.answers.remove(&waiter) {
            Some(Response::Commit(results)) => results,
            other => panic!("no answer to a commit: {other:?}"),
        }
    }

    /// Commits of a consumer that is in no group, stored.
    pub(crate) fn simple_commit(
        &mut self,
        offsets: &[(&str, i32, i64, &str)],
    ) -> Vec<Result<(), GroupError>> {
        let waiter = self.commit_of(member("", None), -1, offsets);
        self.store();
        self.committed(waiter)
    }

    pub(crate) fn state(&self) -> GroupState {
        self.groups.describe(GROUP).state
    }

    /// Members that join an empty group and get their assignment: their ids, the leader first.
    pub(crate) fn stable(&mut self, clients: &[Client]) -> Vec<String> {
        let waiters: Vec<WaiterId> = clients.iter().map(|client| self.join(client)).collect();
        self.pass(3_000);
        self.pass(3_000);
        let joined: Vec<Joined> = waiters.iter().map(|w| self.joined(*w).unwrap()).collect();
        let generation = joined[0].generation;
        let leader = joined[0].leader.clone();
        let mut ids: Vec<String> = joined.iter().map(|j| j.member_id.to_string()).collect();
        ids.sort_by_key(|id| *id != *leader);
        let instances: BTreeMap<String, Option<&str>> = joined
            .iter()
            .zip(clients)
            .map(|(j, c)| (j.member_id.to_string(), c.instance_id))
            .collect();
        assert!(!instances.is_empty());
        let syncs: Vec<WaiterId> = ids
            .iter()
            .map(|id| {
                let all: Vec<(&str, &'static [u8])> = ids
                    .iter()
                    .map(|id| (id.as_str(), &b"assigned"[..]))
                    .collect();
                let given = if *id == *leader { &all[..] } else { &[] };
                self.sync_with(id, generation, given)
            })
            .collect();
        self.store();
        for sync in syncs {
            assert_eq!(self.synced(sync).unwrap().assignment, "assigned");
        }
        assert_eq!(self.state(), GroupState::Stable);
        ids
    }

    /// Another broker that loads what is in the log.
    pub(crate) fn reloaded(&self, settings: Settings) -> Bench {
        let mut bench = Bench::with(settings);
        bench.now = self.now;
        bench.log = self.log.clone();
        for (offset, record) in self.log.iter().enumerate() {
            let offset = offset as i64;
            let value = record.value.as_deref();
            bench.groups.replay(offset, &record.key, value).unwrap();
        }
        let actions = bench.groups.loaded(bench.time());
        bench.take(actions);
        bench
    }
}
