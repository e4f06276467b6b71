//! Bugs of Kafka's history, each as a script that it would have failed, and did: where the mistake
//! can be made outside of the brains, the script is run with it too, to see that it would be noticed.

#![allow(clippy::unwrap_used, clippy::panic)]

use ottla_controller::{
    LeaderIsr, Request, RequestRefused, Sender, StopReplica, StopReplicaPartition,
};
use ottla_metadata::TopicPartition;
use ottla_partition::Truncation;
use ottla_simulation::{Mistakes, Scenario, Setup};

fn t0() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// A cluster with one partition on these brokers. The controller is broker 4, which has no replica.
fn cluster(setup: Setup, replicas: &[i32]) -> Scenario {
    let mut cluster = Scenario::new(setup);
    cluster.create("t", &[replicas]);
    cluster.settle().unwrap();
    assert_eq!(cluster.controller(), Some(4));
    cluster
}

fn leader_and_isr(cluster: &Scenario) -> (Option<i32>, Vec<i32>) {
    (cluster.leader(&t0()), cluster.isr(&t0()))
}

/// All is well; if not, with the whole story.
#[track_caller]
fn assert_well(cluster: &mut Scenario) {
    if let Err(why) = cluster.settle() {
        panic!("{}\n{why}", cluster.trace().join("\n"));
    }
}

fn truncating(truncation: Truncation) -> Setup {
    Setup {
        truncation,
        ..Setup::default()
    }
}

/// KIP-101, first scenario (KAFKA-1211): a follower has a committed record, but does not know yet that
/// it is committed. Told to follow the same leader in a new epoch, it used to cut its log to its high
/// watermark. When the leader dies before it has fetched the record again, it is elected, since it
/// is in sync, and the record is lost.
fn acknowledged_above_the_followers_watermark(truncation: Truncation) -> Result<(), String> {
    let mut cluster = cluster(truncating(truncation), &[1, 2, 3]);
    cluster.produce(&t0()).unwrap();
    cluster.run(300);
    cluster.produce(&t0()).unwrap();
    assert_eq!(cluster.log(2, &t0()).len(), 2);
    assert_eq!(
        cluster.high_watermark(2, &t0()),
        Some(1),
        "it has not heard"
    );
    cluster.cut(1, 2);
    cluster.kill(3);
    cluster.expire(3);
    cluster.run(500);
    cluster.kill(1);
    cluster.expire(1);
    cluster.run(500);
    cluster.mend();
    cluster.start(1);
    cluster.start(3);
    cluster.settle()?;
    assert_eq!(cluster.log(2, &t0()).len(), 2);
    Ok(())
}

#[test]
fn kip_101_a_follower_does_not_cut_what_is_committed() {
    for truncation in [Truncation::ByEpochRequest, Truncation::OnFetch] {
        acknowledged_above_the_followers_watermark(truncation).unwrap();
    }
    let why = acknowledged_above_the_followers_watermark(Truncation::ToHighWatermark);
    assert!(why.unwrap_err().contains("misses some of 2 committed"));
}

/// KIP-101, second scenario: the power of both replicas fails. The one that lost its last record comes
/// back first and leads; another record takes the place of the lost one. The other replica's
/// high watermark says that all it has is committed, so it used to keep the old record.
fn power_fails_everywhere(truncation: Truncation) -> Result<(), String> {
    let mut cluster = cluster(truncating(truncation), &[1, 2]);
    for _ in 0..3 {
        cluster.produce(&t0()).unwrap();
        cluster.run(1_000);
    }
    assert_eq!(cluster.high_watermark(2, &t0()), Some(3));
    cluster.kill(2);
    cluster.fail_power(1, &t0(), 2);
    cluster.expire(1);
    cluster.expire(2);
    cluster.run(500);
    cluster.start(1);
    cluster.run(500);
    assert_eq!(leader_and_isr(&cluster), (Some(1), vec![1]));
    cluster.produce(&t0()).unwrap();
    cluster.start(2);
    cluster.settle()?;
    assert_eq!(cluster.log(1, &t0()), cluster.log(2, &t0()));
    Ok(())
}

#[test]
fn kip_101_logs_do_not_diverge() {
    for truncation in [Truncation::ByEpochRequest, Truncation::OnFetch] {
        power_fails_everywhere(truncation).unwrap();
    }
    let why = power_fails_everywhere(Truncation::ToHighWatermark).unwrap_err();
    assert!(why.contains("2 is in sync, but misses some"), "{why}");
}

/// KIP-279 (KAFKA-6361): leaders change fast. Broker 2 led in an epoch of which broker 1 has nothing, and
/// began it where broker 1 has more records of the epoch before. To the question where that
/// epoch ends the leader used to answer with the end of the epoch before, without saying so, and
/// the follower kept its own records up to there.
fn fast_failovers(truncation: Truncation, epochless_answers: bool) -> Result<(), String> {
    let mistakes = Mistakes {
        epochless_answers,
        ..Mistakes::default()
    };
    let setup = Setup {
        unclean: true,
        mistakes,
        ..truncating(truncation)
    };
    let mut cluster = cluster(setup, &[1, 2]);
    for _ in 0..3 {
        cluster.produce(&t0()).unwrap();
    }
    cluster.run(300);
    cluster.cut(1, 2);
    for _ in 0..5 {
        cluster.append(1, &t0()).unwrap();
    }
    cluster.run(4_000);
    assert_eq!(leader_and_isr(&cluster), (Some(1), vec![1]));
    cluster.kill(1);
    cluster.expire(1);
    cluster.run(500);
    assert_eq!(
        leader_and_isr(&cluster),
        (Some(2), vec![2]),
        "an unclean leader"
    );
    for _ in 0..8 {
        cluster.produce(&t0()).unwrap();
    }
    cluster.kill(2);
    cluster.expire(2);
    cluster.start(1);
    cluster.run(500);
    assert_eq!(leader_and_isr(&cluster), (Some(1), vec![1]), "another one");
    cluster.produce(&t0()).unwrap();
    cluster.mend();
    cluster.start(2);
    cluster.settle()?;
    assert_eq!(cluster.log(1, &t0()), cluster.log(2, &t0()));
    Ok(())
}

#[test]
fn kip_279_logs_agree_after_fast_failovers() {
    fast_failovers(Truncation::ByEpochRequest, false).unwrap();
    fast_failovers(Truncation::OnFetch, false).unwrap();
    let why = fast_failovers(Truncation::ByEpochRequest, true).unwrap_err();
    assert!(
        why.contains("what 2 has below its high watermark 9 is not what was committed"),
        "{why}"
    );
}

/// KIP-320: broker 3 has a record of the leader of epoch 0 that nobody else has, and has not heard of
/// epoch 1. Its fetch says that it is one record further than it is; a leader that does not ask for
/// the epoch counts it, and acknowledges what broker 3 does not have.
fn a_fetch_from_an_older_epoch(says_its_epoch: bool) -> Result<(), String> {
    let mut cluster = cluster(Setup::default(), &[1, 2, 3]);
    cluster.produce(&t0()).unwrap();
    cluster.run(300);
    cluster.cut(1, 2);
    cluster.cut(3, 4);
    cluster.append(1, &t0()).unwrap();
    cluster.run(300);
    cluster.pause(3);
    cluster.kill(1);
    cluster.expire(1);
    cluster.run(500);
    assert_eq!(leader_and_isr(&cluster), (Some(2), vec![2, 3]));
    cluster.append(2, &t0()).unwrap();
    let epoch = says_its_epoch.then_some(0);
    let answer = cluster.fetch_as(3, 2, &t0(), epoch, 2);
    cluster.run(100);
    match cluster.violation() {
        Some(violation) => return Err(violation),
        None => assert_eq!(answer, Err("FENCED_LEADER_EPOCH".to_owned())),
    }
    assert_eq!(cluster.high_watermark(2, &t0()), Some(1));
    let early = cluster.fetch_as(3, 2, &t0(), Some(2), 1);
    assert_eq!(early, Err("UNKNOWN_LEADER_EPOCH".to_owned()));
    cluster.mend();
    cluster.resume(3);
    cluster.start(1);
    cluster.settle()
}

#[test]
fn kip_320_leaders_fence_other_epochs() {
    a_fetch_from_an_older_epoch(true).unwrap();
    let why = a_fetch_from_an_older_epoch(false).unwrap_err();
    assert!(why.contains("3 is in sync, but misses some"), "{why}");
}

/// KIP-380 (KAFKA-1120, KAFKA-7235): a StopReplica for the process that broker 2 was arrives at the
/// process that it is. Without broker epochs the new process obeyed, and never followed again.
fn a_late_stop_replica(with_broker_epoch: bool) -> Result<(), String> {
    let mut cluster = cluster(Setup::default(), &[1, 2, 3]);
    let sender = cluster.sender_to(2).unwrap();
    cluster.kill(2);
    cluster.start(2);
    cluster.run(1_000);
    assert!(cluster.broker_epoch(2) > Some(sender.broker_epoch));
    let leader_epoch = cluster.state(&t0()).unwrap().leader_epoch;
    let request = Request::StopReplica(StopReplica {
        sender: Sender {
            broker_epoch: if with_broker_epoch {
                sender.broker_epoch
            } else {
                -1
            },
            ..sender
        },
        partitions: vec![StopReplicaPartition {
            partition: t0(),
            leader_epoch,
            delete: false,
        }],
    });
    let answer = cluster.command(2, request).unwrap();
    if with_broker_epoch {
        assert_eq!(answer, Err(RequestRefused::StaleBrokerEpoch));
    }
    cluster.produce(&t0()).unwrap();
    cluster.run(5_000);
    cluster.settle()
}

#[test]
fn kip_380_requests_for_an_earlier_process_are_refused() {
    a_late_stop_replica(true).unwrap();
    let why = a_late_stop_replica(false).unwrap_err();
    assert!(why.contains("t-0 is not in sync"), "{why}");
}

/// KIP-380: a broker that is back before anybody noticed that it was gone is another process all the same:
/// its leaderships move, and all its replicas hear what they are.
#[test]
fn kip_380_a_bounce_is_noticed() {
    let mut cluster = cluster(Setup::default(), &[1, 2, 3]);
    cluster.produce(&t0()).unwrap();
    let before = cluster.state(&t0()).unwrap().leader_epoch;
    cluster.kill(1);
    cluster.start(1);
    assert_well(&mut cluster);
    let after = cluster.state(&t0()).unwrap();
    assert!(
        after.leader_epoch > before && after.leader != Some(ottla_metadata::BrokerId(1)),
        "{after:?}"
    );
}

/// KIP-380, where Kafka's own fix does not reach: the broker that bounces is the controller as well, so
/// that nobody compares its epochs. Found by the simulation.
#[test]
fn kip_380_a_bounce_is_noticed_by_the_next_controller() {
    let mut cluster = Scenario::new(Setup {
        brokers: 3,
        ..Setup::default()
    });
    cluster.create("t", &[&[3, 1, 2]]);
    assert_well(&mut cluster);
    assert_eq!(
        (cluster.controller(), cluster.leader(&t0())),
        (Some(3), Some(3))
    );
    cluster.produce(&t0()).unwrap();
    cluster.run(300);
    cluster.fail_power(3, &t0(), 0);
    cluster.start(3);
    assert_well(&mut cluster);
    assert_eq!(
        cluster.log(3, &t0()).len(),
        1,
        "what was acknowledged is not lost"
    );
}

/// KIP-380: the request to leave that an earlier process sent does not drain its successor.
#[test]
fn kip_380_a_late_controlled_shutdown_is_refused() {
    let mut cluster = cluster(Setup::default(), &[1, 2, 3]);
    let epoch = cluster.broker_epoch(1).unwrap();
    cluster.kill(1);
    cluster.start(1);
    assert_well(&mut cluster);
    let leader = cluster.leader(&t0());
    let refused = cluster.ask_to_leave(1, epoch).unwrap_err();
    assert_eq!(refused, "the broker has registered anew since");
    cluster.run(1_000);
    assert_eq!(leader_and_isr(&cluster), (leader, vec![1, 2, 3]));
}

/// KAFKA-2729: a leader's write of an ISR is refused, because somebody else has written the node, or it has
/// itself and did not hear of it. "Cached zkVersion not equal to that in zookeeper": it tried the
/// same again for ever, and its partition stayed without followers until a restart.
fn a_version_that_is_not_known(lost_answer: bool, setup: Setup) -> Result<(), String> {
    let mut cluster = cluster(setup, &[1, 2, 3]);
    cluster.produce(&t0()).unwrap();
    match lost_answer {
        // The leader writes through ZooKeeper itself, or through the controller.
        true if setup.alter_partition => cluster.lose_next_answer(4),
        true => cluster.lose_next_answer(1),
        false => cluster.touch_state(&t0()),
    }
    cluster.cut(1, 3);
    cluster.append(1, &t0()).unwrap();
    cluster.run(6_000);
    cluster.mend();
    cluster.settle()?;
    cluster.produce(&t0())?;
    Ok(())
}

#[test]
fn kafka_2729_a_leader_learns_the_version_that_it_missed() {
    for alter_partition in [false, true] {
        let setup = Setup {
            alter_partition,
            ..Setup::default()
        };
        a_version_that_is_not_known(false, setup).unwrap();
        a_version_that_is_not_known(true, setup).unwrap();
    }
    let mistaken = Setup {
        alter_partition: false,
        mistakes: Mistakes {
            trusts_cached_version: true,
            ..Mistakes::default()
        },
        ..Setup::default()
    };
    for lost_answer in [false, true] {
        let why = a_version_that_is_not_known(lost_answer, mistaken).unwrap_err();
        assert!(why.contains("t-0"), "{why}");
    }
}

/// KAFKA-2729 as it was reported: the sessions of the leader and of the controller expire together, while
/// the leader changes its ISR.
#[test]
fn kafka_2729_sessions_expire_together() {
    for alter_partition in [false, true] {
        let setup = Setup {
            alter_partition,
            ..Setup::default()
        };
        let mut cluster = cluster(setup, &[1, 2, 3]);
        cluster.cut(1, 3);
        cluster.append(1, &t0()).unwrap();
        cluster.run(1_900);
        for _ in 0..4 {
            cluster.expire(1);
            cluster.expire(4);
            cluster.run(150);
        }
        cluster.mend();
        assert_well(&mut cluster);
        cluster.produce(&t0()).unwrap();
    }
}

/// KAFKA-6082: a controller that was stopped goes on where it was, with decisions in hand, while another
/// one has been elected and has decided otherwise. Its session is alive, so ZooKeeper let it
/// write.
fn a_controller_of_the_past(unfenced_writes: bool) -> Result<LeaderIsr, String> {
    let mistakes = Mistakes {
        unfenced_writes,
        ..Mistakes::default()
    };
    let setup = Setup {
        mistakes,
        ..Setup::default()
    };
    let mut cluster = cluster(setup, &[1, 2, 3]);
    cluster.pause(4);
    cluster.kill(1);
    cluster.expire(1);
    cluster.delete_controller_node();
    while cluster.controller().is_none() {
        cluster.run(1);
    }
    // The old one has the news of broker 1 before that of its own end.
    cluster.resume(4);
    cluster.run(2_000);
    cluster.start(1);
    cluster.settle()?;
    assert_ne!(cluster.controller(), None);
    cluster.state(&t0()).ok_or("no state".to_owned())
}

#[test]
fn kafka_6082_a_deposed_controller_writes_nothing() {
    a_controller_of_the_past(false).unwrap();
    let why = a_controller_of_the_past(true).unwrap_err();
    assert!(why.contains("the controller of epoch 1 writes"), "{why}");
}

/// KAFKA-13407: `/controller` names a broker that does not act as controller: the answer to its election was
/// lost, or the node is of its earlier session. It read its own id there, and stood no more; so
/// did all others.
fn a_controller_that_does_not_know(restarted: bool, mistaken: bool) -> Result<(), String> {
    let mistakes = Mistakes {
        trusts_controller_node: mistaken,
        ..Mistakes::default()
    };
    let setup = Setup {
        mistakes,
        ..Setup::default()
    };
    let mut cluster = Scenario::new(setup);
    if restarted {
        cluster.kill(4);
        cluster.start(4);
    } else {
        for id in 1..=4 {
            cluster.lose_next_answer(id);
        }
        cluster.delete_controller_node();
    }
    // Less than a session lasts.
    cluster.run(3_000);
    cluster.create("t", &[&[1, 2, 3]]);
    cluster.run(1_500);
    cluster.produce(&t0())?;
    cluster.settle()
}

#[test]
fn kafka_13407_whoever_is_in_the_node_acts_as_controller() {
    for restarted in [false, true] {
        a_controller_that_does_not_know(restarted, false).unwrap();
        let why = a_controller_that_does_not_know(restarted, true).unwrap_err();
        assert!(why.contains("no leader"), "{why}");
    }
}

/// KAFKA-14190: a tool of before 2.8 rewrites a topic's node and drops the id that it does not know. The next
/// controller gave the topic a new id, under which no log could be used.
#[test]
fn kafka_14190_a_topic_keeps_its_id() {
    // The controller in office brings it back.
    let mut cluster = cluster(Setup::default(), &[1, 2, 3]);
    let id = cluster.topic_id("t");
    cluster.produce(&t0()).unwrap();
    cluster.drop_topic_id("t");
    assert_well(&mut cluster);
    assert_eq!(cluster.topic_id("t"), id);
    // So does one that is elected afterwards.
    cluster.kill(4);
    cluster.expire(4);
    cluster.drop_topic_id("t");
    cluster.run(2_000);
    assert_eq!(cluster.topic_id("t"), id);
    cluster.start(4);
    assert_well(&mut cluster);
    cluster.produce(&t0()).unwrap();
    assert_eq!(cluster.log(1, &t0()).len(), 2);
}

/// Found by the simulation, and true of Kafka: a partition moves away from its leader while that one has
/// no session. When it is back, no controller has a word for it, since it has no replica, and it
/// took records from whoever asked it.
#[test]
fn a_leader_without_a_replica_stops_leading() {
    let mut cluster = cluster(Setup::default(), &[1, 2, 3]);
    cluster.produce(&t0()).unwrap();
    cluster.cut_from_zookeeper(1);
    cluster.expire(1);
    cluster.run(300);
    cluster.reassign(&t0(), &[2, 3]);
    cluster.run(2_000);
    assert_eq!(leader_and_isr(&cluster), (Some(2), vec![2, 3]));
    assert!(cluster.append(1, &t0()).is_ok(), "it has not heard");
    cluster.mend();
    cluster.run(10_000);
    let refused = cluster.append(1, &t0()).unwrap_err();
    assert_eq!(refused, "NotLeader");
}
