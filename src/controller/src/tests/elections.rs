//! Elections that somebody asks for, and those that a change of configuration sets off.

use ottla_metadata::BrokerId;

use super::tables::{check, run};
use super::world::{World, tp};
use crate::*;

#[test]
fn elections_by_request() {
    check(
        &["create t 1,2", "kill 1", "start 1", "prefer t-0"],
        "t-0 2 [2] 1",
    );
    let world = check(&["create t 1,2", "shrink t-0", "notify t-0"], "t-0 1 [1] 0");
    let image = world.brokers[&BrokerId(3)].metadata[&tp("t", 0)]
        .image
        .clone()
        .unwrap();
    assert_eq!(image.isr, [BrokerId(1)]);
    let down = ["create t 1,2", "shrink t-0", "notify t-0", "kill 1"];
    check(&down, "t-0 none [1] 1");
    check(
        &[&down[..], &["unclean"]].concat(),
        "t-0 2 [2] 2 recovering",
    );
    check(&["unclean", "create t 1", "kill 1"], "t-0 none [1] 1");
    check(&["create t 1,2", "break 1 t-0"], "t-0 2 [2] 1");
}

/// Brokers 1, 2 and 3 and a controller, then the script; `answers` is "partition answer" of the last
/// election, `states` as in the other tables.
fn check_election(script: &[&str], answers: &str, states: &str) {
    let world = check(script, states);
    let text = |(tp, answer): (&ottla_metadata::TopicPartition, _)| match answer {
        &Ok(leader) => format!("{tp} {leader}"),
        Err(refused) => format!("{tp} {refused:?}"),
    };
    let last = world.elected.last();
    let got: Vec<_> = last
        .into_iter()
        .flat_map(|(_, all)| all.iter().map(text))
        .collect();
    assert_eq!(got.join("; "), answers, "after {script:?}");
    assert_eq!(world.elected.len(), 1, "one answer per request");
}

#[test]
fn preferred_leaders() {
    let moved = ["create t 1,2", "kill 1", "start 1"];
    check_election(
        &[&moved[..], &["sync t-0", "elect-preferred t-0"]].concat(),
        "t-0 1",
        "t-0 1 [1,2] 2",
    );
    check_election(
        &[&moved[..], &["elect-preferred t-0"]].concat(),
        "t-0 PreferredUnavailable",
        "t-0 2 [2] 1",
    );
    check_election(
        &["create t 1,2", "elect-preferred t-0 t-1 u-0"],
        "t-0 NotNeeded; t-1 UnknownPartition; u-0 UnknownPartition",
        "t-0 1 [1,2] 0",
    );
    check_election(
        &["create t 1,2", "kill 1", "elect-preferred t-0"],
        "t-0 PreferredUnavailable",
        "t-0 2 [2] 1",
    );
    check_election(
        &["create t 1", "kill 1", "elect-preferred t-0"],
        "t-0 PreferredUnavailable",
        "t-0 none [1] 1",
    );
    check_election(
        &["kill 1", "create t 1", "elect-preferred t-0"],
        "t-0 PreferredUnavailable",
        "",
    );
    // The leader changes the state, or the answer of the store is lost, meanwhile.
    for fault in ["lose-before", "lose-after"] {
        check_election(
            &[&moved[..], &["sync t-0", fault, "elect-preferred t-0"]].concat(),
            "t-0 1",
            "t-0 1 [1,2] 2",
        );
    }
    check_election(
        &[&moved[..], &["sync t-0", "race", "elect-preferred t-0"]].concat(),
        "t-0 PreferredUnavailable",
        "t-0 2 [2] 1",
    );
    check_election(
        &["create t 1,2", "kill 2", "mark t", "elect-preferred t-0"],
        "t-0 TopicDeleted",
        "t-0 1 [1] 1",
    );
    check_election(&["elect-preferred"], "", "");
}

#[test]
fn unclean_leaders_by_request() {
    let dead = ["create t 1,2", "shrink t-0", "notify t-0", "kill 1"];
    check_election(
        &[&dead[..], &["elect-unclean t-0"]].concat(),
        "t-0 2",
        "t-0 2 [2] 2 recovering",
    );
    check_election(
        &["create t 1,2", "elect-unclean t-0"],
        "t-0 NotNeeded",
        "t-0 1 [1,2] 0",
    );
    check_election(
        &["create t 1", "kill 1", "elect-unclean t-0"],
        "t-0 NobodyEligible",
        "t-0 none [1] 1",
    );
    // One request is one attempt: it does not allow later ones.
    check_election(
        &[&dead[..], &["kill 2", "elect-unclean t-0", "start 2"]].concat(),
        "t-0 NobodyEligible",
        "t-0 none [1] 1",
    );
    // The znode never elects unclean leaders.
    check(&[&dead[..], &["prefer t-0"]].concat(), "t-0 none [1] 1");
    // An unclean leader that has not recovered stays marked through later elections.
    check(
        &[&dead[..], &["elect-unclean t-0", "bounce 2"]].concat(),
        "t-0 2 [2] 4 recovering",
    );
}

/// A change of configuration elects at once, for the topic or for all.
#[test]
fn unclean_leaders_by_configuration() {
    let dead = [
        "create t 1,2",
        "create u 1,2",
        "shrink t-0",
        "shrink u-0",
        "notify t-0",
        "notify u-0",
        "kill 1",
    ];
    check(&dead, "t-0 none [1] 1; u-0 none [1] 1");
    check(
        &[&dead[..], &["unclean-topic u"]].concat(),
        "t-0 none [1] 1; u-0 2 [2] 2 recovering",
    );
    check(
        &[&dead[..], &["unclean"]].concat(),
        "t-0 2 [2] 2 recovering; u-0 2 [2] 2 recovering",
    );
    // And an unclean death afterwards needs no further event.
    check(
        &[
            "create t 1,2",
            "unclean",
            "shrink t-0",
            "notify t-0",
            "kill 1",
        ],
        "t-0 2 [2] 1 recovering",
    );
}

/// The znode is removed after every attempt, whatever came of it.
#[test]
fn the_znode_goes_after_every_attempt() {
    for tp in ["t-0", "t-7", "gone-0"] {
        let world = check(&["create t 1,2", &format!("prefer {tp}")], "t-0 1 [1,2] 0");
        assert_eq!((world.removals, world.elected.len()), (1, 0), "{tp}");
    }
    let mut world = World::new(&[1]);
    run(&mut world, "elect");
    world.feed(TermEvent::ElectPreferred([].into()));
    world.settle();
    assert_eq!(world.removals, 1);
}

#[test]
fn leadership_is_evened_out() {
    // Broker 1 is preferred by four and leads two of them.
    let half = [
        "create t 1,2 1,2",
        "kill 1",
        "start 1",
        "create u 1,2 1,2",
        "sync t-0",
        "sync t-1",
    ];
    let before = "t-0 2 [1,2] 1; t-1 2 [1,2] 1; u-0 1 [1,2] 0; u-1 1 [1,2] 0";
    let after = "t-0 1 [1,2] 2; t-1 1 [1,2] 2; u-0 1 [1,2] 0; u-1 1 [1,2] 0";
    for (percentage, want) in [
        (0, after),
        (10, after),
        (49, after),
        (50, before),
        (100, before),
    ] {
        let balance = format!("balance {percentage}");
        let world = check(&[&half[..], &[&balance]].concat(), want);
        assert_eq!(world.removals, 0, "the znode is somebody else's");
    }
    // Preferred replicas that are dead or out of sync are passed over.
    check(&["create t 1,2", "kill 1", "balance 10"], "t-0 2 [2] 1");
    check(
        &["create t 1,2", "kill 1", "start 1", "balance 10"],
        "t-0 2 [2] 1",
    );
}

/// Whoever waits when the term ends hears that this broker is not the controller.
#[test]
fn elections_end_with_the_term() {
    let mut world = World::new(&[1, 2]);
    run(&mut world, "elect");
    for line in ["create t 1,2", "kill 1", "start 1", "sync t-0"] {
        run(&mut world, line);
    }
    let ask = |waiter| TermEvent::ElectLeaders {
        waiter: WaiterId(waiter),
        kind: ElectionKind::Preferred,
        partitions: [tp("t", 0), tp("x", 0)].into(),
    };
    let not_controller = Err(ElectionRefused::NotController);
    world.feed(ask(1));
    assert_eq!(
        world.brain.step(Event::Deposed),
        [Action::AnswerElection(
            WaiterId(1),
            [
                (tp("t", 0), not_controller),
                (tp("x", 0), Err(ElectionRefused::UnknownPartition))
            ]
            .into()
        )]
    );
    assert_eq!(
        world.brain.step(Event::InTerm(1, ask(2))),
        [Action::AnswerElection(
            WaiterId(2),
            [(tp("t", 0), not_controller), (tp("x", 0), not_controller)].into()
        )]
    );
}

/// A dead disk: the leader's, a follower's, and one that comes back with its broker.
#[test]
fn broken_disks() {
    check(&["create t 1,2,3", "break 1 t-0"], "t-0 2 [2,3] 1");
    check(&["create t 1,2,3", "break 2 t-0"], "t-0 1 [1,3] 1");
    check(&["create t 1", "break 1 t-0"], "t-0 none [1] 1");
    check(&["create t 1", "break 1 t-0", "bounce 1"], "t-0 1 [1] 2");
    let world = check(&["create t 1,2", "break 1 t-0"], "t-0 2 [2] 1");
    let image = world.brokers[&BrokerId(3)].metadata[&tp("t", 0)]
        .image
        .clone();
    assert_eq!(image.unwrap().offline_replicas, [BrokerId(1)]);
}
