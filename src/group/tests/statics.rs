//! Static members (KIP-345): coming back, being fenced, and what is stored of it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Bench, Client, member};
use ottla_group::{AppendFailure, GroupError, GroupState};

/// A stable group of "one" (the leader) and "two".
fn pair() -> (Bench, String, String) {
    let mut bench = Bench::new();
    let ids = bench.stable(&[Client::fixed("one", 5), Client::fixed("two", 5)]);
    (bench, ids[0].clone(), ids[1].clone())
}

#[test]
fn a_static_member_restarts_without_a_rebalance() {
    let (mut bench, one, two) = pair();
    let back = bench.join(&Client::fixed("two", 9));
    assert!(bench.answers.is_empty(), "not before its new id is stored");
    bench.store();
    let joined = bench.joined(back).unwrap();
    assert_eq!((joined.generation, &*joined.leader), (1, &*one));
    assert!(!joined.skip_assignment && joined.members.is_empty());
    assert_eq!(bench.state(), GroupState::Stable);
    let sync = bench.sync_with(&joined.member_id, 1, &[]);
    assert_eq!(bench.synced(sync).unwrap().assignment, "assigned");
    let fenced = bench.heartbeat(&two, Some("two"), 1);
    assert_eq!(fenced, Err(GroupError::FencedInstanceId));
    assert_eq!(
        bench.heartbeat(&two, None, 1),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(bench.heartbeat(&joined.member_id, Some("two"), 1), Ok(()));
    // A coordinator that takes over knows the new id.
    let mut other = bench.reloaded(common::settings());
    assert_eq!(other.heartbeat(&joined.member_id, Some("two"), 1), Ok(()));
}

#[test]
fn a_leader_that_restarts_does_not_assign() {
    let (mut bench, one, _) = pair();
    let old_client = bench.join(&Client::fixed("one", 8));
    bench.store();
    let joined = bench.joined(old_client).unwrap();
    assert_eq!(&*joined.leader, &*one, "the old id: it shall not assign");
    assert!(joined.members.is_empty() && !joined.skip_assignment);

    let new_client = bench.join(&Client::fixed("one", 9));
    bench.store();
    let joined = bench.joined(new_client).unwrap();
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.members.len(), 2);
    assert!(joined.skip_assignment);
}

#[test]
fn a_restart_that_is_not_stored_is_taken_back() {
    let (mut bench, _, two) = pair();
    let back = bench.join(&Client::fixed("two", 9));
    bench.fail(AppendFailure::NotEnoughReplicas);
    let refused = bench.joined(back).unwrap_err();
    assert_eq!(refused.error, GroupError::CoordinatorNotAvailable);
    assert_eq!(&*refused.member_id, "");
    assert_eq!(bench.heartbeat(&two, Some("two"), 1), Ok(()));
}

#[test]
fn a_restart_with_another_choice_of_protocol_rebalances() {
    let mut bench = Bench::new();
    let both = |first: &'static str, second: &'static str| Client {
        protocols: vec![(first, b""), (second, b"")],
        ..Client::fixed("one", 5)
    };
    bench.stable(&[both("a", "b")]);
    bench.join(&both("b", "a"));
    // It is alone, so the rebalance is over at once.
    assert_eq!(bench.state(), GroupState::CompletingRebalance);
}

#[test]
fn whoever_waits_under_an_id_taken_over_is_fenced() {
    let (mut bench, one, _) = pair();
    let leader = bench.join(&Client {
        member_id: one,
        ..Client::fixed("one", 5)
    });
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    let again = bench.join(&Client::fixed("one", 5));
    let fenced = bench.joined(leader).unwrap_err();
    assert_eq!(fenced.error, GroupError::FencedInstanceId);
    let two = bench.join(&Client::fixed("two", 5));
    let (again, two) = (bench.joined(again).unwrap(), bench.joined(two).unwrap());
    assert_eq!((again.generation, two.generation), (2, 2));

    // In sync: the leader has the old id in its list, so the group rebalances.
    let sync = bench.sync_with(&two.member_id, 2, &[]);
    bench.join(&Client::fixed("two", 5));
    assert_eq!(bench.synced(sync), Err(GroupError::FencedInstanceId));
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
}

#[test]
fn static_members_that_do_not_join_stay_till_their_session_ends() {
    let mut bench = Bench::new();
    let quick = |instance| Client {
        rebalance_ms: 6_000,
        ..Client::fixed(instance, 5)
    };
    let ids = bench.stable(&[quick("one"), quick("two")]);
    let leader = bench.join(&Client {
        member_id: ids[0].clone(),
        ..quick("one")
    });
    bench.pass(6_000);
    let joined = bench.joined(leader).unwrap();
    assert_eq!((joined.generation, joined.members.len()), (2, 2));

    // Nobody of all joins: the wait goes on till the sessions end.
    bench.join(&Client {
        protocols: vec![("range", b"2")],
        member_id: ids[0].clone(),
        ..quick("one")
    });
    bench
        .leave(vec![member("", Some("one"))])
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    bench.pass(6_000);
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    bench.pass(6_000);
    assert_eq!(bench.state(), GroupState::Empty);
}

#[test]
fn a_rebalance_that_begins_while_a_restart_is_stored_answers_it() {
    let (mut bench, one, _) = pair();
    let back = bench.join(&Client::fixed("two", 9));
    let leader = bench.join(&Client {
        member_id: one,
        ..Client::fixed("one", 9)
    });
    let joined = bench.joined(back).unwrap();
    assert_eq!(joined.generation, 2, "it has joined the next generation");
    bench.joined(leader).unwrap();
    bench.store();
    assert_eq!(bench.state(), GroupState::CompletingRebalance);
}
