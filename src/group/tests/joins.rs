//! Joining and syncing, by all roads.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Bench, Client, member, settings};
use ottla_group::{AppendFailure, GroupError, GroupState, Settings};

#[test]
fn members_join_get_a_leader_and_their_assignment() {
    let mut bench = Bench::new();
    let a = bench.join(&Client::default());
    bench.pass(1_000);
    let b = bench.join(&Client::default());
    assert!(bench.answers.is_empty(), "the first rebalance waits");
    bench.pass(2_000);
    assert!(bench.answers.is_empty(), "a new member extends the wait");
    bench.pass(3_000);
    let (a, b) = (bench.joined(a).unwrap(), bench.joined(b).unwrap());
    assert_eq!((a.generation, b.generation), (1, 1));
    assert_eq!(a.leader, a.member_id);
    assert_eq!(b.leader, a.member_id);
    assert_eq!((a.members.len(), b.members.len()), (2, 0));
    assert_eq!(a.protocol_name.as_deref(), Some("range"));
    assert_eq!(bench.state(), GroupState::CompletingRebalance);

    assert_eq!(bench.heartbeat(&b.member_id, None, 1), Ok(()));
    let sb = bench.sync_with(&b.member_id, 1, &[]);
    let sa = bench.sync_with(
        &a.member_id,
        1,
        &[(&a.member_id, b"for a"), ("stranger", b"x")],
    );
    assert!(bench.answers.is_empty(), "not before it is stored");
    bench.store();
    assert_eq!(bench.synced(sa).unwrap().assignment, "for a");
    assert_eq!(bench.synced(sb).unwrap().assignment, "");
    assert_eq!(bench.state(), GroupState::Stable);
}

#[test]
fn new_dynamic_members_are_sent_back_for_their_id() {
    let mut bench = Bench::new();
    let client = Client {
        version: 4,
        ..Client::default()
    };
    let first = bench.join(&client);
    let refused = bench.joined(first).unwrap_err();
    assert_eq!(refused.error, GroupError::MemberIdRequired);
    assert_eq!(&*refused.member_id, "c-uuid1");
    let again = bench.join(&Client {
        member_id: refused.member_id.to_string(),
        ..client.clone()
    });
    bench.pass(3_000);
    assert_eq!(bench.joined(again).unwrap().member_id, refused.member_id);

    // An id that is not used lapses, and till then a rebalance waits for it.
    let lost = bench.join(&client);
    let lost = bench.joined(lost).unwrap_err().member_id;
    bench.pass(10_000);
    let late = bench.join(&Client::named(&lost));
    assert_eq!(
        bench.joined(late).unwrap_err().error,
        GroupError::UnknownMemberId
    );
}

#[test]
fn what_no_group_takes() {
    fn check(client: Client, error: GroupError, member_id: &str) {
        let mut bench = Bench::new();
        let waiter = bench.join(&client);
        let refused = bench.joined(waiter).unwrap_err();
        assert_eq!((refused.error, &*refused.member_id), (error, member_id));
        assert!(bench.groups.is_empty(), "no trace is left");
    }
    let client = Client::default;
    let short = |session_ms| Client {
        session_ms,
        ..client()
    };
    check(short(5_999), GroupError::InvalidSessionTimeout, "");
    check(short(1_800_001), GroupError::InvalidSessionTimeout, "");
    check(Client::named("x"), GroupError::UnknownMemberId, "x");
    let nothing = Client {
        protocols: Vec::new(),
        ..client()
    };
    check(nothing, GroupError::InconsistentGroupProtocol, "");
    let no_type = Client {
        protocol_type: "",
        ..client()
    };
    check(no_type, GroupError::InconsistentGroupProtocol, "");
}

#[test]
fn what_a_group_with_members_refuses() {
    fn check(client: impl Fn(&[String]) -> Client, error: GroupError) {
        let mut bench = Bench::new();
        let ids = bench.stable(&[Client::fixed("one", 5), Client::default()]);
        let waiter = bench.join(&client(&ids));
        assert_eq!(bench.joined(waiter).unwrap_err().error, error);
        assert_eq!(bench.state(), GroupState::Stable);
    }
    check(|_| Client::named("x"), GroupError::UnknownMemberId);
    let connect = |_: &[String]| Client {
        protocol_type: "connect",
        ..Client::default()
    };
    check(connect, GroupError::InconsistentGroupProtocol);
    let other = |_: &[String]| Client {
        protocols: vec![("sticky", b"")],
        ..Client::default()
    };
    check(other, GroupError::InconsistentGroupProtocol);
    let fenced = |_: &[String]| Client {
        member_id: "old".into(),
        ..Client::fixed("one", 5)
    };
    check(fenced, GroupError::FencedInstanceId);
    let two = |ids: &[String]| Client {
        member_id: ids[0].clone(),
        ..Client::fixed("two", 5)
    };
    check(two, GroupError::UnknownMemberId);
}

#[test]
fn a_full_group_takes_nobody() {
    let mut bench = Bench::with(Settings {
        max_size: 2,
        ..settings()
    });
    let ids = bench.stable(&[Client::default(), Client::default()]);
    let third = bench.join(&Client::default());
    let refused = bench.joined(third).unwrap_err();
    assert_eq!(refused.error, GroupError::GroupMaxSizeReached);
    // Members may join again.
    let leader = bench.join(&Client::named(&ids[0]));
    let other = bench.join(&Client::named(&ids[1]));
    assert_eq!(bench.joined(leader).unwrap().generation, 2);
    assert_eq!(bench.joined(other).unwrap().generation, 2);
}

#[test]
fn the_protocol_with_most_votes_wins() {
    let mut bench = Bench::new();
    let with = |protocols: Vec<(&'static str, &'static [u8])>| Client {
        protocols,
        ..Client::default()
    };
    let a = bench.join(&with(vec![("a", b""), ("b", b""), ("only", b"")]));
    let b = bench.join(&with(vec![("b", b"1"), ("a", b"2")]));
    let c = bench.join(&with(vec![("b", b"3"), ("a", b"4")]));
    bench.pass(6_000);
    for waiter in [a, b, c] {
        assert_eq!(
            bench.joined(waiter).unwrap().protocol_name.as_deref(),
            Some("b")
        );
    }
}

#[test]
fn a_rebalance_ends_when_all_joined_or_at_the_timeout() {
    let mut bench = Bench::new();
    let ids = bench.stable(&[Client::default(), Client::default()]);
    let leader = bench.join(&Client::named(&ids[0]));
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    assert_eq!(
        bench.heartbeat(&ids[1], None, 1),
        Err(GroupError::RebalanceInProgress)
    );
    // The other one lives but does not join.
    for _ in 0..59 {
        bench.pass(1_000);
        let _ = bench.heartbeat(&ids[1], None, 1);
    }
    bench.pass(1_000);
    let joined = bench.joined(leader).unwrap();
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
    assert_eq!(
        bench.heartbeat(&ids[1], None, 1),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn rejoining_without_news_gets_the_current_generation() {
    let mut bench = Bench::new();
    let ids = bench.stable(&[Client::default(), Client::default()]);
    let follower = bench.join(&Client::named(&ids[1]));
    assert_eq!(bench.joined(follower).unwrap().generation, 1);
    assert_eq!(bench.state(), GroupState::Stable);
    let changed = Client {
        protocols: vec![("range", b"new")],
        ..Client::named(&ids[1])
    };
    bench.join(&changed);
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
}

#[test]
fn who_does_not_sync_goes() {
    let mut bench = Bench::new();
    let a = bench.join(&Client::default());
    let b = bench.join(&Client::default());
    bench.pass(6_000);
    let (a, b) = (bench.joined(a).unwrap(), bench.joined(b).unwrap());
    let waiting = bench.sync_with(&b.member_id, 1, &[]);
    for _ in 0..59 {
        bench.pass(1_000);
        assert_eq!(bench.heartbeat(&a.member_id, None, 1), Ok(()));
    }
    bench.pass(1_000);
    assert_eq!(bench.synced(waiting), Err(GroupError::RebalanceInProgress));
    assert_eq!(
        bench.heartbeat(&a.member_id, None, 1),
        Err(GroupError::UnknownMemberId)
    );
    let again = bench.join(&Client::named(&b.member_id));
    assert_eq!(bench.joined(again).unwrap().leader, b.member_id);
}

#[test]
fn a_failed_store_of_the_assignment_is_told_and_the_group_rebalances() {
    fn check(failure: AppendFailure, error: GroupError) {
        let mut bench = Bench::new();
        let a = bench.join(&Client::default());
        bench.pass(3_000);
        let a = bench.joined(a).unwrap();
        let sync = bench.sync_with(&a.member_id, 1, &[(&a.member_id, b"x")]);
        bench.fail(failure);
        assert_eq!(bench.synced(sync), Err(error));
        assert_eq!(bench.state(), GroupState::PreparingRebalance);
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
    check(AppendFailure::TimedOut, GroupError::RebalanceInProgress);
    check(AppendFailure::TooLarge, GroupError::UnknownServerError);
    check(AppendFailure::Other, GroupError::UnknownServerError);
}

#[test]
fn silent_members_go_and_the_last_one_leaves_an_empty_group() {
    let mut bench = Bench::new();
    let ids = bench.stable(&[Client::default(), Client::default()]);
    for _ in 0..10 {
        bench.pass(1_000);
        let _ = bench.heartbeat(&ids[0], None, 1);
    }
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    bench.pass(10_000);
    assert_eq!(bench.state(), GroupState::Empty);
    bench.store();
    assert_eq!(bench.log.len(), 2, "the assignment and the empty group");
    assert_eq!(
        bench.heartbeat(&ids[0], None, 2),
        Err(GroupError::UnknownMemberId)
    );
    let gone = bench.leave(vec![member(&ids[0], None)]).unwrap();
    assert_eq!(gone, [Err(GroupError::UnknownMemberId)]);
}

#[test]
fn leaving() {
    let mut bench = Bench::new();
    let ids = bench.stable(&[Client::fixed("one", 5), Client::default()]);
    let left = bench.leave(vec![
        member("", Some("one")),
        member("", Some("none")),
        member("nobody", None),
    ]);
    let unknown = Err(GroupError::UnknownMemberId);
    assert_eq!(left.unwrap(), [Ok(()), unknown, unknown]);
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    let dynamic = ids.iter().find(|id| id.starts_with("c-")).unwrap();
    assert_eq!(bench.leave(vec![member(dynamic, None)]).unwrap(), [Ok(())]);
    assert_eq!(bench.state(), GroupState::Empty);
}
