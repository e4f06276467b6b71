//! Random lists of events against what must hold whatever happens: everybody who waits is answered
//! once and can be, generations grow, one assignment counts in a generation, members do not vanish,
//! and what is acknowledged is in the log.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use common::{GROUP, member};
use ottla_group::{
    Action, AppendFailure, AppendId, AppendOutcome, Commit, CommitOffset, EncodedRecord, Event,
    FetchedOffset, GroupError, GroupState, Groups, Join, MemberId, Now, Response, Settings, Sync,
    WaiterId,
};
use ottla_metadata::TopicPartition;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    JoinNew {
        requires_id: bool,
        protocols: u8,
    },
    JoinStatic {
        instance: u8,
        skips: bool,
        protocols: u8,
    },
    Rejoin {
        who: usize,
        protocols: u8,
    },
    RejoinAll,
    Sync {
        who: usize,
        stale: bool,
    },
    SyncAll,
    Heartbeat {
        who: usize,
        stale: bool,
    },
    Leave {
        who: usize,
    },
    LeaveInstance {
        instance: u8,
    },
    Commit {
        who: usize,
        partition: i32,
        simple: bool,
    },
    Pass(i64),
    FailAppends(bool),
    EndAppend(usize),
    EndAppends,
    DeleteOffsets,
    DeleteGroup,
    DeleteTopic,
    Expire,
    Crash,
}

fn ops() -> impl Strategy<Value = Op> {
    let who = 0..6usize;
    prop_oneof![
        6 => (any::<bool>(), 1..4u8).prop_map(|(requires_id, protocols)| Op::JoinNew { requires_id, protocols }),
        4 => (0..3u8, any::<bool>(), 1..4u8)
            .prop_map(|(instance, skips, protocols)| Op::JoinStatic { instance, skips, protocols }),
        6 => (who.clone(), 1..4u8).prop_map(|(who, protocols)| Op::Rejoin { who, protocols }),
        4 => Just(Op::RejoinAll),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, stale)| Op::Sync { who, stale }),
        6 => Just(Op::SyncAll),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, stale)| Op::Heartbeat { who, stale }),
        2 => who.clone().prop_map(|who| Op::Leave { who }),
        1 => (0..3u8).prop_map(|instance| Op::LeaveInstance { instance }),
        5 => (who, 0..4i32, any::<bool>())
            .prop_map(|(who, partition, simple)| Op::Commit { who, partition, simple }),
        8 => (0..7_000i64).prop_map(Op::Pass),
        1 => (60_000..1_000_000i64).prop_map(Op::Pass),
        1 => any::<bool>().prop_map(Op::FailAppends),
        3 => (0..4usize).prop_map(Op::EndAppend),
        6 => Just(Op::EndAppends),
        1 => Just(Op::DeleteOffsets),
        1 => Just(Op::DeleteGroup),
        1 => Just(Op::DeleteTopic),
        1 => Just(Op::Expire),
        1 => Just(Op::Crash),
    ]
}

const INSTANCES: [&str; 3] = ["one", "two", "three"];

struct Model {
    groups: Groups,
    settings: Arc<Settings>,
    now: i64,
    log: Vec<EncodedRecord>,
    /// Appends whose end has not been told.
    appends: Vec<(AppendId, AppendOutcome)>,
    failing: bool,
    /// Who waits, and for syncs in which generation.
    open: BTreeMap<WaiterId, Option<i32>>,
    ids: Vec<MemberId>,
    next: u64,
    /// The assignment that counts in a generation.
    assigned: BTreeMap<i32, Bytes>,
    /// What each commit under way committed.
    commits: BTreeMap<WaiterId, (i32, i64)>,
    /// The latest commits acknowledged and not deleted.
    acknowledged: BTreeMap<i32, i64>,
    /// Commits before this one may have been deleted.
    deleted_before: i64,
}

impl Model {
    fn new() -> Model {
        let settings = Arc::new(Settings {
            max_size: 4,
            offsets_retention_ms: 100_000_000,
            ..common::settings()
        });
        Model {
            groups: Groups::new(settings.clone()),
            settings,
            now: 0,
            log: Vec::new(),
            appends: Vec::new(),
            failing: false,
            open: BTreeMap::new(),
            ids: Vec::new(),
            next: 0,
            assigned: BTreeMap::new(),
            commits: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            deleted_before: 0,
        }
    }

    fn time(&self) -> Now {
        Now {
            mono: self.now,
            wall: self.now,
        }
    }

    fn waiter(&mut self, generation: Option<i32>) -> WaiterId {
        self.next += 1;
        self.open.insert(WaiterId(self.next), generation);
        WaiterId(self.next)
    }

    fn generation(&self) -> i32 {
        self.groups.get(GROUP).map_or(0, |group| group.generation())
    }

    fn members(&self) -> BTreeSet<MemberId> {
        let members = self.groups.describe(GROUP).members;
        members.into_iter().map(|m| m.member_id).collect()
    }

    fn id(&self, who: usize) -> MemberId {
        match self.ids.len() {
            0 => "nobody".into(),
            count => self.ids[count - 1 - who % count].clone(),
        }
    }

    fn event(&mut self, event: Event) {
        let before = self.groups.get(GROUP).map(|group| group.generation());
        let actions = self.groups.step(self.time(), GROUP, event);
        self.after(before, actions);
    }

    fn after(&mut self, before: Option<i32>, actions: Vec<Action>) {
        match (before, self.groups.get(GROUP)) {
            (Some(before), Some(group)) => assert!(group.generation() >= before),
            (_, None) => self.assigned.clear(),
            (None, Some(_)) => {}
        }
        for action in actions {
            self.take(action);
        }
        let wakes = self.groups.deadline().is_some() || !self.appends.is_empty();
        assert!(
            self.open.is_empty() || wakes,
            "somebody waits for ever: {:?}",
            self.open
        );
    }

    fn take(&mut self, action: Action) {
        match action {
            Action::Append {
                append, records, ..
            } => {
                let outcome = if self.failing {
                    AppendOutcome::Failed(AppendFailure::NotEnoughReplicas)
                } else {
                    let offset = self.log.len() as i64;
                    self.log.extend(records);
                    AppendOutcome::Stored { offset }
                };
                self.appends.push((append, outcome));
            }
            Action::Answer { waiter, response } => {
                let Some(generation) = self.open.remove(&waiter) else {
                    panic!("answered twice: {waiter:?} {response:?}");
                };
                self.answered(waiter, generation, response);
            }
        }
    }

    fn answered(&mut self, waiter: WaiterId, generation: Option<i32>, response: Response) {
        match response {
            Response::Join(Ok(joined)) => {
                assert!(self.members().contains(&joined.member_id));
                let ids: BTreeSet<_> = joined.members.iter().map(|m| m.member_id.clone()).collect();
                assert!(ids.is_empty() || joined.leader == joined.member_id);
                assert!(ids.is_empty() || ids == self.members());
                self.remember(joined.member_id);
            }
            Response::Join(Err(refused)) => {
                if refused.error == GroupError::MemberIdRequired {
                    self.remember(refused.member_id);
                }
            }
            Response::Sync(Ok(synced)) => {
                let generation = generation.expect("syncs name one");
                let counts = self
                    .assigned
                    .entry(generation)
                    .or_insert(synced.assignment.clone());
                assert_eq!(
                    *counts, synced.assignment,
                    "two assignments in {generation}"
                );
                assert!(!synced.assignment.is_empty());
            }
            Response::Commit(results) => {
                let (partition, value) = self.commits.remove(&waiter).expect("a commit");
                if results == [Ok(())] && value >= self.deleted_before {
                    let latest = self.acknowledged.entry(partition).or_default();
                    *latest = value.max(*latest);
                }
            }
            Response::Sync(Err(_))
            | Response::Heartbeat(_)
            | Response::Leave(_)
            | Response::DeleteOffsets(_)
            | Response::DeleteGroup(_) => {}
        }
    }

    fn remember(&mut self, id: MemberId) {
        self.ids.retain(|known| *known != id);
        self.ids.push(id);
    }

    fn join(&mut self, id: &str, instance: Option<&str>, version: i16, protocols: u8) {
        let waiter = self.waiter(None);
        let names = [(1, "range"), (2, "sticky"), (3, "range")];
        let mut chosen: Vec<_> = names
            .into_iter()
            .filter(|(bit, _)| protocols & bit != 0)
            .map(|(_, name)| (Arc::from(name), Bytes::from(vec![protocols])))
            .collect();
        chosen.push((Arc::from("all"), Bytes::new()));
        self.event(Event::Join(Join {
            waiter,
            member: member(id, instance),
            uuid: waiter.0.to_string().into(),
            member_id_required: version >= 4,
            can_skip_assignment: version >= 9,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 20_000,
            session_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: chosen,
        }));
    }

    fn rejoin(&mut self, id: &str, protocols: u8) {
        let instance = INSTANCES.into_iter().find(|name| id.starts_with(name));
        self.join(id, instance, 9, protocols);
    }

    /// Every sync brings another assignment; only one of a generation may ever be seen.
    fn sync(&mut self, id: &MemberId, generation: i32) {
        let waiter = self.waiter(Some(generation));
        let assignment = Bytes::from(format!("{generation}/{}", waiter.0));
        let members = self.members();
        self.event(Event::Sync(Sync {
            waiter,
            member: member(id, None),
            generation,
            protocol_required: false,
            protocol_type: None,
            protocol_name: None,
            assignments: members
                .into_iter()
                .map(|id| (id, assignment.clone()))
                .collect(),
        }));
    }

    fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while let Some(at) = self.groups.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let before = self.groups.get(GROUP).map(|group| group.generation());
            let actions = self.groups.tick(self.time());
            self.after(before, actions);
        }
        self.now = end;
    }

    fn end_append(&mut self, index: usize) {
        let (append, outcome) = self.appends.remove(index);
        self.event(Event::Appended { append, outcome });
    }

    fn end_appends(&mut self) {
        while !self.appends.is_empty() {
            self.end_append(self.appends.len() - 1);
        }
    }

    fn deletes(&mut self) {
        self.acknowledged.clear();
        self.next += 1;
        self.deleted_before = self.next as i64;
    }

    /// The broker dies: what was appended is there, nobody is answered.
    fn crash(&mut self) {
        self.open.clear();
        self.appends.clear();
        self.commits.clear();
        self.groups = self.replayed();
        let generation = self.generation();
        self.assigned.retain(|of, _| *of <= generation);
        for (partition, value) in &self.acknowledged {
            match self.groups.offset(GROUP, "t", *partition, true) {
                FetchedOffset::Committed(offset) => assert!(offset.offset >= *value),
                other => panic!("{partition} was acknowledged, found {other:?}"),
            }
        }
    }

    fn replayed(&self) -> Groups {
        let mut groups = Groups::new(self.settings.clone());
        for (offset, record) in self.log.iter().enumerate() {
            let value = record.value.as_deref();
            groups.replay(offset as i64, &record.key, value).unwrap();
        }
        let actions = groups.loaded(self.time());
        assert!(actions.is_empty());
        groups
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::JoinNew {
                requires_id,
                protocols,
            } => {
                self.join("", None, if requires_id { 4 } else { 3 }, protocols);
            }
            Op::JoinStatic {
                instance,
                skips,
                protocols,
            } => {
                let instance = INSTANCES[usize::from(instance)];
                self.join("", Some(instance), if skips { 9 } else { 5 }, protocols);
            }
            Op::Rejoin { who, protocols } => {
                let id = self.id(who);
                self.rejoin(&id, protocols);
            }
            Op::RejoinAll => {
                for id in self.members() {
                    self.rejoin(&id, 1);
                }
            }
            Op::Sync { who, stale } => {
                let id = self.id(who);
                self.keeps_members(|model| model.sync(&id, model.generation() - i32::from(stale)));
            }
            Op::SyncAll => {
                for id in self.members() {
                    self.keeps_members(|model| model.sync(&id, model.generation()));
                }
            }
            Op::Heartbeat { who, stale } => {
                let waiter = self.waiter(None);
                let member = member(&self.id(who), None);
                let generation = self.generation() - i32::from(stale);
                self.keeps_members(|model| {
                    model.event(Event::Heartbeat {
                        waiter,
                        member,
                        generation,
                    });
                });
            }
            Op::Leave { who } => {
                let waiter = self.waiter(None);
                let members = vec![member(&self.id(who), None)];
                self.event(Event::Leave { waiter, members });
            }
            Op::LeaveInstance { instance } => {
                let waiter = self.waiter(None);
                let members = vec![member("", Some(INSTANCES[usize::from(instance)]))];
                self.event(Event::Leave { waiter, members });
            }
            Op::Commit {
                who,
                partition,
                simple,
            } => self.commit(who, partition, simple),
            Op::Pass(ms) => self.pass(ms),
            Op::FailAppends(failing) => self.failing = failing,
            Op::EndAppend(index) => {
                if index < self.appends.len() {
                    self.end_append(index);
                }
            }
            Op::EndAppends => self.end_appends(),
            Op::DeleteOffsets => {
                self.deletes();
                let waiter = self.waiter(None);
                let partitions = (0..4).map(|p| TopicPartition::new("t", p)).collect();
                self.event(Event::DeleteOffsets { waiter, partitions });
            }
            Op::DeleteGroup => {
                self.deletes();
                let waiter = self.waiter(None);
                self.event(Event::DeleteGroup { waiter });
            }
            Op::DeleteTopic => {
                self.deletes();
                self.event(Event::TopicsDeleted(BTreeSet::from(["t".into()])));
            }
            Op::Expire => {
                self.deletes();
                self.event(Event::ExpireOffsets);
            }
            Op::Crash => self.crash(),
        }
    }

    fn commit(&mut self, who: usize, partition: i32, simple: bool) {
        let waiter = self.waiter(None);
        let value = waiter.0 as i64;
        self.commits.insert(waiter, (partition, value));
        let (id, generation) = match simple {
            true => ("".into(), -1),
            false => (self.id(who), self.generation()),
        };
        let offsets = vec![CommitOffset {
            partition: TopicPartition::new("t", partition),
            offset: value,
            leader_epoch: None,
            metadata: String::new(),
            timestamp: None,
        }];
        self.keeps_members(|model| {
            model.event(Event::Commit(Commit {
                waiter,
                member: member(&id, None),
                generation,
                retention_ms: None,
                offsets,
            }));
        });
    }

    fn keeps_members(&mut self, act: impl FnOnce(&mut Model)) {
        let before = self.members();
        act(self);
        assert_eq!(before, self.members());
    }

    /// All appends end, nobody says anything more: everybody is answered, the group runs empty, and
    /// a coordinator that takes over knows what this one knows.
    fn finish(mut self) {
        self.failing = false;
        for _ in 0..20 {
            self.end_appends();
            self.pass(100_000);
        }
        self.end_appends();
        assert!(self.open.is_empty(), "{:?}", self.open);
        let state = self.groups.describe(GROUP).state;
        assert!(
            matches!(state, GroupState::Empty | GroupState::Dead),
            "{state:?}"
        );
        let offsets = |groups: &Groups| {
            let offsets = groups.offsets(GROUP);
            offsets
                .map(|(t, p, o)| (t.clone(), p, o.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(offsets(&self.groups), offsets(&self.replayed()));
        self.crash();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(ops in proptest::collection::vec(ops(), 1..120)) {
        let mut model = Model::new();
        for op in ops {
            model.apply(op);
        }
        model.finish();
    }
}
