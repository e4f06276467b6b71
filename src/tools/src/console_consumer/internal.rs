//! How the records of `__consumer_offsets` are printed: `OffsetsMessageFormatter` and
//! `GroupMetadataMessageFormatter`, each as in 3.9 and as before.

use std::io;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ottla_group::records::{CommittedOffset, Key, StoredGroup, StoredMember};
use serde::Serialize;
use serde_json::ser::CharEscape;
use serde_json::{Map, Value, json};

/// Versions that values are read in.
const VALUE_VERSIONS: std::ops::RangeInclusive<i16> = 0..=4;

/// Which records are printed; the others are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Offsets,
    Groups,
}

/// One record in JSON, as in 3.9: no line end comes after it.
pub(super) fn json(
    wanted: Wanted,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let key = match key {
        None => Value::Null,
        Some(key) => {
            let data = match (Key::decode(key)?, wanted) {
                (
                    Key::Offset {
                        group,
                        topic,
                        partition,
                    },
                    Wanted::Offsets,
                ) => json!({"group": group, "topic": topic, "partition": partition}),
                (Key::Group { group }, Wanted::Groups) => json!({"group": group}),
                (Key::Unknown(_), _) => json!("unknown"),
                (Key::Offset { .. } | Key::Group { .. }, _) => return Ok(()),
            };
            json!({"version": version(key)?, "data": data})
        }
    };
    let value = match value {
        None => Value::Null,
        Some(value) => {
            let version = version(value)?;
            let data = match wanted {
                _ if !VALUE_VERSIONS.contains(&version) => json!("unknown"),
                Wanted::Offsets => offset_json(&CommittedOffset::decode(value)?, version),
                Wanted::Groups => group_json(&StoredGroup::decode(value)?, version),
            };
            json!({"version": version, "data": data})
        }
    };
    let record = json!({"key": key, "value": value});
    record.serialize(&mut serde_json::Serializer::with_formatter(out, Jackson))?;
    Ok(())
}

/// Keys and values begin with their version.
fn version(bytes: &[u8]) -> Result<i16> {
    let first = bytes.first_chunk().context("no version")?;
    Ok(i16::from_be_bytes(*first))
}

fn offset_json(committed: &CommittedOffset, version: i16) -> Value {
    let mut fields = Map::new();
    fields.insert("offset".into(), committed.offset.into());
    if version >= 3 {
        let epoch = committed.leader_epoch.unwrap_or(-1);
        fields.insert("leaderEpoch".into(), epoch.into());
    }
    fields.insert("metadata".into(), (*committed.metadata).into());
    fields.insert("commitTimestamp".into(), committed.commit_timestamp.into());
    if version == 1 {
        let expiry = committed.expire_timestamp.unwrap_or(-1);
        fields.insert("expireTimestamp".into(), expiry.into());
    }
    fields.into()
}

fn group_json(group: &StoredGroup, version: i16) -> Value {
    let mut fields = Map::new();
    fields.insert("protocolType".into(), (*group.protocol_type).into());
    fields.insert("generation".into(), group.generation.into());
    fields.insert("protocol".into(), group.protocol.as_deref().into());
    fields.insert("leader".into(), group.leader.as_deref().into());
    if version >= 2 {
        let since = group.state_timestamp.unwrap_or(-1);
        fields.insert("currentStateTimestamp".into(), since.into());
    }
    let members = group.members.iter().map(|m| member_json(m, version));
    fields.insert("members".into(), members.collect());
    fields.into()
}

fn member_json(member: &StoredMember, version: i16) -> Value {
    let mut fields = Map::new();
    fields.insert("memberId".into(), (*member.member_id).into());
    if version >= 3 {
        let instance = member.instance_id.as_deref();
        fields.insert("groupInstanceId".into(), instance.into());
    }
    fields.insert("clientId".into(), (*member.client_id).into());
    fields.insert("clientHost".into(), (*member.client_host).into());
    if version >= 1 {
        fields.insert(
            "rebalanceTimeout".into(),
            member.rebalance_timeout_ms.into(),
        );
    }
    fields.insert("sessionTimeout".into(), member.session_timeout_ms.into());
    for (name, bytes) in [
        ("subscription", &member.subscription),
        ("assignment", &member.assignment),
    ] {
        fields.insert(name.into(), BASE64.encode(bytes).into());
    }
    fields.into()
}

/// JSON without blanks, control characters in upper-case hexadecimal.
struct Jackson;

impl serde_json::ser::Formatter for Jackson {
    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(out, "\\u{byte:04X}"),
            common => serde_json::ser::CompactFormatter.write_char_escape(out, common),
        }
    }
}

/// One record as a line, the way of the classes within `GroupMetadataManager`.
pub(super) fn classic(
    wanted: Wanted,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    let line = match (Key::decode(key)?, wanted) {
        (
            Key::Offset {
                group,
                topic,
                partition,
            },
            Wanted::Offsets,
        ) => {
            let value = value.map(CommittedOffset::decode).transpose()?;
            let value = value.map_or_else(|| "NULL".to_owned(), |v| offset_text(&v));
            format!("[{group},{topic},{partition}]::{value}\n")
        }
        (Key::Group { group }, Wanted::Groups) => {
            let value = value.map(StoredGroup::decode).transpose()?;
            let value = value.map_or_else(|| "NULL".to_owned(), |v| group_text(group, &v));
            format!("{group}::{value}\n")
        }
        _ => return Ok(()),
    };
    out.extend_from_slice(line.as_bytes());
    Ok(())
}

fn offset_text(committed: &CommittedOffset) -> String {
    let epoch = match committed.leader_epoch {
        Some(epoch) => format!("Optional[{epoch}]"),
        None => "Optional.empty".to_owned(),
    };
    format!(
        "OffsetAndMetadata(offset={}, leaderEpoch={epoch}, metadata={}, commitTimestamp={}, expireTimestamp={})",
        committed.offset,
        committed.metadata,
        committed.commit_timestamp,
        option_text(committed.expire_timestamp)
    )
}

fn group_text(id: &str, group: &StoredGroup) -> String {
    let protocol_type = Some(&*group.protocol_type).filter(|t| !t.is_empty());
    let state = if group.members.is_empty() {
        "Empty"
    } else {
        "Stable"
    };
    let protocol = group.protocol.as_deref().unwrap_or("null");
    let members = in_scala_order(&group.members).into_iter().map(|member| {
        format!(
            "{id} -> MemberMetadata(memberId={id}, groupInstanceId={}, clientId={}, clientHost={}, \
             sessionTimeoutMs={}, rebalanceTimeoutMs={}, supportedProtocols=List({protocol}))",
            option_text(member.instance_id.as_deref()),
            member.client_id,
            member.client_host,
            member.session_timeout_ms,
            member.rebalance_timeout_ms,
            id = member.member_id,
        )
    });
    format!(
        "GroupMetadata(groupId={id}, generation={}, protocolType={}, currentState={state}, members=HashMap({}))",
        group.generation,
        option_text(protocol_type),
        members.collect::<Vec<_>>().join(", ")
    )
}

fn option_text(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "None".to_owned(), |v| format!("Some({v})"))
}

/// The members in the order of Scala's mutable `HashMap` by member id.
fn in_scala_order(members: &[StoredMember]) -> Vec<&StoredMember> {
    let mut slots = 16;
    while members.len() >= slots / 4 * 3 {
        slots *= 2;
    }
    let mut sorted: Vec<&StoredMember> = members.iter().collect();
    sorted.sort_by_cached_key(|member| {
        let units = member.member_id.encode_utf16();
        let hash = units.fold(0u32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(u32::from(unit))
        });
        let spread = hash ^ (hash >> 16);
        // Within a slot Java's signed order counts.
        (spread as usize & (slots - 1), spread ^ (1 << 31))
    });
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    type Print = fn(Wanted, Option<&[u8]>, Option<&[u8]>, &mut Vec<u8>) -> Result<()>;

    fn printed(print: Print, wanted: Wanted, key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        let mut out = Vec::new();
        print(wanted, key, value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const OFFSET_KEY: &[u8] = b"\0\x01\0\x01g\0\x01t\0\0\0\x02";
    const GROUP_KEY: &[u8] = b"\0\x02\0\x01g";
    const OFFSET_1: &[u8] =
        b"\0\x01\0\0\0\0\0\0\0\x05\0\x01\x1f\0\0\0\0\0\0\0\x63\0\0\0\0\0\0\0\x64";
    const OFFSET_3: &[u8] = b"\0\x03\0\0\0\0\0\0\0\x05\0\0\0\x07\0\0\0\0\0\0\0\0\0\x63";
    const GROUP_0: &[u8] = b"\0\0\0\x01c\0\0\0\x01\0\x01r\0\x01m\0\0\0\x01\
        \0\x01m\0\x01i\0\x01h\0\0\0\x0a\0\0\0\x01\xff\0\0\0\0";
    const GROUP_3: &[u8] = b"\0\x03\0\x01c\0\0\0\x01\0\x01r\0\x01m\0\0\0\0\0\0\0\x63\0\0\0\x01\
        \0\x01m\xff\xff\0\x01i\0\x01h\0\0\0\x14\0\0\0\x0a\0\0\0\x01\xff\0\0\0\0";
    const EMPTY_GROUP: &[u8] = b"\0\x03\0\0\0\0\0\x02\xff\xff\xff\xff\0\0\0\0\0\0\0\x63\0\0\0\0";

    #[test]
    fn json_of_offsets() {
        let check = |key, value, expected: &str| {
            assert_eq!(printed(json, Wanted::Offsets, key, value), expected);
        };
        check(
            Some(OFFSET_KEY),
            Some(OFFSET_3),
            r#"{"key":{"version":1,"data":{"group":"g","topic":"t","partition":2}},"value":{"version":3,"data":{"offset":5,"leaderEpoch":7,"metadata":"","commitTimestamp":99}}}"#,
        );
        check(
            Some(OFFSET_KEY),
            Some(OFFSET_1),
            r#"{"key":{"version":1,"data":{"group":"g","topic":"t","partition":2}},"value":{"version":1,"data":{"offset":5,"metadata":"\u001F","commitTimestamp":99,"expireTimestamp":100}}}"#,
        );
        check(
            Some(OFFSET_KEY),
            None,
            r#"{"key":{"version":1,"data":{"group":"g","topic":"t","partition":2}},"value":null}"#,
        );
        check(Some(GROUP_KEY), Some(GROUP_3), "");
        check(
            Some(b"\0\x09"),
            Some(b"\0\x09"),
            r#"{"key":{"version":9,"data":"unknown"},"value":{"version":9,"data":"unknown"}}"#,
        );
        check(None, None, r#"{"key":null,"value":null}"#);
    }

    #[test]
    fn json_of_groups() {
        let check = |value, expected: &str| {
            let found = printed(json, Wanted::Groups, Some(GROUP_KEY), value);
            let key = r#"{"key":{"version":2,"data":{"group":"g"}},"value":"#;
            assert_eq!(found, format!("{key}{expected}}}"));
        };
        check(
            Some(GROUP_3),
            r#"{"version":3,"data":{"protocolType":"c","generation":1,"protocol":"r","leader":"m","currentStateTimestamp":99,"members":[{"memberId":"m","groupInstanceId":null,"clientId":"i","clientHost":"h","rebalanceTimeout":20,"sessionTimeout":10,"subscription":"/w==","assignment":""}]}}"#,
        );
        check(
            Some(GROUP_0),
            r#"{"version":0,"data":{"protocolType":"c","generation":1,"protocol":"r","leader":"m","members":[{"memberId":"m","clientId":"i","clientHost":"h","sessionTimeout":10,"subscription":"/w==","assignment":""}]}}"#,
        );
        check(None, "null");
        let other = printed(json, Wanted::Groups, Some(OFFSET_KEY), Some(OFFSET_3));
        assert_eq!(other, "");
    }

    #[test]
    fn classic_lines() {
        let offsets = |value| printed(classic, Wanted::Offsets, Some(OFFSET_KEY), value);
        assert_eq!(
            offsets(Some(OFFSET_3)),
            "[g,t,2]::OffsetAndMetadata(offset=5, leaderEpoch=Optional[7], metadata=, \
             commitTimestamp=99, expireTimestamp=None)\n"
        );
        assert_eq!(
            offsets(Some(OFFSET_1)),
            "[g,t,2]::OffsetAndMetadata(offset=5, leaderEpoch=Optional.empty, metadata=\x1f, \
             commitTimestamp=99, expireTimestamp=Some(100))\n"
        );
        assert_eq!(offsets(None), "[g,t,2]::NULL\n");
        let groups = |value| printed(classic, Wanted::Groups, Some(GROUP_KEY), value);
        assert_eq!(
            groups(Some(GROUP_3)),
            "g::GroupMetadata(groupId=g, generation=1, protocolType=Some(c), currentState=Stable, \
             members=HashMap(m -> MemberMetadata(memberId=m, groupInstanceId=None, clientId=i, clientHost=h, \
             sessionTimeoutMs=10, rebalanceTimeoutMs=20, supportedProtocols=List(r))))\n"
        );
        assert_eq!(
            groups(Some(EMPTY_GROUP)),
            "g::GroupMetadata(groupId=g, generation=2, protocolType=None, currentState=Empty, members=HashMap())\n"
        );
        assert_eq!(groups(None), "g::NULL\n");
        assert_eq!(
            printed(classic, Wanted::Groups, Some(OFFSET_KEY), Some(OFFSET_3)),
            ""
        );
    }

    /// The order that Scala 2.13 gave for the same names.
    #[test]
    fn members_come_in_scalas_order() {
        let members: Vec<StoredMember> = (0..12)
            .map(|i| StoredMember {
                member_id: format!("consumer-g-{i}-{}", i * 7919).into(),
                instance_id: None,
                client_id: "".into(),
                client_host: "".into(),
                rebalance_timeout_ms: 0,
                session_timeout_ms: 0,
                subscription: bytes::Bytes::new(),
                assignment: bytes::Bytes::new(),
            })
            .collect();
        let order = in_scala_order(&members);
        let found: Vec<&str> = order.iter().map(|m| &*m.member_id).collect();
        let expected = [
            "consumer-g-8-63352",
            "consumer-g-3-23757",
            "consumer-g-7-55433",
            "consumer-g-10-79190",
            "consumer-g-0-0",
            "consumer-g-9-71271",
            "consumer-g-2-15838",
            "consumer-g-1-7919",
            "consumer-g-11-87109",
            "consumer-g-6-47514",
            "consumer-g-5-39595",
            "consumer-g-4-31676",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_values_are_errors() {
        let mut out = Vec::new();
        for print in [json as Print, classic as Print] {
            assert!(print(Wanted::Offsets, Some(OFFSET_KEY), Some(b"\0"), &mut out).is_err());
            let short = &GROUP_3[..20];
            assert!(print(Wanted::Groups, Some(GROUP_KEY), Some(short), &mut out).is_err());
        }
    }
}
