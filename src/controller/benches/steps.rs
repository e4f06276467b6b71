//! Single steps of the controller with many partitions of three replicas on three brokers:
//! `cargo bench -p ottla-controller`.
//!
//! All but the change of one ISR should cost a few microseconds a partition, whatever their number.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use divan::{Bencher, counter::ItemsCount};
use ottla_controller::{
    Action, Assignment, Controller, ElectionKind, Event, Fence, IsrAlteration, Loaded, Read,
    Settings, StateNode, StoreOutcome, TermEvent, TopicKey, TopicNode, TopicRead, WaiterId,
};
use ottla_metadata::{BrokerId, BrokerInfo, TopicId, TopicPartition};

const PARTITIONS: [i32; 2] = [1_000, 10_000];
const ID: TopicId = TopicId([1; 16]);
const FENCE: Fence = Fence {
    epoch: 1,
    version: 1,
};

fn main() {
    divan::main();
}

fn brokers(ids: std::ops::Range<i32>) -> BTreeMap<BrokerId, Arc<BrokerInfo>> {
    let broker = |id| BrokerInfo {
        id: BrokerId(id),
        epoch: i64::from(id),
        endpoints: Vec::new(),
        rack: None,
    };
    ids.map(|id| (BrokerId(id), Arc::new(broker(id)))).collect()
}

/// A topic whose partitions have the brokers as replicas in turn.
fn topic(partitions: i32) -> TopicRead {
    let replicas = |p: i32| (0..3).map(|n| BrokerId((p + n) % 3)).collect();
    let assignment = |p| Assignment {
        replicas: replicas(p),
        ..Assignment::default()
    };
    TopicRead {
        topic: "many".into(),
        node: Read::Found(TopicNode {
            id: ID,
            partitions: (0..partitions).map(|p| (p, assignment(p))).collect(),
            version: 0,
        }),
        spare_id: TopicId([2; 16]),
    }
}

fn in_term(event: TermEvent) -> Event {
    Event::InTerm(FENCE.epoch, event)
}

/// A controller of three brokers.
fn controller() -> Controller {
    let settings = Settings {
        topic_ids: true,
        leader_recovery: true,
        delete_topics: true,
    };
    let mut controller = Controller::new(BrokerId(0), settings);
    controller.step(Event::Elected(FENCE));
    let loaded = Loaded {
        brokers: brokers(0..3),
        ..Loaded::default()
    };
    controller.step(in_term(TermEvent::Loaded(Box::new(loaded))));
    controller
}

/// The answer to a step's state writes: all are stored.
fn stored(actions: Vec<Action>) -> TermEvent {
    let writes = actions.into_iter().find_map(|action| match action {
        Action::StoreStates(_, writes) => Some(writes),
        _ => None,
    });
    let outcome = |expected: Option<i32>| expected.map_or(0, |version| version + 1);
    let writes = writes.unwrap().into_iter();
    let outcomes = writes.map(|w| (w.partition, StoreOutcome::Stored(outcome(w.expected))));
    TermEvent::StatesStored(outcomes.collect())
}

/// The same with all partitions led.
fn settled(partitions: i32) -> Controller {
    let mut controller = controller();
    let read = TermEvent::TopicsRead(vec![topic(partitions)]);
    let created = controller.step(in_term(read));
    controller.step(in_term(stored(created)));
    controller
}

/// Measures one step from this state.
fn measure(bencher: Bencher<'_, '_>, items: i32, start: &Controller, event: &TermEvent) {
    bencher
        .counter(ItemsCount::new(usize::try_from(items).unwrap()))
        .with_inputs(|| (start.clone(), in_term(event.clone())))
        .bench_values(|(mut controller, event)| (controller.step(event), controller));
}

#[divan::bench(args = PARTITIONS)]
fn a_new_term_loads(bencher: Bencher<'_, '_>, partitions: i32) {
    let mut elected = controller();
    let mut writer = controller();
    let created = writer.step(in_term(TermEvent::TopicsRead(vec![topic(partitions)])));
    let states = created.into_iter().find_map(|action| match action {
        Action::StoreStates(_, writes) => Some(writes),
        _ => None,
    });
    let read = |state| Read::Found(StateNode { state, version: 0 });
    let states: Vec<_> = states.unwrap().into_iter().collect();
    let loaded = Loaded {
        brokers: brokers(1..3),
        topics: vec![topic(partitions)],
        written: states.iter().map(|w| (w.partition.clone(), 9)).collect(),
        states: states
            .into_iter()
            .map(|w| (w.partition, read(w.state)))
            .collect(),
        ..Loaded::default()
    };
    elected.step(Event::Elected(FENCE));
    let loaded = TermEvent::Loaded(Box::new(loaded));
    measure(bencher, partitions, &elected, &loaded);
}

#[divan::bench(args = PARTITIONS)]
fn a_topic_appears(bencher: Bencher<'_, '_>, partitions: i32) {
    let read = TermEvent::TopicsRead(vec![topic(partitions)]);
    measure(bencher, partitions, &controller(), &read);
}

#[divan::bench(args = PARTITIONS)]
fn a_broker_dies(bencher: Bencher<'_, '_>, partitions: i32) {
    let left = TermEvent::Brokers(brokers(0..2));
    measure(bencher, partitions, &settled(partitions), &left);
}

#[divan::bench(args = PARTITIONS)]
fn elections_are_stored(bencher: Bencher<'_, '_>, partitions: i32) {
    let mut controller = settled(partitions);
    let elected = controller.step(in_term(TermEvent::Brokers(brokers(0..2))));
    measure(bencher, partitions, &controller, &stored(elected));
}

/// All leaders are the preferred ones already.
#[divan::bench(args = PARTITIONS)]
fn preferred_leaders_are_asked_for(bencher: Bencher<'_, '_>, partitions: i32) {
    let all: BTreeSet<_> = (0..partitions)
        .map(|p| TopicPartition::new("many", p))
        .collect();
    let wanted = TermEvent::ElectLeaders {
        waiter: WaiterId(1),
        kind: ElectionKind::Preferred,
        partitions: all,
    };
    measure(bencher, partitions, &settled(partitions), &wanted);
}

/// Should not depend on the number of partitions.
#[divan::bench(args = PARTITIONS)]
fn one_isr_changes(bencher: Bencher<'_, '_>, partitions: i32) {
    let smaller = TermEvent::AlterPartition {
        waiter: WaiterId(1),
        broker: BrokerId(0),
        broker_epoch: 0,
        partitions: vec![IsrAlteration {
            topic: TopicKey::Id(ID),
            partition: 0,
            leader_epoch: 0,
            partition_epoch: 0,
            isr: vec![BrokerId(0), BrokerId(1)],
            recovering: false,
        }],
    };
    measure(bencher, 1, &settled(partitions), &smaller);
}
