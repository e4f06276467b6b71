//! Nothing acknowledged is lost: real processes, real faults, and the history checker's proof.
//!
//! Every run has three replicas, `min.insync.replicas=2` and writers with acks=all. `scripts/soak.sh`
//! is the long form.

use ottla_tests::ClusterSpec;
use ottla_tests::faults::{Fault, FaultRun, Load, Step, Target};
use ottla_tests::history::{Event, Violation};

fn check(spec: &ClusterSpec, steps: &[Step]) {
    let mut run = FaultRun::start(spec, Load::default());
    for step in steps {
        let told = run.apply(step);
        println!("{told}");
    }
    println!("{}", run.finish());
}

#[test]
fn brokers_that_are_killed_lose_nothing() {
    let steps = [
        Step::new(Fault::Kill(Target::Leader(0)), 500),
        Step::new(Fault::Kill(Target::Follower(1)), 500),
        Step::new(Fault::Kill(Target::Controller), 500),
        Step::new(Fault::Kill(Target::Leader(1)), 0),
        Step::new(Fault::Kill(Target::Leader(2)), 1000).unsettled(),
        Step::new(Fault::Kill(Target::Controller), 0).unsettled(),
        Step::new(Fault::Kill(Target::Leader(0)), 0).unsettled(),
        Step::new(Fault::Stop(Target::Leader(1)), 0),
        Step::new(Fault::KillAll, 0),
    ];
    check(&FaultRun::spec(), &steps);
}

#[test]
fn brokers_that_are_frozen_lose_nothing() {
    let steps = [
        Step::new(Fault::Freeze(Target::Leader(0)), 1000),
        Step::new(Fault::Freeze(Target::Follower(1)), 3000),
        Step::new(Fault::Expire(Target::Leader(2)), 0),
        Step::new(Fault::Expire(Target::Controller), 500),
    ];
    check(&FaultRun::spec(), &steps);
}

#[test]
fn zookeeper_that_is_away_costs_nothing() {
    let steps = [
        Step::new(Fault::ZooKeeperDown, 1000),
        Step::new(Fault::ZooKeeperFrozen, 4000),
        Step::new(Fault::ZooKeeperDown, 4000),
    ];
    check(&FaultRun::spec(), &steps);
}

/// A write whose answer is lost may have been done: a controller's, a leader's.
#[test]
fn answers_of_zookeeper_that_are_lost_cost_nothing() {
    let steps = [
        Step::new(Fault::LoseAnswers(Target::Controller), 500),
        Step::new(Fault::LoseAnswers(Target::Controller), 1000)
            .with(Fault::Kill(Target::Leader(0))),
        Step::new(Fault::LoseAnswers(Target::Leader(1)), 2500),
        Step::new(Fault::LoseAnswers(Target::Controller), 3500)
            .with(Fault::Freeze(Target::Follower(0))),
    ];
    check(&FaultRun::spec().zookeeper_proxies(), &steps);
}

#[test]
fn brokers_that_are_cut_off_lose_nothing() {
    let steps = [
        Step::new(Fault::CutFromBrokers(Target::Leader(0)), 3000),
        Step::new(Fault::CutFromZooKeeper(Target::Leader(1)), 4500),
        Step::new(Fault::Unplug(Target::Controller), 4500),
        Step::new(Fault::CutFromBrokers(Target::Controller), 1000).unsettled(),
        Step::new(Fault::Unplug(Target::Leader(2)), 500),
        Step::new(Fault::Silence(Target::Leader(0)), 1500),
    ];
    check(&FaultRun::spec().in_namespaces(), &steps);
}

#[test]
fn a_disk_that_forgets_loses_nothing() {
    let steps = [
        Step::new(Fault::PowerLoss(Target::Leader(0)), 0),
        Step::new(Fault::NewDisk(Target::Leader(1)), 0),
        Step::new(Fault::PowerLoss(Target::Follower(2)), 0),
        Step::new(Fault::KillWithWatchdog(Target::Controller), 500),
    ];
    check(&FaultRun::spec(), &steps);
}

/// The broker leads something; it stops leading, and the others go on. With room again and a start it
/// catches up.
#[test]
fn a_full_disk_loses_nothing() {
    let spec = FaultRun::spec().small_disk_of(1);
    let mut run = FaultRun::start(&spec, Load::default());
    run.cluster().fill_disk();
    run.wait_until_not_in_sync(1);
    run.wait_for_acknowledgements("the disk got full");
    run.cluster().empty_disk();
    run.history().add(Event::Restarted { broker: 1 });
    run.cluster().kill(1);
    run.cluster().restart(1);
    run.settle();
    println!("{}", run.finish());
}

#[test]
fn two_faults_at_once_lose_nothing() {
    let steps = [
        Step::new(Fault::Kill(Target::Leader(0)), 500).with(Fault::Kill(Target::Leader(1))),
        Step::new(Fault::ZooKeeperDown, 1000).with(Fault::Kill(Target::Leader(0))),
        Step::new(Fault::Freeze(Target::Leader(2)), 1500).with(Fault::Kill(Target::Controller)),
        Step::new(Fault::Expire(Target::Follower(0)), 500).with(Fault::Kill(Target::Leader(0))),
    ];
    check(&FaultRun::spec(), &steps);
}

/// The proof has teeth: acks=1 does lose records when a leader dies that its followers could not
/// follow, and the checker sees which.
#[test]
fn what_acks_1_loses_is_found() {
    let load = Load {
        partitions: 1,
        idempotent: 0,
        repeating: 1,
        repeating_acks: 1,
        ..Load::default()
    };
    let spec = FaultRun::spec().with("replica.lag.time.max.ms", "30000");
    let mut run = FaultRun::start(&spec, load);
    let leader = run.cluster().leader("faults", 0);
    let followers: Vec<i32> = run.cluster().ids().filter(|id| *id != leader).collect();
    followers.iter().for_each(|id| run.cluster().pause(*id));
    run.wait_for_acknowledgements("the followers were frozen");
    run.cluster().kill(leader);
    followers.iter().for_each(|id| run.cluster().resume(*id));
    run.wait_for_acknowledgements("the leader was killed");
    run.cluster().restart(leader);
    let proof = run.prove();
    let found = |wanted: fn(&Violation) -> bool| proof.violations.iter().any(wanted);
    let told = format!("{}: {:?}", proof.summary, proof.violations);
    assert!(found(|v| matches!(v, Violation::Lost { .. })), "{told}");
    // What was cut off is lost on all of them.
    let differ = found(|v| matches!(v, Violation::ReplicasDiffer { .. }));
    assert!(!differ, "{told}");
}

/// Who elects a leader out of sync accepts losses; the replicas must be the same all the same.
#[test]
fn an_unclean_election_leaves_replicas_that_are_equal() {
    let spec = FaultRun::spec()
        .with("unclean.leader.election.enable", "true")
        .with("min.insync.replicas", "1");
    let load = Load {
        groups: 0,
        ..Load::default()
    };
    let mut run = FaultRun::start(&spec, load);
    let leader = run.cluster().leader("faults", 0);
    let others: Vec<i32> = run.cluster().ids().filter(|id| *id != leader).collect();
    for id in others.iter().chain([&leader]) {
        // What is acknowledged now, the dead do not have.
        run.wait_for_acknowledgements("a death, or the start");
        run.history().add(Event::Restarted { broker: *id });
        run.cluster().kill(*id);
        run.cluster().wait_until_unregistered(*id);
    }
    for id in others {
        run.cluster().restart(id);
    }
    run.wait_for_acknowledgements("an unclean election");
    run.cluster().restart(leader);
    let proof = run.prove();
    let found = |wanted: fn(&Violation) -> bool| proof.violations.iter().any(wanted);
    let told = format!("{}: {:#?}", proof.summary, proof.violations);
    assert!(found(|v| matches!(v, Violation::Lost { .. })), "{told}");
    assert!(
        !found(|v| matches!(
            v,
            Violation::ReplicasDiffer { .. }
                | Violation::ReplicaShort { .. }
                | Violation::Unreadable { .. }
        )),
        "{told}"
    );
    assert!(proof.stuck.is_empty(), "{:?}", proof.stuck);
}

/// As operators upgrade: the brokers are restarted one after the other with a newer protocol.
#[test]
fn a_newer_protocol_between_brokers_costs_nothing() {
    const KEY: &str = "inter.broker.protocol.version";
    let mut run = FaultRun::start(&FaultRun::spec().with(KEY, "2.0"), Load::default());
    for version in ["2.6", "3.9"] {
        for id in run.cluster().ids() {
            run.cluster().stop(id);
            run.cluster().broker(id).change(KEY, version);
            run.history().add(Event::Restarted { broker: id });
            run.cluster().restart(id);
            run.settle();
        }
        let killed = run.apply(&Step::new(Fault::Kill(Target::Controller), 100));
        println!("{version}: {killed}");
    }
    println!("{}", run.finish());
}
