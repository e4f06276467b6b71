//! Changes of in-sync replicas through the controller (AlterPartition).

use ottla_metadata::{BrokerId, TopicId};

use super::world::{Fault, World, ids, tp};
use crate::*;

/// Brokers 1, 2 and 3; `t-0` is led by 1 with all in sync, in version 0.
fn world() -> World {
    let mut world = World::new(&[1, 2, 3]);
    world.elect();
    world.create_topic("t", &[&[1, 2, 3]], true);
    world.tell_topics();
    world.settle();
    world
}

/// What the leader heard last, and what is stored now.
fn show(world: &World) -> String {
    let heard = match world.altered.last() {
        None => "nothing".to_owned(),
        Some(Err(refused)) => format!("{refused:?}"),
        Some(Ok(answers)) => match &answers[0].result {
            Ok(node) => format!("ok v{}", node.version),
            Err(error) => format!("{error:?}"),
        },
    };
    let (state, version) = &world.states[&tp("t", 0)];
    let isr: Vec<String> = state.isr.iter().map(|id| id.to_string()).collect();
    let epoch = state.leader_epoch;
    format!("{heard}; [{}] epoch {epoch} v{version}", isr.join(","))
}

/// One request of broker 1 after `before`.
#[track_caller]
fn check(before: impl FnOnce(&mut World), change: impl FnOnce(&mut IsrAlteration), want: &str) {
    let mut world = world();
    before(&mut world);
    world.settle();
    let (state, version) = &world.states[&tp("t", 0)];
    let mut wanted = IsrAlteration {
        topic: TopicKey::Name("t".into()),
        partition: 0,
        leader_epoch: state.leader_epoch,
        isr: ids(&[1, 2]),
        recovering: false,
        partition_epoch: *version,
    };
    change(&mut wanted);
    let epoch = world.brokers[&BrokerId(1)].epoch;
    world.alter(BrokerId(1), epoch, vec![wanted]);
    world.settle();
    assert_eq!(show(&world), want);
    assert!(world.asked.is_empty());
}

/// The order of `KafkaController.tryProcessAlterPartition`, each rule against those after it.
#[test]
fn rules_and_their_order() {
    let as_is = |_: &mut World| {};
    let stored = "[1,2,3] epoch 0 v0";
    check(as_is, |_| {}, "ok v1; [1,2] epoch 0 v1");
    check(
        as_is,
        |w| w.isr = ids(&[2, 1, 3]),
        "ok v1; [2,1,3] epoch 0 v1",
    );
    let refused = |change: fn(&mut IsrAlteration), error: &str| {
        check(as_is, change, &format!("{error}; {stored}"));
    };
    refused(
        |w| w.topic = TopicKey::Id(TopicId([99; 16])),
        "UnknownTopicId",
    );
    refused(|w| w.topic = TopicKey::Id(TopicId::ZERO), "UnknownTopicId");
    refused(|w| w.topic = TopicKey::Name("u".into()), "UnknownPartition");
    refused(|w| w.partition = 1, "UnknownPartition");
    refused(|w| w.partition_epoch += 1, "NotController");
    refused(
        |w| (w.leader_epoch, w.partition_epoch) = (-1, 1),
        "NotController",
    );
    refused(|w| w.leader_epoch += 1, "NotController");
    refused(
        |w| (w.leader_epoch, w.partition_epoch) = (-1, -1),
        "FencedLeaderEpoch",
    );
    refused(
        |w| (w.isr, w.partition_epoch) = (ids(&[1, 2, 3]), -1),
        "ok v0",
    );
    refused(|w| w.recovering = true, "InvalidRequest");
    refused(
        |w| (w.recovering, w.isr) = (true, ids(&[1])),
        "InvalidRequest",
    );
    refused(|w| w.isr = ids(&[2, 3]), "InvalidRequest");
    refused(|w| w.isr = ids(&[1, 2, 2]), "InvalidRequest");
    refused(|w| w.isr = ids(&[1, 2, 4]), "IneligibleReplica");
    check(
        |world| world.alter_isr(&tp("t", 0), &[1, 2], 0),
        |w| w.isr = ids(&[1, 2, 9]),
        "IneligibleReplica; [1,2] epoch 0 v1",
    );
    check(
        |world| {
            world.alter_isr(&tp("t", 0), &[1, 2], 0);
            world.settle();
            world.brokers.remove(&BrokerId(3));
            world.tell_brokers();
        },
        |w| w.isr = ids(&[1, 2, 3]),
        "IneligibleReplica; [1,2] epoch 0 v1",
    );
    check(
        |world| {
            world.feed(TermEvent::ControlledShutdown {
                waiter: WaiterId(1),
                broker: BrokerId(3),
                broker_epoch: -1,
            });
        },
        |w| w.isr = ids(&[1, 2, 3]),
        "IneligibleReplica; [1,2] epoch 1 v1",
    );
}

#[test]
fn topics_are_named_by_id_too() {
    let mut world = world();
    let wanted = IsrAlteration {
        topic: TopicKey::Id(world.topics["t"].0.id),
        partition: 0,
        leader_epoch: 0,
        isr: ids(&[1]),
        recovering: false,
        partition_epoch: 0,
    };
    let epoch = world.brokers[&BrokerId(1)].epoch;
    world.alter(BrokerId(1), epoch, vec![wanted]);
    world.settle();
    assert_eq!(show(&world), "ok v1; [1] epoch 0 v1");
    // Everybody hears, and no replica is told to begin anew.
    for broker in world.brokers.values() {
        let image = broker.metadata[&tp("t", 0)].image.as_ref().unwrap();
        assert_eq!((&image.isr, image.partition_epoch), (&ids(&[1]), 1));
        assert_eq!(broker.replicas[&tp("t", 0)].partition_epoch, 0);
    }
}

#[test]
fn the_sender_must_be_who_it_says() {
    for (broker, lag) in [(1, 1), (1, -1), (9, 0)] {
        let mut world = world();
        let known = world.brokers.get(&BrokerId(broker));
        let epoch = known.map_or(7, |known| known.epoch - lag);
        world.alter(BrokerId(broker), epoch, Vec::new());
        world.settle();
        let want = Err(AlterationRefused::StaleBrokerEpoch);
        assert_eq!(world.altered, [want]);
    }
    // Not the leader: Kafka would make it the leader.
    let mut world = world();
    let epoch = world.brokers[&BrokerId(2)].epoch;
    let wanted = IsrAlteration {
        topic: TopicKey::Name("t".into()),
        partition: 0,
        leader_epoch: 0,
        isr: ids(&[2]),
        recovering: false,
        partition_epoch: 0,
    };
    world.alter(BrokerId(2), epoch, vec![wanted]);
    world.settle();
    assert_eq!(show(&world), "InvalidRequest; [1,2,3] epoch 0 v0");
}

/// Whatever becomes of the write, the leader hears what is stored.
#[test]
fn doubtful_writes() {
    let check = |faults: &[Fault], want: &str| {
        let mut world = world();
        world.faults.extend(faults);
        world.alter_isr(&tp("t", 0), &[1, 2], 0);
        world.settle();
        assert_eq!(show(&world), want, "{faults:?}");
        world.check_settled();
        assert!(world.asked.is_empty());
    };
    check(&[Fault::LostBefore], "ok v1; [1,2] epoch 0 v1");
    check(&[Fault::LostAfter], "ok v1; [1,2] epoch 0 v1");
    check(
        &[Fault::LostBefore, Fault::LostBefore, Fault::LostAfter],
        "ok v1; [1,2] epoch 0 v1",
    );
    // Somebody else changed the node within the leadership (KAFKA-2729): the leader, which cannot
    // know, is given a new leadership to go on with.
    check(&[Fault::IsrRace], "InvalidUpdateVersion; [1] epoch 1 v2");
}

/// The controller's own decision goes first, and the leader hears that its leadership ended.
#[test]
fn elections_go_first() {
    let mut world = world();
    world.brokers.remove(&BrokerId(3));
    world.tell_brokers();
    world.alter_isr(&tp("t", 0), &[1, 2], 0);
    world.settle();
    assert_eq!(show(&world), "FencedLeaderEpoch; [1,2] epoch 1 v1");
    world.check_settled();
}

/// The request is repeated since its answer was lost, once while the first is still being written.
#[test]
fn repeated_requests() {
    let mut world = world();
    world.alter_isr(&tp("t", 0), &[1, 2], 0);
    world.alter_isr(&tp("t", 0), &[1, 2], 0);
    world.settle();
    world.alter_isr(&tp("t", 0), &[1, 2], 1);
    world.settle();
    assert_eq!(world.altered.len(), 3);
    for heard in &world.altered {
        let answers = heard.as_ref().unwrap();
        assert_eq!(answers[0].result.as_ref().unwrap().version, 1);
    }
    assert_eq!(world.states[&tp("t", 0)].1, 1);
}

#[test]
fn who_is_not_controller_says_so() {
    let mut world = world();
    world.actions.clear();
    world.alter_isr(&tp("t", 0), &[1, 2], 0);
    let deposed = world.brain.step(Event::Deposed);
    let want = Action::AnswerAlteration(WaiterId(101), Err(AlterationRefused::NotController));
    assert_eq!(deposed, [want]);
    let late = world.brain.step(Event::InTerm(
        1,
        TermEvent::AlterPartition {
            waiter: WaiterId(5),
            broker: BrokerId(1),
            broker_epoch: 1,
            partitions: Vec::new(),
        },
    ));
    let want = Action::AnswerAlteration(WaiterId(5), Err(AlterationRefused::NotController));
    assert_eq!(late, [want]);
}

/// A state node that could not be understood is read again when there is something to decide.
#[test]
fn who_repairs_a_node_is_noticed() {
    let check = |repaired: bool, then: fn(&mut World), want: &str| {
        let mut world = world();
        world.garbled.insert(tp("t", 0));
        world.feed(TermEvent::IsrNotified {
            nodes: Vec::new(),
            partitions: [tp("t", 0)].into(),
        });
        world.settle();
        if repaired {
            world.garbled.clear();
        }
        then(&mut world);
        world.settle();
        assert_eq!(show(&world), want);
        assert!(world.asked.is_empty());
        if repaired {
            world.check_settled();
        }
    };
    let ask = |world: &mut World| world.alter_isr(&tp("t", 0), &[1, 2], 0);
    let dies = |world: &mut World| {
        world.brokers.remove(&BrokerId(1));
        world.tell_brokers();
    };
    check(true, ask, "ok v1; [1,2] epoch 0 v1");
    check(false, ask, "Unusable; [1,2,3] epoch 0 v0");
    check(true, dies, "nothing; [2,3] epoch 1 v1");
    check(false, dies, "nothing; [1,2,3] epoch 0 v0");
}
