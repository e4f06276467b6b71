use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::TopicName;
use ottla_zk::znode::Subscription;
use proptest::prelude::*;

use super::*;

fn group(members: &[(&str, &[(&str, i32)])], topics: &[(&str, i32)]) -> GroupView {
    let subscriptions = members.iter().map(|(consumer, topics)| {
        let topics = topics.iter().map(|(t, n)| ((*t).to_owned(), *n));
        let subscription = Subscription::Static(topics.collect());
        ((*consumer).to_owned(), subscription)
    });
    let mut view = GroupView::new(&subscriptions.collect(), &BTreeSet::new()).unwrap();
    for (topic, count) in topics {
        view.add_partitions(TopicName::from(*topic), 0..*count);
    }
    view
}

/// `thread: partition partition …`, a line per thread that has any.
fn text(owners: &BTreeMap<TopicPartition, ConsumerThread>) -> String {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (partition, thread) in owners {
        let line = lines.entry(thread.to_string()).or_default();
        line.push(partition.to_string());
    }
    let lines = lines.iter().map(|(t, ps)| format!("{t}: {}", ps.join(" ")));
    lines.collect::<Vec<_>>().join("\n")
}

fn check(strategy: AssignmentStrategy, view: &GroupView, expected: &[&str]) {
    assert_eq!(text(&assign(strategy, view)), expected.join("\n"));
}

#[test]
fn java_hashes() {
    for (text, hash) in [("", 0), ("t-0", 112_919), ("hello", 99_162_322)] {
        assert_eq!(java_hash(text), hash, "{text}");
    }
    // Beyond the ends of an int, and a character of two units.
    assert_eq!(java_hash("zzzzzzz"), 215_481_018);
    assert_eq!(java_hash("\u{1f600}"), 1_772_899);
}

/// The expected lines are what Apache Kafka 1.1.1 computes.
#[test]
fn shares_as_apache_computes_them() {
    let two: &[(&str, i32)] = &[("orders", 2), ("clicks", 2)];
    let equal = group(
        &[("g_h-2", two), ("g_h-10", two)],
        &[("orders", 7), ("clicks", 12)],
    );
    check(
        AssignmentStrategy::Range,
        &equal,
        &[
            "g_h-10-0: clicks-0 clicks-1 clicks-2 orders-0 orders-1",
            "g_h-10-1: clicks-3 clicks-4 clicks-5 orders-2 orders-3",
            "g_h-2-0: clicks-6 clicks-7 clicks-8 orders-4 orders-5",
            "g_h-2-1: clicks-9 clicks-10 clicks-11 orders-6",
        ],
    );
    check(
        AssignmentStrategy::RoundRobin,
        &equal,
        &[
            "g_h-10-0: clicks-2 clicks-6 clicks-10 orders-0 orders-4",
            "g_h-10-1: clicks-3 clicks-7 clicks-11 orders-1 orders-5",
            "g_h-2-0: clicks-0 clicks-4 clicks-8 orders-2 orders-6",
            "g_h-2-1: clicks-1 clicks-5 clicks-9 orders-3",
        ],
    );
    let unequal = group(
        &[
            ("g_a", &[("orders", 1), ("clicks", 1)]),
            ("g_b", &[("clicks", 3)]),
            ("g_C", &[("orders", 1), ("users", 1)]),
        ],
        &[("orders", 7), ("clicks", 12), ("users", 4)],
    );
    check(
        AssignmentStrategy::Range,
        &unequal,
        &[
            "g_C-0: orders-0 orders-1 orders-2 orders-3 users-0 users-1 users-2 users-3",
            "g_a-0: clicks-0 clicks-1 clicks-2 orders-4 orders-5 orders-6",
            "g_b-0: clicks-3 clicks-4 clicks-5",
            "g_b-1: clicks-6 clicks-7 clicks-8",
            "g_b-2: clicks-9 clicks-10 clicks-11",
        ],
    );
    check(
        AssignmentStrategy::RoundRobin,
        &unequal,
        &[
            "g_C-0: orders-0 orders-2 orders-4 orders-6 users-0 users-1 users-2 users-3",
            "g_a-0: clicks-0 clicks-4 clicks-8 clicks-10 orders-1 orders-3 orders-5",
            "g_b-0: clicks-1 clicks-5 clicks-9 clicks-11",
            "g_b-1: clicks-2 clicks-6",
            "g_b-2: clicks-3 clicks-7",
        ],
    );
}

/// Thread 10 comes before thread 2, as Apache Kafka 1.1.1 has it.
#[test]
fn threads_are_ordered_as_texts() {
    let many = group(
        &[("g_a", &[("orders", 11)]), ("g_b", &[("orders", 1)])],
        &[("orders", 14)],
    );
    check(
        AssignmentStrategy::Range,
        &many,
        &[
            "g_a-0: orders-0 orders-1",
            "g_a-1: orders-2 orders-3",
            "g_a-10: orders-4",
            "g_a-2: orders-5",
            "g_a-3: orders-6",
            "g_a-4: orders-7",
            "g_a-5: orders-8",
            "g_a-6: orders-9",
            "g_a-7: orders-10",
            "g_a-8: orders-11",
            "g_a-9: orders-12",
            "g_b-0: orders-13",
        ],
    );
    check(
        AssignmentStrategy::RoundRobin,
        &many,
        &[
            "g_a-0: orders-8 orders-10",
            "g_a-1: orders-9 orders-11",
            "g_a-10: orders-12",
            "g_a-2: orders-13",
            "g_a-3: orders-0",
            "g_a-4: orders-1",
            "g_a-5: orders-2",
            "g_a-6: orders-3",
            "g_a-7: orders-4",
            "g_a-8: orders-5",
            "g_a-9: orders-6",
            "g_b-0: orders-7",
        ],
    );
}

#[test]
fn there_may_be_too_little_for_all() {
    let one: &[(&str, i32)] = &[("t", 1)];
    let view = group(&[("g_a", one), ("g_b", one), ("g_c", one)], &[("t", 2)]);
    check(
        AssignmentStrategy::Range,
        &view,
        &["g_a-0: t-0", "g_b-0: t-1"],
    );
    for strategy in [AssignmentStrategy::Range, AssignmentStrategy::RoundRobin] {
        check(strategy, &group(&[("g_a", one)], &[]), &[]);
        check(strategy, &group(&[], &[]), &[]);
    }
}

/// Members with some topics each, in some number of streams.
fn groups() -> impl proptest::strategy::Strategy<Value = GroupView> {
    let topics = prop::collection::btree_map("[a-d]", 1..4_i32, 1..4);
    let members = prop::collection::btree_map("g_h-[0-9]{1,2}", topics, 1..6);
    let partitions = prop::collection::btree_map("[a-d]", 0..13_i32, 4);
    (members, partitions).prop_map(|(members, partitions)| {
        let subscriptions = members
            .into_iter()
            .map(|(consumer, topics)| (consumer, Subscription::Static(topics)))
            .collect();
        let mut view = GroupView::new(&subscriptions, &BTreeSet::new()).unwrap();
        for topic in view.topics() {
            let count = partitions.get(&*topic).copied().unwrap_or_default();
            view.add_partitions(topic, 0..count);
        }
        view
    })
}

proptest! {
    #[test]
    fn every_partition_has_one_owner_who_wants_it(view in groups()) {
        let partitions: BTreeSet<TopicPartition> = view
            .partitions
            .iter()
            .flat_map(|(topic, numbers)| numbers.iter().map(|n| at(topic, *n)))
            .collect();
        let threads = view.threads_by_topic();
        for strategy in [AssignmentStrategy::Range, AssignmentStrategy::RoundRobin] {
            let owners = assign(strategy, &view);
            prop_assert_eq!(&owners.keys().cloned().collect::<BTreeSet<_>>(), &partitions);
            for (partition, owner) in &owners {
                prop_assert!(threads[&partition.topic].contains(owner));
            }
        }
    }

    #[test]
    fn ranges_are_whole_and_even(view in groups()) {
        let owners = assign(AssignmentStrategy::Range, &view);
        for (topic, threads) in view.threads_by_topic() {
            let count = view.partitions[&topic].len();
            let mut next = 0;
            for (position, thread) in threads.iter().enumerate() {
                let own = owners.iter().filter(|(p, t)| p.topic == topic && *t == thread);
                let own: Vec<usize> = own.map(|(p, _)| p.partition as usize).collect();
                let size = count / threads.len() + usize::from(position < count % threads.len());
                prop_assert_eq!(own, (next..next + size).collect::<Vec<_>>());
                next += size;
            }
        }
    }

    #[test]
    fn equal_members_are_dealt_equally(
        count in 0..40_i32, members in 1..6_usize, streams in 1..4_i32
    ) {
        let ids: Vec<String> = (0..members).map(|n| format!("g_h-{n}")).collect();
        let topics = [("a", streams), ("b", streams)];
        let all: Vec<(&str, &[(&str, i32)])> = ids.iter().map(|id| (id.as_str(), &topics[..])).collect();
        let owners = assign(AssignmentStrategy::RoundRobin, &group(&all, &[("a", count), ("b", 7)]));
        let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
        for thread in owners.values() {
            *sizes.entry(thread.to_string()).or_default() += 1;
        }
        let total = owners.len();
        let threads = members * streams as usize;
        for size in sizes.values() {
            prop_assert!((total / threads..=total.div_ceil(threads)).contains(size));
        }
    }
}
