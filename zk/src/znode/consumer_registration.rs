//! `/consumers/<group>/ids/<consumer>`: a member of a group of ZooKeeper consumers (Kafka's
//! `TopicCount`).

use std::collections::BTreeMap;

use ottla_metadata::Millis;
use serde_json::json;

use super::{Malformed, Znode, json};

/// More streams in one registration than any consumer has threads for; above it, a registration
/// is nonsense that would make its readers count to it.
const MAX_STREAMS: i32 = 10_000;

/// What a member wants to read, each with a number of streams: of every topic that many threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// Topics by name.
    Static(BTreeMap<String, i32>),
    /// All topics that a Java regular expression matches as a whole.
    WhiteList {
        /// The expression, without the commas and blanks of the command line.
        pattern: String,
        /// How many streams share them.
        streams: i32,
    },
    /// All topics that it does not match.
    BlackList {
        /// The expression.
        pattern: String,
        /// How many streams share them.
        streams: i32,
    },
}

/// A member of a group. It is written once and never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRegistration {
    /// What it reads.
    pub subscription: Subscription,
    /// When it registered; 0 where the payload does not say.
    pub timestamp_ms: Millis,
}

impl Znode for ConsumerRegistration {
    fn decode(data: &[u8]) -> Result<ConsumerRegistration, Malformed> {
        let fields = json::object(data)?;
        let pattern = fields.string("pattern")?;
        let mut streams = BTreeMap::new();
        for (name, count) in fields.object("subscription")? {
            let count = count.as_i64().and_then(|n| i32::try_from(n).ok());
            let count = count.filter(|n| (1..=MAX_STREAMS).contains(n));
            let count = count.ok_or_else(|| {
                Malformed(format!(
                    "{name:?} should have between 1 and {MAX_STREAMS} streams"
                ))
            })?;
            streams.insert(name.clone(), count);
        }
        let first = streams.first_key_value().map(|(p, n)| (p.clone(), *n));
        let subscription = match (pattern, first) {
            ("white_list", Some((pattern, streams))) => {
                Subscription::WhiteList { pattern, streams }
            }
            ("black_list", Some((pattern, streams))) => {
                Subscription::BlackList { pattern, streams }
            }
            // So Kafka takes an empty list, and any other word.
            _ => Subscription::Static(streams),
        };
        let timestamp_ms = match fields.get("timestamp") {
            Some(_) => fields.long_in_string("timestamp").unwrap_or_default(),
            None => 0,
        };
        Ok(ConsumerRegistration {
            subscription,
            timestamp_ms,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let (pattern, streams) = match &self.subscription {
            Subscription::Static(streams) => ("static", json!(streams)),
            Subscription::WhiteList { pattern, streams } => {
                ("white_list", json!({ pattern.as_str(): streams }))
            }
            Subscription::BlackList { pattern, streams } => {
                ("black_list", json!({ pattern.as_str(): streams }))
            }
        };
        json::text(&json!({
            "version": 1,
            "subscription": streams,
            "pattern": pattern,
            "timestamp": self.timestamp_ms.to_string(),
        }))
    }
}
