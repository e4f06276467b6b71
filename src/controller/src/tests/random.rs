//! Random histories: whatever happens in whatever order, the invariants hold after every step, and
//! once nothing disturbs any more the world is as it should be.

use std::collections::BTreeSet;

use ottla_metadata::{BrokerId, TopicId};
use proptest::prelude::*;

use super::world::{Fault, World, ids, tp};
use crate::*;

const TOPICS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Op {
    Kill(i32),
    Start(i32),
    Create(usize, Vec<i32>, bool),
    Grow(usize, Vec<i32>, bool),
    Mark(usize),
    Vanish(usize),
    Shrink(usize, i32, bool),
    Rejoin(usize, i32, i32),
    Alter(usize, i32, Vec<i32>, i32),
    Lose(usize, i32),
    Scribble(usize, i32, i32, Vec<i32>),
    Break(i32, usize),
    Drain(i32),
    Prefer(usize),
    ElectLeaders(usize, bool),
    Balance(i32),
    Unclean(bool),
    Reassign(usize, i32, Option<Vec<i32>>),
    Request(usize, i32, Vec<i32>),
    CatchUp(usize, i32, bool),
    Elect,
    Faults(Vec<u8>),
    Act(usize),
}

fn replicas() -> impl Strategy<Value = Vec<i32>> {
    (Just(vec![1, 2, 3]).prop_shuffle(), 1usize..4).prop_map(|(mut all, count)| {
        all.truncate(count);
        all
    })
}

fn op() -> impl Strategy<Value = Op> {
    let topic = 0usize..3;
    prop_oneof![
        3 => (1i32..4).prop_map(Op::Kill),
        4 => (1i32..4).prop_map(Op::Start),
        4 => (topic.clone(), replicas(), any::<bool>()).prop_map(|(t, r, id)| Op::Create(t, r, id)),
        2 => (topic.clone(), replicas(), any::<bool>()).prop_map(|(t, r, id)| Op::Grow(t, r, id)),
        2 => topic.clone().prop_map(Op::Mark),
        1 => topic.clone().prop_map(Op::Vanish),
        2 => (topic.clone(), 0i32..3, any::<bool>()).prop_map(|(t, p, told)| Op::Shrink(t, p, told)),
        2 => (topic.clone(), 0i32..2, 1i32..4).prop_map(|(t, p, id)| Op::Rejoin(t, p, id)),
        4 => (topic.clone(), 0i32..2, replicas(), 0i32..8)
            .prop_map(|(t, p, isr, lag)| Op::Alter(t, p, isr, (lag - 6).max(0))),
        1 => (topic.clone(), 0i32..3).prop_map(|(t, p)| Op::Lose(t, p)),
        1 => (1i32..4, topic.clone()).prop_map(|(id, t)| Op::Break(id, t)),
        1 => (1i32..4).prop_map(Op::Drain),
        1 => topic.clone().prop_map(Op::Prefer),
        1 => (topic.clone(), any::<bool>()).prop_map(|(t, unclean)| Op::ElectLeaders(t, unclean)),
        1 => (0i32..60).prop_map(Op::Balance),
        1 => any::<bool>().prop_map(Op::Unclean),
        4 => (topic.clone(), 0i32..3, prop::option::weighted(0.8, replicas()))
            .prop_map(|(t, p, target)| Op::Reassign(t, p, target)),
        2 => (topic.clone(), 0i32..3, replicas()).prop_map(|(t, p, list)| Op::Request(t, p, list)),
        4 => (topic.clone(), 0i32..3, any::<bool>()).prop_map(|(t, p, told)| Op::CatchUp(t, p, told)),
        1 => Just(Op::Elect),
        3 => prop::collection::vec(0u8..4, 1..4).prop_map(Op::Faults),
        8 => (1usize..6).prop_map(Op::Act),
    ]
}

fn op_or_scribble() -> impl Strategy<Value = Op> {
    let isr = prop::collection::vec(0i32..5, 0..4);
    prop_oneof![
        4 => op(),
        1 => (0usize..3, 0i32..3, -1i32..5, isr).prop_map(|(t, p, l, isr)| Op::Scribble(t, p, l, isr)),
    ]
}

fn apply(world: &mut World, op: Op) {
    match op {
        Op::Kill(id) => {
            world.brokers.remove(&BrokerId(id));
            world.tell_brokers();
        }
        Op::Start(id) => {
            world.start_broker(id);
            world.tell_brokers();
        }
        Op::Create(topic, replicas, with_id) => {
            world.create_topic(TOPICS[topic], &[&replicas, &replicas[..1]], with_id);
            world.tell_topics();
        }
        Op::Grow(topic, replicas, drop_id) => {
            if let Some((node, version)) = world.topics.get_mut(TOPICS[topic]) {
                let assignment = Assignment {
                    replicas: ids(&replicas),
                    ..Assignment::default()
                };
                node.partitions
                    .insert(node.partitions.len() as i32, assignment);
                if drop_id {
                    node.id = TopicId::ZERO;
                }
                *version += 1;
            }
            world.tell_topic(TOPICS[topic]);
        }
        Op::Mark(topic) => {
            world.marks.insert(TOPICS[topic].into());
            world.tell_marks();
        }
        Op::Vanish(topic) => {
            // The driver carries out what it was told before it looks at what others did, so a
            // write meant for the topic that vanishes does not meet one that takes its name.
            world.settle();
            world.topics.remove(TOPICS[topic]);
            world.states.retain(|tp, _| &*tp.topic != TOPICS[topic]);
            world.tell_topics();
        }
        Op::Shrink(topic, partition, told) => {
            let tp = tp(TOPICS[topic], partition);
            world.shrink_isr(&tp);
            if told {
                world.feed(TermEvent::IsrNotified {
                    nodes: vec![1],
                    partitions: [tp].into(),
                });
            }
        }
        Op::Rejoin(topic, partition, id) => {
            world.rejoin(&tp(TOPICS[topic], partition), BrokerId(id));
        }
        Op::Alter(topic, partition, isr, lag) => {
            world.alter_isr(&tp(TOPICS[topic], partition), &isr, lag);
        }
        Op::Scribble(topic, partition, leader, isr) => {
            world.honest = false;
            let tp = tp(TOPICS[topic], partition);
            if let Some((state, version)) = world.states.get_mut(&tp) {
                state.leader = (leader >= 0).then_some(BrokerId(leader));
                state.isr = ids(&isr);
                state.leader_epoch += 1;
                *version += 1;
            }
        }
        Op::Lose(topic, partition) => _ = world.states.remove(&tp(TOPICS[topic], partition)),
        Op::Break(id, topic) => {
            if let Some(broker) = world.brokers.get_mut(&BrokerId(id)) {
                broker.broken.insert(tp(TOPICS[topic], 0));
                world.feed(TermEvent::LogDirNotified {
                    nodes: vec![1],
                    brokers: [BrokerId(id)].into(),
                });
            }
        }
        Op::Drain(id) => world.feed(TermEvent::ControlledShutdown {
            waiter: WaiterId(1),
            broker: BrokerId(id),
            broker_epoch: -1,
        }),
        Op::Prefer(topic) => world.feed(TermEvent::ElectPreferred([tp(TOPICS[topic], 0)].into())),
        Op::ElectLeaders(topic, unclean) => {
            let waiter = world.waiter();
            world.feed(TermEvent::ElectLeaders {
                waiter,
                kind: match unclean {
                    false => ElectionKind::Preferred,
                    true => ElectionKind::Unclean,
                },
                partitions: (0..3).map(|number| tp(TOPICS[topic], number)).collect(),
            });
        }
        Op::Balance(percentage) => world.feed(TermEvent::BalanceLeaders { percentage }),
        Op::Unclean(allowed) => {
            world.unclean.default = allowed;
            let unclean = world.unclean.clone();
            world.feed(TermEvent::Unclean(unclean));
        }
        Op::Reassign(topic, partition, target) => world.feed(TermEvent::Reassign {
            waiter: WaiterId(2),
            partitions: [(tp(TOPICS[topic], partition), target.map(|list| ids(&list)))].into(),
        }),
        Op::Request(topic, partition, list) => {
            let tp = tp(TOPICS[topic], partition);
            world.reassign.insert(tp, ids(&list));
            world.tell_reassign();
        }
        Op::CatchUp(topic, partition, told) => {
            let tp = tp(TOPICS[topic], partition);
            world.expand_isr(&tp);
            if told {
                world.feed(TermEvent::IsrNotified {
                    nodes: vec![1],
                    partitions: [tp].into(),
                });
            }
        }
        Op::Elect => world.elect(),
        Op::Faults(faults) => world
            .faults
            .extend(faults.into_iter().map(|fault| match fault {
                0 => Fault::None,
                1 => Fault::IsrRace,
                2 => Fault::LostBefore,
                _ => Fault::LostAfter,
            })),
        Op::Act(times) => {
            for _ in 0..times {
                world.act();
            }
        }
    }
}

/// No more disturbance: every broker is started anew with good disks, every watch has fired.
fn calm(world: &mut World) {
    world.faults.clear();
    world.settle();
    for id in 1..4 {
        world.start_broker(id);
    }
    world.tell_all();
    world.settle();
    // Followers catch up, which ends what is being reassigned, which may begin what waits for that.
    for _ in 0..3 {
        let partitions: BTreeSet<_> = world.states.keys().cloned().collect();
        for tp in &partitions {
            world.expand_isr(tp);
        }
        world.feed(TermEvent::IsrNotified {
            nodes: vec![],
            partitions,
        });
        world.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn every_history_ends_well(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new(&[1, 2, 3]);
        world.elect();
        for op in ops {
            apply(&mut world, op);
        }
        calm(&mut world);
        world.check_settled();
        prop_assert!(world.asked.is_empty(), "requests without an answer");
        prop_assert!(world.marks.is_empty());
        for (name, (node, _)) in world.topics.clone() {
            for (number, assignment) in &node.partitions {
                let tp = tp(&name, *number);
                let (state, _) = &world.states[&tp];
                if !state.isr.iter().any(|id| assignment.replicas.contains(id)) {
                    // The leader dropped all others from the in-sync replicas in the very moment in
                    // which a cancellation dropped the leader. It keeps its log until it is wanted.
                    world.reassign.remove(&tp);
                    continue;
                }
                prop_assert!(state.leader.is_some(), "all brokers live, so all partitions are led");
                prop_assert!(!assignment.is_reassigning(), "{tp}: {assignment:?}");
                prop_assert_eq!(
                    state.isr.iter().collect::<BTreeSet<_>>(),
                    assignment.replicas.iter().collect::<BTreeSet<_>>()
                );
            }
        }
        prop_assert!(world.reassign.is_empty(), "{:?} is still asked for", world.reassign);
    }

    /// Whatever stands in the state nodes, the brain neither panics nor breaks its own rules.
    #[test]
    fn scribbles_in_state_nodes_are_survived(ops in prop::collection::vec(op_or_scribble(), 1..60)) {
        let mut world = World::new(&[1, 2, 3]);
        world.elect();
        for op in ops {
            apply(&mut world, op);
        }
        calm(&mut world);
    }
}
