//! Committing, fetching, deleting and forgetting offsets.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::{Bench, Client, GROUP, member, settings};
use ottla_group::{
    AppendFailure, Commit, CommitOffset, Event, FetchedOffset, GroupError, GroupState, Response,
};
use ottla_metadata::TopicPartition;

const DAY: i64 = 86_400_000;

fn fetched(bench: &Bench, partition: i32, stable: bool) -> Option<i64> {
    match bench.groups.offset(GROUP, "t", partition, stable) {
        FetchedOffset::Committed(offset) => Some(offset.offset),
        FetchedOffset::None => None,
        FetchedOffset::Unstable => Some(-2),
    }
}

fn delete_offsets(
    bench: &mut Bench,
    topics: &[&str],
) -> Result<Vec<Result<(), GroupError>>, GroupError> {
    let waiter = bench.waiter();
    let partitions = topics
        .iter()
        .map(|topic| TopicPartition::new(*topic, 0))
        .collect();
    bench.event(Event::DeleteOffsets { waiter, partitions });
    bench.store();
    match bench.answers.remove(&waiter) {
        Some(Response::DeleteOffsets(result)) => result,
        other => panic!("{other:?}"),
    }
}

fn delete_group(bench: &mut Bench) -> Result<(), GroupError> {
    let waiter = bench.waiter();
    bench.event(Event::DeleteGroup { waiter });
    bench.store();
    match bench.answers.remove(&waiter) {
        Some(Response::DeleteGroup(result)) => result,
        other => panic!("{other:?}"),
    }
}

fn expire(bench: &mut Bench) {
    let actions = bench.groups.expire_offsets(bench.time());
    bench.take(actions);
    bench.store();
}

#[test]
fn an_offset_is_there_once_it_is_stored_and_after_a_reload() {
    let mut bench = Bench::new();
    let waiter = bench.commit_of(member("", None), -1, &[("t", 0, 5, "m"), ("t", 1, 6, "")]);
    assert!(bench.answers.is_empty());
    assert_eq!(
        (fetched(&bench, 0, false), fetched(&bench, 0, true)),
        (None, Some(-2))
    );
    bench.store();
    assert_eq!(bench.committed(waiter), [Ok(()), Ok(())]);
    for bench in [&bench, &bench.reloaded(settings())] {
        assert_eq!(
            (fetched(bench, 0, true), fetched(bench, 1, true)),
            (Some(5), Some(6))
        );
        assert_eq!(fetched(bench, 2, true), None);
        let FetchedOffset::Committed(offset) = bench.groups.offset(GROUP, "t", 0, false) else {
            panic!("there is none");
        };
        assert_eq!((&*offset.metadata, offset.leader_epoch), ("m", Some(3)));
        assert_eq!(bench.groups.offsets(GROUP).count(), 2);
        assert_eq!(bench.state(), GroupState::Empty);
    }
}

#[test]
fn commits_by_state_of_the_group() {
    #[derive(Clone, Copy)]
    enum At {
        Empty,
        Preparing,
        Completing,
        Stable,
    }
    fn check(
        at: At,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        want: Result<(), GroupError>,
    ) {
        let mut bench = Bench::new();
        bench.simple_commit(&[("t", 0, 1, "")]);
        let mut own = String::new();
        if !matches!(at, At::Empty) {
            own = bench.stable(&[Client::fixed("one", 5), Client::default()])[0].clone();
        }
        let rejoin = Client {
            protocols: vec![("range", b"new")],
            ..Client::named(&own)
        };
        match at {
            At::Empty | At::Stable => {}
            At::Preparing => drop(bench.join(&rejoin)),
            At::Completing => {
                bench.join(&rejoin);
                bench.pass(10_000);
                assert_eq!(bench.state(), GroupState::CompletingRebalance);
            }
        }
        let id = if id == "own" { own.as_str() } else { id };
        let waiter = bench.commit_of(member(id, instance), generation, &[("t", 0, 9, "")]);
        bench.store();
        assert_eq!(bench.committed(waiter), [want], "{id} {generation}");
    }
    let unknown = Err(GroupError::UnknownMemberId);
    let illegal = Err(GroupError::IllegalGeneration);
    check(At::Empty, "", None, -1, Ok(()));
    check(At::Empty, "x", None, -1, Ok(()));
    check(At::Empty, "x", None, 1, unknown);
    check(At::Stable, "", None, -1, unknown);
    check(At::Stable, "x", None, 1, unknown);
    check(At::Stable, "own", None, 1, Ok(()));
    check(At::Stable, "own", None, 2, illegal);
    check(At::Stable, "own", None, -1, illegal);
    check(
        At::Stable,
        "x",
        Some("one"),
        1,
        Err(GroupError::FencedInstanceId),
    );
    check(At::Stable, "own", Some("two"), 1, unknown);
    check(At::Preparing, "own", None, 1, Ok(()));
    check(
        At::Completing,
        "own",
        None,
        2,
        Err(GroupError::RebalanceInProgress),
    );
    check(At::Completing, "own", None, 1, illegal);
}

#[test]
fn a_generation_of_a_group_that_is_not_there_is_illegal() {
    let mut bench = Bench::new();
    let waiter = bench.commit_of(member("x", None), 1, &[("t", 0, 1, "")]);
    assert_eq!(
        bench.committed(waiter),
        [Err(GroupError::IllegalGeneration)]
    );
}

#[test]
fn long_metadata_is_refused_alone() {
    let mut bench = Bench::new();
    let results = bench.simple_commit(&[
        ("t", 0, 1, "ten chars!"),
        ("t", 1, 1, "eleven char"),
        ("t", 2, 1, "ääääääääää"),
    ]);
    assert_eq!(
        results,
        [Ok(()), Err(GroupError::OffsetMetadataTooLarge), Ok(())]
    );
    // Two units each, as Java counts.
    let results = bench.simple_commit(&[("t", 0, 1, "😀😀😀😀😀😀")]);
    assert_eq!(results, [Err(GroupError::OffsetMetadataTooLarge)]);
    assert!(bench.appends.is_empty());
}

#[test]
fn what_a_committer_hears_of_a_failed_append() {
    fn check(failure: AppendFailure, error: GroupError) {
        let mut bench = Bench::new();
        let waiter = bench.commit_of(
            member("", None),
            -1,
            &[("t", 0, 1, ""), ("t", 1, 1, "much too long")],
        );
        bench.fail(failure);
        let too_long = Err(GroupError::OffsetMetadataTooLarge);
        assert_eq!(bench.committed(waiter), [Err(error), too_long]);
        assert!(bench.groups.is_empty(), "no trace is left");
    }
    check(
        AppendFailure::UnknownPartition,
        GroupError::CoordinatorNotAvailable,
    );
    check(
        AppendFailure::NotEnoughReplicas,
        GroupError::CoordinatorNotAvailable,
    );
    check(AppendFailure::NotLeader, GroupError::NotCoordinator);
    check(AppendFailure::Storage, GroupError::NotCoordinator);
    check(AppendFailure::TimedOut, GroupError::RequestTimedOut);
    check(AppendFailure::TooLarge, GroupError::InvalidCommitOffsetSize);
    check(AppendFailure::Other, GroupError::UnknownServerError);
}

#[test]
fn ends_of_appends_count_in_the_order_of_the_log() {
    let mut bench = Bench::new();
    let first = bench.commit_of(member("", None), -1, &[("t", 0, 1, "")]);
    let second = bench.commit_of(member("", None), -1, &[("t", 0, 2, "")]);
    let ended = |append, offset| Event::Appended {
        append,
        outcome: ottla_group::AppendOutcome::Stored { offset },
    };
    let (a, b) = (bench.appends[0].0, bench.appends[1].0);
    bench.event(ended(b, 1));
    assert!(bench.answers.is_empty());
    bench.event(ended(a, 0));
    bench.event(ended(a, 7));
    assert_eq!(
        (bench.committed(first), bench.committed(second)),
        (vec![Ok(())], vec![Ok(())])
    );
    assert_eq!(fetched(&bench, 0, true), Some(2));
}

#[test]
fn deleting_offsets() {
    let mut bench = Bench::new();
    assert_eq!(
        delete_offsets(&mut bench, &["t"]),
        Err(GroupError::GroupIdNotFound)
    );
    bench.simple_commit(&[("t", 0, 1, ""), ("u", 0, 1, "")]);
    // Members subscribe to t.
    bench.stable(&[Client::default()]);
    let subscribed = Err(GroupError::GroupSubscribedToTopic);
    assert_eq!(
        delete_offsets(&mut bench, &["t", "u", "v"]),
        Ok(vec![subscribed, Ok(()), Ok(())])
    );
    let left: Vec<_> = bench
        .groups
        .offsets(GROUP)
        .map(|(topic, ..)| topic.to_string())
        .collect();
    assert_eq!(left, ["t"]);

    let mut connect = Bench::new();
    connect.simple_commit(&[("t", 0, 1, "")]);
    connect.stable(&[Client {
        protocol_type: "connect",
        ..Client::default()
    }]);
    assert_eq!(
        delete_offsets(&mut connect, &["t"]),
        Err(GroupError::NonEmptyGroup)
    );
}

#[test]
fn deleting_the_last_offset_ends_a_group_without_members() {
    let mut bench = Bench::new();
    bench.simple_commit(&[("t", 0, 1, "")]);
    assert_eq!(delete_offsets(&mut bench, &["t"]), Ok(vec![Ok(())]));
    assert!(bench.groups.is_empty());
    assert!(bench.reloaded(settings()).groups.is_empty());
}

#[test]
fn deleting_groups() {
    let mut bench = Bench::new();
    assert_eq!(delete_group(&mut bench), Err(GroupError::GroupIdNotFound));
    let ids = bench.stable(&[Client::default()]);
    let commit = bench.commit_of(member(&ids[0], None), 1, &[("t", 0, 1, "")]);
    bench.store();
    assert_eq!(bench.committed(commit), [Ok(())]);
    assert_eq!(delete_group(&mut bench), Err(GroupError::NonEmptyGroup));
    bench
        .leave(vec![member(&ids[0], None)])
        .unwrap()
        .remove(0)
        .unwrap();
    bench.store();
    assert_eq!(delete_group(&mut bench), Ok(()));
    assert!(bench.groups.is_empty());
    assert!(
        bench.reloaded(settings()).groups.is_empty(),
        "the tombstones are in the log"
    );
}

#[test]
fn a_commit_on_its_way_is_deleted_with_the_group() {
    let mut bench = Bench::new();
    let commit = bench.commit_of(member("", None), -1, &[("t", 0, 1, "")]);
    assert_eq!(delete_group(&mut bench), Ok(()));
    assert_eq!(bench.committed(commit), [Ok(())]);
    assert!(bench.groups.is_empty() && bench.reloaded(settings()).groups.is_empty());
}

#[test]
fn large_groups_are_deleted_in_batches() {
    let mut bench = Bench::new();
    let many: Vec<(&str, i32, i64, &str)> = (0..2_500).map(|p| ("t", p, 1, "")).collect();
    bench.simple_commit(&many);
    let waiter = bench.waiter();
    bench.event(Event::DeleteGroup { waiter });
    let sizes: Vec<usize> = bench
        .appends
        .iter()
        .map(|(_, records)| records.len())
        .collect();
    assert_eq!(sizes, [1_000, 1_000, 500]);
    bench.store();
    assert!(bench.groups.is_empty());
}

#[test]
fn offsets_of_deleted_topics_go() {
    let mut bench = Bench::new();
    bench.simple_commit(&[("t", 0, 1, ""), ("t", 1, 1, ""), ("u", 0, 1, "")]);
    let under_way = bench.commit_of(member("", None), -1, &[("t", 2, 1, "")]);
    let actions = bench
        .groups
        .topics_deleted(bench.time(), &BTreeSet::from(["t".into()]));
    bench.take(actions);
    bench.store();
    assert_eq!(bench.committed(under_way), [Ok(())]);
    for bench in [&bench, &bench.reloaded(settings())] {
        assert_eq!(bench.groups.offsets(GROUP).count(), 1);
    }
}

#[test]
fn simple_commits_expire_by_commit_time() {
    let mut bench = Bench::new();
    bench.simple_commit(&[("t", 0, 1, "")]);
    bench.pass(4 * DAY);
    bench.simple_commit(&[("t", 1, 1, "")]);
    bench.pass(4 * DAY);
    expire(&mut bench);
    assert_eq!(
        (fetched(&bench, 0, true), fetched(&bench, 1, true)),
        (None, Some(1))
    );
    bench.pass(3 * DAY);
    expire(&mut bench);
    assert!(bench.groups.is_empty() && bench.reloaded(settings()).groups.is_empty());
}

#[test]
fn a_group_s_offsets_expire_by_when_it_became_empty() {
    let mut bench = Bench::new();
    let ids = bench.stable(&[Client {
        session_ms: 1_800_000,
        ..Client::default()
    }]);
    let waiter = bench.commit_of(
        member(&ids[0], None),
        1,
        &[("t", 0, 1, ""), ("u", 0, 1, "")],
    );
    bench.store();
    bench.committed(waiter);
    for _ in 0..(7 * 24 * 2) {
        bench.pass(1_799_999);
        bench.heartbeat(&ids[0], None, 1).unwrap();
    }
    bench.pass(1_799_999);
    expire(&mut bench);
    let left: Vec<_> = bench
        .groups
        .offsets(GROUP)
        .map(|(topic, ..)| topic.to_string())
        .collect();
    assert_eq!(left, ["t"], "u is not subscribed to, t is");

    bench
        .leave(vec![member(&ids[0], None)])
        .unwrap()
        .remove(0)
        .unwrap();
    bench.store();
    bench.pass(6 * DAY);
    expire(&mut bench);
    assert_eq!(fetched(&bench, 0, true), Some(1));
    let mut other = bench.reloaded(settings());
    for bench in [&mut bench, &mut other] {
        bench.pass(DAY);
        expire(bench);
        assert!(bench.groups.is_empty());
    }
}

#[test]
fn a_client_s_own_retention_counts() {
    let mut bench = Bench::new();
    let waiter = bench.waiter();
    bench.event(Event::Commit(Commit {
        waiter,
        member: member("", None),
        generation: -1,
        retention_ms: Some(1_000),
        offsets: vec![CommitOffset {
            partition: TopicPartition::new("t", 0),
            offset: 1,
            leader_epoch: None,
            metadata: String::new(),
            timestamp: None,
        }],
    }));
    bench.store();
    let mut other = bench.reloaded(settings());
    for bench in [&mut bench, &mut other] {
        bench.pass(999);
        expire(bench);
        assert_eq!(fetched(bench, 0, true), Some(1));
        bench.pass(1);
        expire(bench);
        assert!(bench.groups.is_empty());
    }
}

#[test]
fn unloading_sends_everybody_away() {
    let mut bench = Bench::new();
    let ids = bench.stable(&[Client::default(), Client::default()]);
    let commit = bench.commit_of(member(&ids[0], None), 1, &[("t", 0, 1, "")]);
    let join = bench.join(&Client::named(&ids[0]));
    let actions = bench.groups.unload(bench.time());
    bench.take(actions);
    assert_eq!(
        bench.joined(join).unwrap_err().error,
        GroupError::NotCoordinator
    );
    assert_eq!(bench.committed(commit), [Err(GroupError::NotCoordinator)]);
    assert!(bench.groups.is_empty() && bench.groups.deadline().is_none());
    bench.store();
}
