//! The records of `__consumer_offsets`: whatever is in the log, loading ends, what is understood is
//! understood again when we have written it, and the groups that came of it end by themselves.
//!
//! Input: records, each the length of its key (1 byte), the key, the length of its value (2 bytes,
//! all bits set for a tombstone) and the value.

use std::sync::Arc;

use ottla_group::records::{CommittedOffset, Key, StoredGroup, StoredMember};
use ottla_group::{GroupState, Groups, Now, RecordFormats, Settings};

const FORMATS: RecordFormats = RecordFormats::From2_3;

/// Longer than any session or rebalance timeout can be.
const FOREVER_MS: i64 = 1 << 40;

/// The target.
pub fn run(input: &[u8]) {
    let mut groups = Groups::new(Arc::new(Settings::default()));
    let mut rest = input;
    let mut offset = 0;
    while let Some((key, value)) = record(&mut rest) {
        read_again(key, value.unwrap_or_default());
        let _ = groups.replay(offset, key, value);
        offset += 1;
    }
    groups.loaded(Now { mono: 0, wall: 0 });
    // Nobody joins: each tick takes somebody's session or the wait for it away.
    for round in 1..100 {
        let time = round * FOREVER_MS;
        groups.tick(Now {
            mono: time,
            wall: time,
        });
    }
    let states: Vec<GroupState> = groups.list().map(|group| group.state).collect();
    assert!(
        states.iter().all(|state| *state == GroupState::Empty),
        "{states:?}"
    );
}

/// Takes the next record off the input.
fn record<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let ([length], rest) = input.split_first_chunk::<1>()?;
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let length = u16::from_be_bytes(*length);
    if length == u16::MAX {
        *input = rest;
        return Some((key, None));
    }
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    *input = rest;
    Some((key, Some(value)))
}

fn read_again(key: &[u8], value: &[u8]) {
    if let Ok(key) = Key::decode(key) {
        let written = key.encode().expect("it was short enough");
        assert_eq!(Key::decode(&written), Ok(key));
    }
    if let Ok(offset) = CommittedOffset::decode(value) {
        let written = offset.encode(FORMATS).expect("it was short enough");
        assert_eq!(CommittedOffset::decode(&written), Ok(offset));
    }
    if let Ok(group) = StoredGroup::decode(value) {
        let written = group.encode(FORMATS).expect("it was short enough");
        assert_eq!(StoredGroup::decode(&written), Ok(group));
    }
}

/// An offset and a group in every form that is written, and their tombstones.
pub fn corpus() -> Vec<Vec<u8>> {
    let offset_key = Key::Offset {
        group: "g",
        topic: "t",
        partition: 1,
    };
    let group_key = Key::Group { group: "g" };
    let mut inputs = vec![[input(&offset_key, None), input(&group_key, None)].concat()];
    for formats in [
        RecordFormats::Before0_10_1,
        RecordFormats::From0_10_1,
        RecordFormats::From2_1Iv0,
        RecordFormats::From2_1Iv1,
        RecordFormats::From2_3,
    ] {
        let offset = offset().encode(formats).expect("it is short");
        let group = group().encode(formats).expect("it is short");
        inputs.push(
            [
                input(&offset_key, Some(&offset)),
                input(&group_key, Some(&group)),
            ]
            .concat(),
        );
    }
    inputs
}

fn input(key: &Key<'_>, value: Option<&[u8]>) -> Vec<u8> {
    let key = key.encode().expect("it is short");
    let length = value.map_or(u16::MAX, |value| value.len() as u16);
    let value = value.unwrap_or_default();
    [&[key.len() as u8], &key[..], &length.to_be_bytes(), value].concat()
}

fn offset() -> CommittedOffset {
    CommittedOffset {
        offset: 5,
        leader_epoch: Some(1),
        metadata: "m".into(),
        commit_timestamp: 1,
        expire_timestamp: None,
    }
}

fn group() -> StoredGroup {
    let member = |id: &str, instance: Option<&str>| StoredMember {
        member_id: id.into(),
        instance_id: instance.map(Arc::from),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        subscription: vec![0, 0, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255].into(),
        assignment: vec![1, 2, 3].into(),
    };
    StoredGroup {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("a".into()),
        state_timestamp: Some(1),
        members: vec![member("a", None), member("b", Some("i"))],
    }
}
