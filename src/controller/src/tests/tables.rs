//! What becomes of partitions, step by step.

use ottla_metadata::BrokerId;

use super::world::{Fault, World, tp};
use crate::*;

fn number(text: &str) -> i32 {
    text.parse().unwrap()
}

fn partition(text: &str) -> ottla_metadata::TopicPartition {
    let (topic, partition) = text.rsplit_once('-').unwrap();
    tp(topic, number(partition))
}

fn replicas(words: &[&str]) -> Vec<Vec<i32>> {
    words
        .iter()
        .map(|list| list.split(',').map(number).collect())
        .collect()
}

/// One line of a script.
pub(super) fn run(world: &mut World, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["kill", id] => {
            world.brokers.remove(&BrokerId(number(id)));
            world.tell_brokers();
        }
        // The controller has heard, and its write is on the way.
        ["kill", id, "quickly"] => {
            world.brokers.remove(&BrokerId(number(id)));
            return world.tell_brokers();
        }
        ["start" | "bounce", id] => {
            world.start_broker(number(id));
            world.tell_brokers();
        }
        ["bounce-unseen", id] => world.start_broker(number(id)),
        ["elect"] => world.elect(),
        ["create", name, ..] | ["create-plain", name, ..] => {
            let lists = replicas(&words[2..]);
            let lists: Vec<&[i32]> = lists.iter().map(Vec::as_slice).collect();
            world.create_topic(name, &lists, words[0] == "create");
            world.tell_topics();
        }
        ["grow", name, ..] => {
            let (node, version) = world.topics.get_mut(name).unwrap();
            for replicas in replicas(&words[2..]) {
                let assignment = Assignment {
                    replicas: super::world::ids(&replicas),
                    ..Assignment::default()
                };
                let next = node.partitions.len() as i32;
                node.partitions.insert(next, assignment);
            }
            // As `kafka-topics --zookeeper` of 2.0 does, which knows no ids.
            node.id = ottla_metadata::TopicId::ZERO;
            *version += 1;
            world.tell_topic(name);
        }
        ["mark", name] => {
            world.marks.insert(name.into());
            world.tell_marks();
        }
        ["vanish", name] => {
            world.topics.remove(name);
            world.states.retain(|tp, _| &*tp.topic != name);
            world.tell_topics();
        }
        ["lose", tp] => _ = world.states.remove(&partition(tp)),
        ["shrink", tp] => world.shrink_isr(&partition(tp)),
        ["rejoin", tp, id] => world.rejoin(&partition(tp), BrokerId(number(id))),
        ["notify", tp] => world.feed(TermEvent::IsrNotified {
            nodes: vec![1],
            partitions: [partition(tp)].into(),
        }),
        ["break", id, tp] => {
            let id = BrokerId(number(id));
            world
                .brokers
                .get_mut(&id)
                .unwrap()
                .broken
                .insert(partition(tp));
            world.feed(TermEvent::LogDirNotified {
                nodes: vec![1],
                brokers: [id].into(),
            });
        }
        ["drain", id] => world.feed(TermEvent::ControlledShutdown {
            waiter: WaiterId(7),
            broker: BrokerId(number(id)),
            broker_epoch: -1,
        }),
        ["prefer", tp] => world.feed(TermEvent::ElectPreferred([partition(tp)].into())),
        ["elect-preferred" | "elect-unclean", ..] => {
            let waiter = world.waiter();
            world.feed(TermEvent::ElectLeaders {
                waiter,
                kind: match words[0] {
                    "elect-preferred" => ElectionKind::Preferred,
                    _ => ElectionKind::Unclean,
                },
                partitions: words[1..].iter().map(|tp| partition(tp)).collect(),
            });
        }
        ["balance", percentage] => world.feed(TermEvent::BalanceLeaders {
            percentage: number(percentage),
        }),
        ["sync", tp] => world.fill_isr(&partition(tp)),
        ["unclean-topic", topic] => {
            world.unclean.topics.insert((*topic).into(), true);
            let unclean = world.unclean.clone();
            world.feed(TermEvent::Unclean(unclean));
        }
        ["reassign", tp, target] | ["reassign", tp, target, "quickly"] => {
            let target = match target {
                "cancel" => None,
                list => Some(list.split(',').map(number).map(BrokerId).collect()),
            };
            world.feed(TermEvent::Reassign {
                waiter: WaiterId(8),
                partitions: [(partition(tp), target)].into(),
            });
            if words.len() > 3 {
                return;
            }
        }
        ["request", ..] => {
            for entry in &words[1..] {
                let (tp, target) = entry.split_once('=').unwrap();
                let target = target.split(',').map(number).map(BrokerId).collect();
                world.reassign.insert(partition(tp), target);
            }
            world.tell_reassign();
        }
        ["catch-up", tp] => {
            world.expand_isr(&partition(tp));
            world.feed(TermEvent::IsrNotified {
                nodes: vec![1],
                partitions: [partition(tp)].into(),
            });
        }
        ["unclean"] => {
            world.unclean.default = true;
            let unclean = world.unclean.clone();
            world.feed(TermEvent::Unclean(unclean));
        }
        ["fine"] => return world.faults.push_back(Fault::None),
        ["lose-before"] => return world.faults.push_back(Fault::LostBefore),
        ["lose-after"] => return world.faults.push_back(Fault::LostAfter),
        ["race"] => return world.faults.push_back(Fault::IsrRace),
        _ => panic!("{line:?}"),
    }
    world.settle();
}

pub(super) fn show(world: &World) -> String {
    let list = |ids: &[BrokerId]| {
        ids.iter()
            .map(|id| id.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    let lines = world.states.iter().map(|(tp, (state, _))| {
        let leader = state.leader.map_or("none".to_owned(), |id| id.to_string());
        let recovering = if state.recovering { " recovering" } else { "" };
        format!(
            "{tp} {leader} [{}] {}{recovering}",
            list(&state.isr),
            state.leader_epoch
        )
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// Brokers 1, 2 and 3 and an elected controller, then the script; `want` is
/// `partition leader [isr] leader-epoch` of every partition with a state.
pub(super) fn check(script: &[&str], want: &str) -> World {
    let mut world = World::new(&[1, 2, 3]);
    run(&mut world, "elect");
    for line in script {
        run(&mut world, line);
    }
    assert_eq!(show(&world), want, "after {script:?}");
    world.check_settled();
    world
}

#[test]
fn topics_appear_and_grow() {
    check(&["create t 1,2 2,3"], "t-0 1 [1,2] 0; t-1 2 [2,3] 0");
    check(&["create-plain t 3"], "t-0 3 [3] 0");
    check(&["kill 1", "create t 1,2"], "t-0 2 [2] 0");
    check(&["kill 1", "create t 1"], "");
    check(&["kill 1", "create t 1", "start 1"], "t-0 1 [1] 0");
    let world = check(
        &["create t 1", "grow t 2 3"],
        "t-0 1 [1] 0; t-1 2 [2] 0; t-2 3 [3] 0",
    );
    assert!(
        !world.topics["t"].0.id.is_zero(),
        "the id outlives an old tool"
    );
    check(&["lose-before", "create t 1"], "t-0 1 [1] 0");
    check(&["lose-after", "create t 1"], "t-0 1 [1] 0");
    check(
        &["lose-after", "lose-after", "create-plain t 1"],
        "t-0 1 [1] 0",
    );
    check(
        &["lose-before", "lose-before", "create-plain t 1"],
        "t-0 1 [1] 0",
    );
    let world = check(&["create t 1", "vanish t"], "");
    assert!(world.brokers[&BrokerId(1)].metadata.is_empty());
}

/// The probes of `reference/zookeeper.md` 9.3.
#[test]
fn brokers_die_and_return() {
    check(&["create t 1,2", "kill 1"], "t-0 2 [2] 1");
    check(&["create t 1,2", "kill 2"], "t-0 1 [1] 1");
    check(&["create t 1", "kill 1"], "t-0 none [1] 1");
    check(&["create t 1", "kill 1", "start 1"], "t-0 1 [1] 2");
    check(&["create t 1,2", "kill 1", "start 1"], "t-0 2 [2] 1");
    check(
        &["create t 1,2", "kill 2", "kill 1", "start 2"],
        "t-0 none [1] 2",
    );
    // A bounce is a death: it may have lost what it had not flushed.
    check(&["create t 1,2", "bounce 1"], "t-0 2 [2] 1");
    check(&["create t 1", "bounce 1"], "t-0 1 [1] 2");
    // So is one that no controller saw; if nobody else was there, the epoch ends at least.
    check(&["create t 1,2", "bounce-unseen 1", "elect"], "t-0 2 [2] 1");
    check(&["create t 1,2", "bounce-unseen 2", "elect"], "t-0 1 [1] 1");
    check(
        &["create t 1,2", "kill 2", "bounce-unseen 1", "elect"],
        "t-0 1 [1] 2",
    );
    check(
        &[
            "create t 1,2",
            "bounce-unseen 1",
            "bounce-unseen 2",
            "elect",
        ],
        "t-0 1 [1,2] 1",
    );
    check(&["create t 1", "bounce-unseen 1", "elect"], "t-0 1 [1] 0");
    // The leader changes the ISR while the controller elects.
    check(&["create t 1,2,3", "race", "kill 3"], "t-0 1 [1] 0");
    check(&["create t 2,1,3", "lose-after", "kill 2"], "t-0 1 [1,3] 1");
    check(
        &["create t 2,1,3", "lose-before", "kill 2"],
        "t-0 1 [1,3] 1",
    );
    // It was in sync again, of which the controller has not heard.
    let script = ["create t 1,2,3", "shrink t-0", "notify t-0", "rejoin t-0 3"];
    check(&[&script[..], &["kill 3"]].concat(), "t-0 1 [1] 1");
    check(&[&script[..], &["bounce 3"]].concat(), "t-0 1 [1] 1");
    check(&[&script[..], &["kill 2"]].concat(), "t-0 1 [1,3] 0");
    // The write that follows a death is lost and the broker is back before it is tried again.
    check(&["create t 1,2", "lose-before", "bounce 1"], "t-0 2 [2] 1");
}

/// Somebody deletes state nodes by hand: epochs do not go back, and nobody out of sync leads.
#[test]
fn lost_state_nodes_are_made_anew() {
    check(&["create t 1,2", "lose t-0", "kill 1"], "t-0 2 [2] 1");
    check(
        &["create t 1,2", "kill 2", "lose t-0", "start 2", "kill 1"],
        "t-0 none [1] 2",
    );
    check(
        &["create t 1,2,3", "lose t-0", "lose-before", "kill 3"],
        "t-0 1 [1,2] 1",
    );
    // The node that is made anew has a lower version than the one that was lost.
    let script = [
        "create t 1,2",
        "kill 2",
        "lose t-0",
        "fine",
        "lose-after",
        "kill 1",
    ];
    check(&script, "t-0 none [1] 2");
}

#[test]
fn controlled_shutdown() {
    let script = ["create t 1,2", "create u 2,1", "create v 1", "drain 1"];
    let world = check_draining(&script, "t-0 2 [2] 1; u-0 2 [2] 1; v-0 1 [1] 0");
    assert_eq!(world.answers, [(WaiterId(7), Ok([].into()))]);
    let script = ["create t 1,2", "shrink t-0", "notify t-0", "drain 1"];
    let world = check_draining(&script, "t-0 1 [1] 0");
    assert_eq!(world.answers, [(WaiterId(7), Ok([tp("t", 0)].into()))]);
    // It was in sync again, of which the controller has not heard.
    let script = ["create t 1,2", "shrink t-0", "notify t-0", "rejoin t-0 2"];
    let world = check_draining(&[&script[..], &["drain 2"]].concat(), "t-0 1 [1] 1");
    assert_eq!(world.answers, [(WaiterId(7), Ok([].into()))]);
    let world = check_draining(&["drain 9"], "");
    assert_eq!(
        world.answers,
        [(WaiterId(7), Err(ShutdownRefused::UnknownBroker))]
    );
    check(
        &["create t 1,2", "drain 1", "kill 1", "start 1"],
        "t-0 2 [2] 1",
    );
}

/// As `check`, without the final look: a draining broker is neither quite alive nor dead.
fn check_draining(script: &[&str], want: &str) -> World {
    let mut world = World::new(&[1, 2, 3]);
    run(&mut world, "elect");
    for line in script {
        run(&mut world, line);
    }
    assert_eq!(show(&world), want, "after {script:?}");
    world
}

#[test]
fn topics_go() {
    for script in [
        &["create t 1,2 2,3", "mark t"][..],
        &["create t 1,2", "lose-before", "mark t"],
        &["create t 1,2", "lose-after", "mark t"],
        &["mark t"],
        &["create t 1,2", "kill 2", "mark t", "start 2"],
        &["create t 1,2", "break 2 t-0", "mark t", "bounce 2"],
        &["kill 1", "create t 1", "mark t", "start 1"],
    ] {
        let world = check(script, "");
        assert!(
            world.marks.is_empty() && world.topics.is_empty(),
            "{script:?}"
        );
        assert!(
            world
                .brokers
                .values()
                .all(|broker| broker.replicas.is_empty() && broker.metadata.is_empty())
        );
    }
    // A dead replica halts it; clients are told at once all the same.
    let world = check(&["create t 1,2", "kill 2", "mark t"], "t-0 1 [1] 1");
    assert!(world.brokers[&BrokerId(1)].metadata.is_empty());
    assert!(world.topics.contains_key("t"));
    // The name can be taken again.
    check(&["create t 1,2", "mark t", "create t 3"], "t-0 3 [3] 0");
}

#[test]
fn deletion_can_be_forbidden() {
    let mut world = World::new(&[1]);
    let settings = Settings {
        topic_ids: true,
        leader_recovery: true,
        delete_topics: false,
    };
    world.brain = Controller::new(BrokerId(1), settings);
    for line in ["elect", "create t 1", "mark t"] {
        run(&mut world, line);
    }
    assert!(world.marks.is_empty());
    assert_eq!(show(&world), "t-0 1 [1] 0");
}

/// A controller that starts finds what the one before it left.
#[test]
fn a_new_controller_goes_on() {
    check(&["create t 1,2", "elect"], "t-0 1 [1,2] 0");
    let mut world = World::new(&[1, 2]);
    world.create_topic("t", &[&[1, 2]], false);
    world.create_topic("u", &[&[2, 1]], true);
    world.create_topic("gone", &[&[1]], true);
    world.marks.insert("gone".into());
    world.states.insert(
        tp("u", 0),
        (
            LeaderIsr {
                leader: Some(BrokerId(3)),
                leader_epoch: 4,
                isr: super::world::ids(&[3, 1]),
                controller_epoch: 0,
                recovering: false,
            },
            9,
        ),
    );
    run(&mut world, "elect");
    assert_eq!(show(&world), "t-0 1 [1,2] 0; u-0 1 [1] 5");
    world.check_settled();
    assert!(!world.topics.contains_key("gone"));
}

#[test]
fn a_younger_controller_ends_the_term() {
    let mut world = World::new(&[1]);
    run(&mut world, "elect");
    run(&mut world, "create t 1");
    world
        .states
        .get_mut(&tp("t", 0))
        .unwrap()
        .0
        .controller_epoch = 99;
    world.states.get_mut(&tp("t", 0)).unwrap().1 = 5;
    world.feed(TermEvent::IsrNotified {
        nodes: vec![],
        partitions: [tp("t", 0)].into(),
    });
    world.settle();
    assert!(!world.brain.is_elected());
    // And whatever comes late from that term writes nothing.
    world.tell_all();
    assert!(world.actions.is_empty());
}

#[test]
fn events_of_another_term_are_dropped() {
    let mut world = World::new(&[1]);
    run(&mut world, "elect");
    run(&mut world, "create t 1");
    let before = world.brain.clone();
    let late = Event::InTerm(0, TermEvent::TopicsListed([].into()));
    assert_eq!(world.brain.step(late), []);
    assert_eq!(world.brain, before);
    assert_eq!(world.brain.step(Event::Deposed), []);
    assert!(!world.brain.is_elected());
}

/// Nobody hears of a leader that is not stored, and everybody hears who lives before who leads.
#[test]
fn order_of_requests() {
    let mut world = World::new(&[1, 2]);
    world.create_topic("t", &[&[1, 2]], true);
    world.elect();
    let mut seen = Vec::new();
    while let Some(action) = world.actions.front() {
        seen.push(match action {
            Action::Load(_) => "load".to_owned(),
            Action::Send(id, Request::UpdateMetadata(update)) => {
                format!("metadata {id} {}", update.partitions.len())
            }
            Action::Send(id, Request::LeaderAndIsr(_)) => format!("lead {id}"),
            Action::Send(id, Request::StopReplica(_)) => format!("stop {id}"),
            Action::StoreStates(..) => "store".to_owned(),
            other => format!("{other:?}"),
        });
        world.act();
    }
    let want = [
        "load",
        "metadata 1 0",
        "metadata 2 0",
        "store",
        "lead 1",
        "lead 2",
        "metadata 1 1",
        "metadata 2 1",
    ];
    assert_eq!(seen, want);
}
