//! Taking groups over from the log.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Bench, Client, GROUP, member, settings};
use ottla_group::records::{Key, Replayed, StoredGroup, StoredMember};
use ottla_group::{GroupError, GroupState, Groups, RecordFormats, Settings};

fn load(groups: &mut Groups, values: &[Option<&StoredGroup>]) {
    let key = Key::Group { group: GROUP }.encode().unwrap();
    for (offset, value) in values.iter().enumerate() {
        let value = value.map(|value| value.encode(RecordFormats::From2_3).unwrap());
        let taken = groups.replay(offset as i64, &key, value.as_deref());
        assert_eq!(taken, Ok(Replayed::Taken));
    }
}

fn stored_member(id: &str, instance: Option<&str>) -> StoredMember {
    StoredMember {
        member_id: id.into(),
        instance_id: instance.map(Arc::from),
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout_ms: 1_000,
        session_timeout_ms: 6_000,
        subscription: Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff"),
        assignment: Bytes::from_static(b"a"),
    }
}

fn stored(members: Vec<StoredMember>) -> StoredGroup {
    StoredGroup {
        protocol_type: "consumer".into(),
        generation: 5,
        protocol: Some("range".into()),
        leader: Some("b".into()),
        state_timestamp: Some(1),
        members,
    }
}

#[test]
fn members_go_on_in_a_stable_group_and_time_out_from_now() {
    let mut bench = Bench::new();
    let group = stored(vec![
        stored_member("a", None),
        stored_member("b", Some("i")),
    ]);
    load(&mut bench.groups, &[None, Some(&group)]);
    let actions = bench.groups.loaded(bench.time());
    assert!(actions.is_empty());
    let described = bench.groups.describe(GROUP);
    assert_eq!(described.state, GroupState::Stable);
    assert_eq!(
        (&*described.protocol_type, &*described.protocol),
        ("consumer", "range")
    );
    assert_eq!(described.members[1].instance_id.as_deref(), Some("i"));
    assert_eq!(described.members[1].assignment, "a");
    assert_eq!(bench.heartbeat("a", None, 5), Ok(()));
    let sync = bench.sync_with("a", 5, &[]);
    assert_eq!(bench.synced(sync).unwrap().assignment, "a");
    // The leader that was stored still is.
    let rejoin = bench.join(&Client {
        member_id: "b".into(),
        protocols: vec![("range", b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff")],
        ..Client::fixed("i", 5)
    });
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    bench.pass(6_000);
    assert_eq!(bench.joined(rejoin).unwrap().generation, 6);
}

#[test]
fn a_group_without_members_is_empty_and_a_removed_one_is_not_there() {
    let mut bench = Bench::new();
    load(&mut bench.groups, &[Some(&stored(Vec::new()))]);
    bench.groups.loaded(bench.time());
    assert_eq!(bench.state(), GroupState::Empty);

    let mut bench = Bench::new();
    load(&mut bench.groups, &[Some(&stored(Vec::new())), None]);
    bench.groups.loaded(bench.time());
    assert_eq!(bench.state(), GroupState::Dead);
    assert_eq!(
        bench.heartbeat("a", None, 5),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn offsets_survive_the_tombstone_of_their_group() {
    let mut bench = Bench::new();
    bench.simple_commit(&[("t", 0, 1, "")]);
    let mut other = Bench::new();
    for record in &bench.log {
        let value = record.value.as_deref();
        other.groups.replay(0, &record.key, value).unwrap();
    }
    let key = Key::Group { group: GROUP }.encode().unwrap();
    other.groups.replay(1, &key, None).unwrap();
    other.groups.loaded(other.time());
    assert_eq!(other.state(), GroupState::Empty);
    assert_eq!(other.groups.offsets(GROUP).count(), 1);
}

#[test]
fn a_group_that_is_too_large_rebalances() {
    let mut bench = Bench::with(Settings {
        max_size: 1,
        ..settings()
    });
    load(
        &mut bench.groups,
        &[Some(&stored(vec![
            stored_member("a", None),
            stored_member("b", None),
        ]))],
    );
    bench.groups.loaded(bench.time());
    assert_eq!(bench.state(), GroupState::PreparingRebalance);
    let first = bench.join(&Client::named("a"));
    let second = bench.join(&Client::named("b"));
    assert_eq!(
        bench.joined(second).unwrap_err().error,
        GroupError::GroupMaxSizeReached
    );
    assert_eq!(bench.joined(first).unwrap().members.len(), 1);
}

#[test]
fn what_makes_no_sense_in_a_record_does_no_harm() {
    fn check(spoil: impl Fn(&mut StoredGroup), state: GroupState, members: usize) {
        let mut group = stored(vec![
            stored_member("a", Some("i")),
            stored_member("b", None),
        ]);
        spoil(&mut group);
        let mut bench = Bench::new();
        load(&mut bench.groups, &[Some(&group)]);
        bench.groups.loaded(bench.time());
        let described = bench.groups.describe(GROUP);
        assert_eq!((described.state, described.members.len()), (state, members));
        bench.pass(10_000_000);
        bench.store();
        assert_eq!(bench.state(), GroupState::Empty);
    }
    check(|group| group.leader = None, GroupState::Stable, 2);
    check(
        |group| group.leader = Some("x".into()),
        GroupState::Stable,
        2,
    );
    check(|group| group.protocol = None, GroupState::Stable, 2);
    check(
        |group| group.protocol_type = "".into(),
        GroupState::Stable,
        2,
    );
    check(|group| group.generation = -9, GroupState::Stable, 2);
    check(|group| group.generation = i32::MAX, GroupState::Stable, 2);
    check(
        |group| group.members[0].member_id = "b".into(),
        GroupState::Stable,
        1,
    );
    check(
        |group| group.members[1].instance_id = Some("i".into()),
        GroupState::Stable,
        1,
    );
    check(
        |group| group.members[0].session_timeout_ms = -1,
        GroupState::Stable,
        2,
    );
    check(
        |group| group.members[0].rebalance_timeout_ms = i32::MIN,
        GroupState::Stable,
        2,
    );
    check(
        |group| group.members[0].subscription = Bytes::new(),
        GroupState::Stable,
        2,
    );
}

#[test]
fn unknown_keys_are_skipped_and_broken_values_change_nothing() {
    let mut bench = Bench::new();
    bench.simple_commit(&[("t", 0, 1, "")]);
    let mut groups = Groups::new(Arc::new(settings()));
    let record = &bench.log[0];
    groups
        .replay(0, &record.key, record.value.as_deref())
        .unwrap();
    assert_eq!(
        groups.replay(1, &[0, 9, 1], Some(&[])),
        Ok(Replayed::UnknownKey(9))
    );
    assert!(groups.replay(2, &record.key, Some(&[0, 3, 1])).is_err());
    assert!(groups.replay(3, &[0], None).is_err());
    groups.loaded(bench.time());
    assert_eq!(groups.offsets(GROUP).count(), 1);
}

#[test]
fn ids_too_long_for_the_records_are_refused_not_fatal() {
    let mut bench = Bench::new();
    let huge = "x".repeat(40_000);
    let a = bench.join(&Client {
        protocol_type: "consumer",
        ..Client::default()
    });
    bench.pass(3_000);
    let a = bench.joined(a).unwrap();
    bench
        .leave(vec![member(&a.member_id, None)])
        .unwrap()
        .remove(0)
        .unwrap();
    let waiter = bench.commit_of(member("", None), -1, &[(&huge, 0, 1, "")]);
    bench.store();
    assert_eq!(
        bench.committed(waiter),
        [Err(GroupError::InvalidCommitOffsetSize)]
    );
}
