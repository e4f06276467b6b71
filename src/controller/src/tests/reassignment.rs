//! Partitions that move: what the nodes say and who was told, step by step.

use ottla_metadata::{BrokerId, TopicPartition};

use super::tables::{run, show};
use super::world::{World, ids, tp};
use crate::*;

/// Brokers 1 to 5 and an elected controller, then the script; `want` is what the topic nodes say and
/// the leaderships: `partition [replicas] +[adding] -[removing] leader [isr] epoch`.
fn check(script: &[&str], want: &str) -> World {
    let mut world = World::new(&[1, 2, 3, 4, 5]);
    run(&mut world, "elect");
    for line in script {
        run(&mut world, line);
    }
    assert_eq!(show_all(&world), want, "after {script:?}");
    world.check_settled();
    world
}

fn show_all(world: &World) -> String {
    let list = |ids: &[BrokerId]| {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        ids.join(",")
    };
    let states = show(world);
    let mut lines = Vec::new();
    for (name, (node, _)) in &world.topics {
        for (number, assignment) in &node.partitions {
            let name = format!("{name}-{number} ");
            let state = states.split("; ").find_map(|line| line.strip_prefix(&name));
            let mut line = format!("{name}[{}]", list(&assignment.replicas));
            if assignment.is_reassigning() {
                let (adding, removing) = (list(&assignment.adding), list(&assignment.removing));
                line += &format!(" +[{adding}] -[{removing}]");
            }
            lines.push(format!("{line} {}", state.unwrap_or("no state")));
        }
    }
    lines.join("; ")
}

#[test]
fn assignments() {
    let check = |origin: &[i32], target: &[i32], want: (&[i32], &[i32], &[i32])| {
        let now = Assignment {
            replicas: ids(origin),
            ..Assignment::default()
        };
        let next = now.reassign_to(&ids(target));
        let (replicas, adding, removing) = want;
        assert_eq!(
            (&next.replicas, &next.adding, &next.removing),
            (&ids(replicas), &ids(adding), &ids(removing))
        );
        assert_eq!(next.target(), ids(target));
        let back = next.reassign_to(&next.origin());
        assert!(!back.is_reassigning());
        // The order is that of the targets, as far as they overlap.
        let sorted = |mut ids: Vec<BrokerId>| {
            ids.sort_unstable();
            ids
        };
        assert_eq!(sorted(back.replicas), sorted(ids(origin)));
    };
    check(&[1, 2, 3], &[4, 5], (&[4, 5, 1, 2, 3], &[4, 5], &[1, 2, 3]));
    check(&[1, 2, 3], &[4, 2, 3], (&[4, 2, 3, 1], &[4], &[1]));
    check(&[1, 2, 3], &[1, 2], (&[1, 2, 3], &[], &[3]));
    check(&[1, 2], &[1, 2, 3], (&[1, 2, 3], &[3], &[]));
    check(&[1, 2, 3], &[3, 2, 1], (&[3, 2, 1], &[], &[]));
    check(&[1, 2, 3], &[3, 4, 2], (&[3, 4, 2, 1], &[4], &[1]));
}

/// The example of `onPartitionReassignment`.
#[test]
fn a_partition_moves() {
    let begun = ["create t 1,2,3", "reassign t-0 4,2,3"];
    let world = check(&begun, "t-0 [4,2,3,1] +[4] -[1] 1 [1,2,3] 1");
    assert_eq!(
        world.reassigned,
        [(WaiterId(8), Ok([(tp("t", 0), Ok(()))].into()))]
    );
    assert!(world.brokers[&BrokerId(4)].replicas[&tp("t", 0)].is_new);
    assert!(!world.brokers[&BrokerId(1)].replicas[&tp("t", 0)].is_new);
    let ended = [&begun[..], &["catch-up t-0"]].concat();
    let world = check(&ended, "t-0 [4,2,3] 4 [4,2,3] 3");
    assert!(world.brokers[&BrokerId(1)].replicas.is_empty());
    // Not all of the targets.
    check(
        &[&begun[..], &["kill 4", "catch-up t-0"]].concat(),
        "t-0 [4,2,3,1] +[4] -[1] 1 [2,3,1] 1",
    );
    check(
        &[&begun[..], &["kill 4", "start 4", "catch-up t-0"]].concat(),
        "t-0 [4,2,3] 4 [4,2,3] 3",
    );
    // Nothing to wait for: one write ends it.
    check(
        &["create t 1,2,3", "reassign t-0 3,2"],
        "t-0 [3,2] 3 [2,3] 2",
    );
    check(&["create t 1,2", "reassign t-0 2,1"], "t-0 [2,1] 1 [1,2] 1");
    check(&["create t 1,2", "reassign t-0 1,2"], "t-0 [1,2] 1 [1,2] 0");
    check(
        &["create t 1", "reassign t-0 1,2,3", "catch-up t-0"],
        "t-0 [1,2,3] 1 [1,2,3] 2",
    );
    // A partition that never had a leader gets one.
    check(
        &["kill 1", "create t 1", "reassign t-0 2"],
        "t-0 [2] 2 [2] 1",
    );
}

#[test]
fn what_goes_wrong_meanwhile() {
    // The leader dies; the next one is of those in sync, the added one only if it is.
    check(
        &["create t 1,2", "reassign t-0 3,4", "kill 1"],
        "t-0 [3,4,1,2] +[3,4] -[1,2] 2 [2] 2",
    );
    let script = ["create t 1,2", "reassign t-0 3,4", "kill 1", "catch-up t-0"];
    check(&script, "t-0 [3,4] 3 [3,4] 4");
    check(
        &["create t 1", "reassign t-0 2", "kill 1"],
        "t-0 [2,1] +[2] -[1] none [1] 2",
    );
    // Answers are lost, before the write and after it.
    for fault in ["lose-before", "lose-after"] {
        for before in 0..5 {
            let mut script = vec!["create t 1,2"];
            script.extend(vec!["fine"; before]);
            script.extend([fault, "reassign t-0 2,3", "catch-up t-0", "catch-up t-0"]);
            let mut world = World::new(&[1, 2, 3]);
            run(&mut world, "elect");
            for line in script {
                run(&mut world, line);
            }
            assert_eq!(world.topics["t"].0.partitions[&0].replicas, ids(&[2, 3]));
            world.check_settled();
        }
    }
    // The leader shrinks its in-sync replicas while the last write is under way.
    let script = [
        "create t 1,2",
        "reassign t-0 3",
        "race",
        "catch-up t-0",
        "catch-up t-0",
    ];
    check(&script, "t-0 [3] 3 [3] 3");
}

#[test]
fn cancelled_and_overridden() {
    let world = check(
        &["create t 1,2", "reassign t-0 3,4", "reassign t-0 cancel"],
        "t-0 [1,2] 1 [1,2] 2",
    );
    assert!(world.brokers[&BrokerId(3)].replicas.is_empty());
    // As in Kafka, the order of the origin is lost where it overlaps with the target.
    check(
        &[
            "create t 1,2,3",
            "reassign t-0 3,4,2",
            "reassign t-0 cancel",
        ],
        "t-0 [3,2,1] 1 [1,2,3] 2",
    );
    let world = check(
        &[
            "create t 1,2",
            "reassign t-0 3,4",
            "reassign t-0 4,5",
            "catch-up t-0",
        ],
        "t-0 [4,5] 4 [4,5] 4",
    );
    assert!(world.brokers[&BrokerId(3)].replicas.is_empty());
    // The second comes while the first is being stored.
    check(
        &[
            "create t 1,2",
            "reassign t-0 3,4 quickly",
            "reassign t-0 cancel",
        ],
        "t-0 [1,2] 1 [1,2] 2",
    );
    // An added replica in sync leaves the in-sync replicas first.
    check(
        &[
            "create t 1",
            "reassign t-0 2,3",
            "kill 3",
            "catch-up t-0",
            "reassign t-0 cancel",
        ],
        "t-0 [1] 1 [1] 2",
    );
}

/// Replicas that hold the only copy of a record are not told to delete it.
#[test]
fn nothing_is_lost_by_cancelling() {
    let script = [
        "create t 1",
        "reassign t-0 2,3",
        "kill 3",
        "catch-up t-0",
        "kill 1",
        "start 1",
        "reassign t-0 cancel",
    ];
    let world = check(&script, "t-0 [2,3,1] +[2,3] -[1] 2 [2] 2");
    assert_eq!(answer(&world), Err(ReassignmentError::Unclean));
    // Nor while the write is under way after which nobody else is in sync.
    let script = [
        "create t 1",
        "reassign t-0 2,3",
        "kill 3",
        "catch-up t-0",
        "kill 1 quickly",
        "reassign t-0 cancel",
        "start 1",
    ];
    let world = check(&script, "t-0 [2,3,1] +[2,3] -[1] 2 [2] 2");
    assert_eq!(answer(&world), Err(ReassignmentError::Unclean));
    // The other way about: the controller hears too late that nobody else is in sync.
    let mut world = World::new(&[1, 2, 3]);
    for line in [
        "elect",
        "create t 1",
        "reassign t-0 2,3",
        "kill 3",
        "catch-up t-0",
        "reassign t-0 cancel quickly",
        "kill 1",
    ] {
        run(&mut world, line);
    }
    assert_eq!(show_all(&world), "t-0 [1] none [2] 3");
    assert!(
        world.brokers[&BrokerId(2)]
            .replicas
            .contains_key(&tp("t", 0))
    );
    run(&mut world, "start 1");
    run(&mut world, "reassign t-0 2,1");
    assert_eq!(show_all(&world), "t-0 [2,1] +[2] -[] 2 [2] 4");
    run(&mut world, "start 3");
    run(&mut world, "catch-up t-0");
    assert_eq!(show_all(&world), "t-0 [2,1] 2 [2,1] 5");
    world.check_settled();
}

fn answer(world: &World) -> Result<(), ReassignmentError> {
    let (_, answers) = world.reassigned.last().unwrap();
    let answers = answers.clone().unwrap();
    answers.into_values().next().unwrap()
}

#[test]
fn refusals() {
    use ReassignmentError::*;
    let check = |script: &[&str], want: Result<(), ReassignmentError>| {
        let mut world = World::new(&[1, 2, 3]);
        run(&mut world, "elect");
        run(&mut world, "create t 1,2");
        for line in script {
            run(&mut world, line);
        }
        assert_eq!(answer(&world), want, "{script:?}");
    };
    check(&["reassign t-0 3,3"], Err(Duplicate(BrokerId(3))));
    check(&["reassign t-0 3,-1"], Err(InvalidBroker(BrokerId(-1))));
    check(&["reassign t-0 4"], Err(DeadBroker(BrokerId(4))));
    check(&["drain 3", "reassign t-0 3"], Err(DeadBroker(BrokerId(3))));
    // Those that are replicas already may be dead.
    check(&["kill 2", "reassign t-0 3,2"], Ok(()));
    check(&["reassign u-0 4"], Err(DeadBroker(BrokerId(4))));
    check(&["reassign u-0 3"], Err(UnknownPartition));
    check(&["reassign t-1 3"], Err(UnknownPartition));
    check(&["reassign u-0 cancel"], Err(NotInProgress));
    check(&["reassign t-0 cancel"], Err(NotInProgress));
    check(
        &["kill 2", "mark t", "reassign t-0 3"],
        Err(UnknownPartition),
    );
    let mut world = World::new(&[1]);
    let waiter = WaiterId(1);
    let partitions = [(tp("t", 0), Some(Vec::new()))].into();
    run(&mut world, "elect");
    world.feed(TermEvent::Reassign { waiter, partitions });
    world.settle();
    assert_eq!(answer(&world), Err(Empty));
    // Whoever waits when the term ends hears it.
    run(&mut world, "create t 1");
    let partitions = [(tp("t", 0), Some(ids(&[1, 0])))].into();
    world.start_broker(0);
    world.tell_brokers();
    world.settle();
    world.feed(TermEvent::Reassign { waiter, partitions });
    let answers = world.brain.step(Event::Deposed);
    assert_eq!(
        answers,
        [Action::AnswerReassignment(waiter, Err(NotController))]
    );
}

#[test]
fn listed() {
    let script = ["create t 1,2 2,1", "reassign t-0 3", "reassign t-1 3,2"];
    let mut world = check(
        &script,
        "t-0 [3,1,2] +[3] -[1,2] 1 [1,2] 1; t-1 [3,2,1] +[3] -[1] 2 [2,1] 1",
    );
    let mut listed = |partitions: Option<&[TopicPartition]>| {
        world.feed(TermEvent::ListReassignments {
            waiter: WaiterId(1),
            partitions: partitions.map(|list| list.iter().cloned().collect()),
        });
        world.settle();
        let listed = world.listed.pop().unwrap();
        let numbers: Vec<i32> = listed.keys().map(|tp| tp.partition).collect();
        numbers
    };
    assert_eq!(listed(None), [0, 1]);
    assert_eq!(listed(Some(&[tp("t", 1), tp("t", 7), tp("u", 0)])), [1]);
    assert!(listed(Some(&[])).is_empty());
}

#[test]
fn the_znode_asks() {
    let begun = ["create t 1,2 2,1", "request t-0=3,2 t-1=1,3"];
    let world = check(
        &begun,
        "t-0 [3,2,1] +[3] -[1] 1 [1,2] 1; t-1 [1,3,2] +[3] -[2] 2 [2,1] 1",
    );
    assert_eq!(world.reassign.len(), 2);
    let half = [&begun[..], &["catch-up t-0"]].concat();
    let world = check(
        &half,
        "t-0 [3,2] 3 [3,2] 3; t-1 [1,3,2] +[3] -[2] 2 [2,1] 1",
    );
    assert_eq!(world.reassign.keys().collect::<Vec<_>>(), [&tp("t", 1)]);
    let world = check(
        &[&half[..], &["elect", "catch-up t-1"]].concat(),
        "t-0 [3,2] 3 [3,2] 3; t-1 [1,3] 1 [1,3] 4",
    );
    assert!(world.reassign.is_empty());
    // Entries that come to nothing go at once.
    let script = ["create t 1,2", "request t-0=1,2 t-9=1 u-0=1,1"];
    let world = check(&script, "t-0 [1,2] 1 [1,2] 0");
    assert!(world.reassign.is_empty());
    // It may name brokers that are still to come.
    let script = ["create t 1", "request t-0=9"];
    check(&script, "t-0 [9,1] +[9] -[1] 1 [1] 1");
    let world = check(
        &[&script[..], &["start 9", "catch-up t-0"]].concat(),
        "t-0 [9] 9 [9] 3",
    );
    assert!(world.reassign.is_empty());
    // A request takes precedence over the znode, and the znode over what was asked before.
    let world = check(
        &[&script[..], &["reassign t-0 2"]].concat(),
        "t-0 [2,1] +[2] -[1] 1 [1] 2",
    );
    assert!(world.reassign.is_empty());
    let script = [
        "create t 1",
        "reassign t-0 2",
        "request t-0=3",
        "catch-up t-0",
    ];
    check(&script, "t-0 [3] 3 [3] 4");
}

/// A new controller goes on where the old one was, whatever that had done already.
#[test]
fn a_new_controller_goes_on() {
    for acts in 0..40 {
        let mut world = World::new(&[1, 2, 3, 4]);
        for line in ["elect", "create t 1,2"] {
            run(&mut world, line);
        }
        run(&mut world, "reassign t-0 3,4 quickly");
        for _ in 0..acts {
            world.act();
        }
        world.expand_isr(&tp("t", 0));
        world.feed(TermEvent::IsrNotified {
            nodes: vec![1],
            partitions: [tp("t", 0)].into(),
        });
        for _ in 0..acts {
            world.act();
        }
        run(&mut world, "elect");
        run(&mut world, "catch-up t-0");
        let assignment = &world.topics["t"].0.partitions[&0];
        // Either it had not begun, and whoever asked does not hear that it has, or it ends.
        let replicas = assignment.replicas.clone();
        assert!(!assignment.is_reassigning(), "{acts}: {assignment:?}");
        assert!(
            replicas == ids(&[3, 4]) || replicas == ids(&[1, 2]) && world.reassigned[0].1.is_err(),
            "{acts}: {assignment:?}"
        );
        world.check_settled();
    }
}

#[test]
fn deletion_waits() {
    let script = ["create t 1,2", "reassign t-0 3,2", "mark t"];
    let world = check(&script, "t-0 [3,2,1] +[3] -[1] 1 [1,2] 1");
    assert_eq!(world.marks.len(), 1);
    let ended = [&script[..], &["catch-up t-0"]].concat();
    let world = check(&ended, "");
    assert!(world.marks.is_empty());
    assert!(
        world
            .brokers
            .values()
            .all(|broker| broker.replicas.is_empty())
    );
    // A reassignment that waits for a dead broker goes on when it is back.
    let script = [
        "create t 1,2",
        "reassign t-0 3,2",
        "kill 3",
        "mark t",
        "kill 1",
        "elect",
        "start 3",
        "catch-up t-0",
    ];
    check(&script[..6], "t-0 [3,2,1] +[3] -[1] 2 [2] 3");
    check(&script, "");
}
