//! The stored forms, byte by byte, and whatever else may be found in the log.

#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use ottla_group::RecordFormats::{self, *};
use ottla_group::partition_for;
use ottla_group::records::{CommittedOffset, DecodeError, Key, StoredGroup, StoredMember};
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn groups_live_where_kafka_looks_for_them() {
    fn check(group: &str, partitions: i32, want: i32) {
        assert_eq!(partition_for(group, partitions), want, "{group}");
    }
    check("", 50, 0);
    check("a", 50, 97 % 50);
    check("hello", 50, 99_162_322 % 50);
    // Java: "polygenelubricants".hashCode() == Integer.MIN_VALUE
    check("polygenelubricants", 50, 0);
    // UTF-16 units: "\uD83D\uDE00".hashCode() == 1772899
    check("😀", 50, 1_772_899 % 50);
    check("x", 0, 0);
}

#[test]
fn keys() {
    fn check(hex: &str, key: Key<'_>) {
        assert_eq!(key.encode().unwrap(), bytes(hex));
        assert_eq!(Key::decode(&bytes(hex)), Ok(key));
    }
    let offset = Key::Offset {
        group: "g",
        topic: "to",
        partition: 7,
    };
    check("0001 0001 67 0002 746f 00000007", offset);
    check("0002 0001 67", Key::Group { group: "g" });
    check("0003", Key::Unknown(3));
    assert_eq!(
        Key::decode(&bytes("0000 0001 67 0002 746f 00000007")),
        Ok(offset)
    );
    for malformed in [
        "",
        "00",
        "0001",
        "0002 0002 67",
        "0002 ffff",
        "0002 0001 ff",
        "0001 0001 67 0001 74 0000",
    ] {
        let want = Err(DecodeError::Malformed("key"));
        assert_eq!(Key::decode(&bytes(malformed)), want, "{malformed}");
    }
    assert!(
        Key::Group {
            group: &"x".repeat(40_000)
        }
        .encode()
        .is_err()
    );
}

fn offset(leader_epoch: Option<i32>, expire_timestamp: Option<i64>) -> CommittedOffset {
    CommittedOffset {
        offset: 5,
        leader_epoch,
        metadata: "m".into(),
        commit_timestamp: 6,
        expire_timestamp,
    }
}

#[test]
fn offset_values() {
    fn check(formats: RecordFormats, value: &CommittedOffset, hex: &str, read: &CommittedOffset) {
        assert_eq!(value.encode(formats).unwrap(), bytes(hex));
        assert_eq!(CommittedOffset::decode(&bytes(hex)).as_ref(), Ok(read));
    }
    let (full, none, expires) = (
        offset(Some(4), None),
        offset(None, None),
        offset(None, Some(9)),
    );
    let v1 = "0001 0000000000000005 0001 6d 0000000000000006 ffffffffffffffff";
    check(Before0_10_1, &full, v1, &none);
    check(From0_10_1, &full, v1, &none);
    check(
        From2_1Iv0,
        &full,
        "0002 0000000000000005 0001 6d 0000000000000006",
        &none,
    );
    let v3 = "0003 0000000000000005 00000004 0001 6d 0000000000000006";
    check(From2_1Iv1, &full, v3, &full);
    check(From2_3, &full, v3, &full);
    let none_v3 = "0003 0000000000000005 ffffffff 0001 6d 0000000000000006";
    check(From2_3, &none, none_v3, &none);
    let expiring = "0001 0000000000000005 0001 6d 0000000000000006 0000000000000009";
    check(From2_3, &expires, expiring, &expires);
    for (hex, read) in [
        ("0000 0000000000000005 0001 6d 0000000000000006", &none),
        (
            "0004 0000000000000005 00000004 02 6d 0000000000000006 00",
            &full,
        ),
        (
            "0004 0000000000000005 00000004 02 6d 0000000000000006 01 05 02 aabb",
            &full,
        ),
    ] {
        assert_eq!(CommittedOffset::decode(&bytes(hex)).as_ref(), Ok(read));
    }
    let unknown = CommittedOffset::decode(&bytes("0005"));
    assert!(matches!(
        unknown,
        Err(DecodeError::UnknownVersion { version: 5, .. })
    ));
}

fn group() -> StoredGroup {
    StoredGroup {
        protocol_type: "c".into(),
        generation: 2,
        protocol: Some("r".into()),
        leader: Some("m".into()),
        state_timestamp: Some(3),
        members: vec![StoredMember {
            member_id: "m".into(),
            instance_id: Some("i".into()),
            client_id: "k".into(),
            client_host: "/h".into(),
            rebalance_timeout_ms: 4,
            session_timeout_ms: 5,
            subscription: Bytes::from_static(b"s"),
            assignment: Bytes::from_static(b""),
        }],
    }
}

#[test]
fn group_values() {
    fn check(formats: RecordFormats, hex: &str, forgets: impl Fn(&mut StoredGroup)) {
        let mut read = group();
        forgets(&mut read);
        assert_eq!(group().encode(formats).unwrap(), bytes(hex));
        assert_eq!(StoredGroup::decode(&bytes(hex)), Ok(read));
    }
    let head = "0001 63 00000002 0001 72 0001 6d";
    let tail = "00000005 00000001 73 00000000";
    let v0 = format!("0000 {head} 00000001 0001 6d 0001 6b 0002 2f68 {tail}");
    check(Before0_10_1, &v0, |group| {
        group.state_timestamp = None;
        group.members[0].instance_id = None;
        group.members[0].rebalance_timeout_ms = 5;
    });
    let v1 = format!("0001 {head} 00000001 0001 6d 0001 6b 0002 2f68 00000004 {tail}");
    check(From0_10_1, &v1, |group| {
        group.state_timestamp = None;
        group.members[0].instance_id = None;
    });
    let v2 =
        format!("0002 {head} 0000000000000003 00000001 0001 6d 0001 6b 0002 2f68 00000004 {tail}");
    check(From2_1Iv0, &v2, |group| group.members[0].instance_id = None);
    check(From2_1Iv1, &v2, |group| group.members[0].instance_id = None);
    let v3 = format!(
        "0003 {head} 0000000000000003 00000001 0001 6d 0001 69 0001 6b 0002 2f68 00000004 {tail}"
    );
    check(From2_3, &v3, |_| {});
    let v4 = "0004 02 63 00000002 02 72 02 6d 0000000000000003 02
              02 6d 02 69 02 6b 03 2f68 00000004 00000005 02 73 01 00 00";
    assert_eq!(StoredGroup::decode(&bytes(v4)), Ok(group()));
}

#[test]
fn an_empty_group_s_value() {
    let empty = StoredGroup {
        generation: 3,
        protocol_type: "c".into(),
        ..StoredGroup::default()
    };
    let hex = "0003 0001 63 00000003 ffff ffff ffffffffffffffff 00000000";
    assert_eq!(empty.encode(From2_3).unwrap(), bytes(hex));
    assert_eq!(StoredGroup::decode(&bytes(hex)), Ok(empty));
}

#[test]
fn a_count_of_members_is_only_a_claim() {
    let hex = "0003 0001 63 00000003 ffff ffff ffffffffffffffff 7fffffff";
    let malformed = Err(DecodeError::Malformed("GroupMetadataValue"));
    assert_eq!(StoredGroup::decode(&bytes(hex)), malformed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_bytes_are_refused_or_read(version in -1..6i16, tail in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend(tail);
        let _ = Key::decode(&bytes);
        let _ = CommittedOffset::decode(&bytes);
        let _ = StoredGroup::decode(&bytes);
    }

    #[test]
    fn damaged_values_are_refused_or_read(at in 0..60usize, with in any::<u8>(), cut in 0..60usize, flexible in any::<bool>()) {
        let mut bytes = group().encode(From2_3).unwrap().to_vec();
        if flexible {
            bytes[1] = 4;
        }
        if let Some(byte) = bytes.get_mut(at) {
            *byte = with;
        }
        bytes.truncate(cut);
        let _ = StoredGroup::decode(&bytes);
    }
}
