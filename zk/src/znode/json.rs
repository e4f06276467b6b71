//! JSON as Kafka's `DecodeJson` sees it: exact types, no conversions.

use std::collections::BTreeMap;

use ottla_metadata::{BrokerId, TopicPartition};
use serde_json::{Map, Value};

use super::Malformed;

/// A JSON object that is being read.
pub(super) struct Fields(Map<String, Value>);

/// Parses a payload that must be an object.
pub(super) fn object(data: &[u8]) -> Result<Fields, Malformed> {
    match parse(data)? {
        Value::Object(map) => Ok(Fields(map)),
        other => Err(Malformed(format!("expected a JSON object, found {other}"))),
    }
}

/// Parses any JSON payload.
pub(super) fn parse(data: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(data).map_err(|e| Malformed(format!("not JSON: {e}")))
}

fn wrong(key: &str, expected: &str, found: &Value) -> Malformed {
    Malformed(format!("{key:?} should be {expected}, found {found}"))
}

impl Fields {
    pub(super) fn from_value(key: &str, value: &Value) -> Result<Fields, Malformed> {
        match value {
            Value::Object(map) => Ok(Fields(map.clone())),
            other => Err(wrong(key, "an object", other)),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    pub(super) fn required(&self, key: &str) -> Result<&Value, Malformed> {
        self.0
            .get(key)
            .ok_or_else(|| Malformed(format!("{key:?} is missing")))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(super) fn int(&self, key: &str) -> Result<i32, Malformed> {
        as_int(key, self.required(key)?)
    }

    pub(super) fn optional_int(&self, key: &str) -> Result<Option<i32>, Malformed> {
        self.0.get(key).map(|value| as_int(key, value)).transpose()
    }

    pub(super) fn string(&self, key: &str) -> Result<&str, Malformed> {
        as_str(key, self.required(key)?)
    }

    pub(super) fn optional_string(&self, key: &str) -> Result<Option<&str>, Malformed> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => as_str(key, value).map(Some),
        }
    }

    /// A long that is written as a string, such as a timestamp.
    pub(super) fn long_in_string(&self, key: &str) -> Result<i64, Malformed> {
        let text = self.string(key)?;
        text.parse()
            .map_err(|_| Malformed(format!("{key:?} should hold a number, found {text:?}")))
    }

    pub(super) fn array(&self, key: &str) -> Result<&[Value], Malformed> {
        as_array(key, self.required(key)?)
    }

    pub(super) fn object(&self, key: &str) -> Result<&Map<String, Value>, Malformed> {
        let value = self.required(key)?;
        value
            .as_object()
            .ok_or_else(|| wrong(key, "an object", value))
    }

    pub(super) fn brokers(&self, key: &str) -> Result<Vec<BrokerId>, Malformed> {
        as_brokers(key, self.required(key)?)
    }

    /// `{"0":[1,2],…}`; absent and null are empty.
    pub(super) fn replicas_by_partition(
        &self,
        key: &str,
    ) -> Result<BTreeMap<i32, Vec<BrokerId>>, Malformed> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(_) => self
                .object(key)?
                .iter()
                .map(|(partition, replicas)| {
                    let number: i32 = partition.parse().map_err(|_| {
                        Malformed(format!("{partition:?} in {key:?} is no partition"))
                    })?;
                    Ok((number, as_brokers(key, replicas)?))
                })
                .collect(),
        }
    }

    /// `{"name":"text",…}`.
    pub(super) fn string_map(&self, key: &str) -> Result<BTreeMap<String, String>, Malformed> {
        self.object(key)?
            .iter()
            .map(|(name, value)| Ok((name.clone(), as_str(name, value)?.to_owned())))
            .collect()
    }
}

fn as_int(key: &str, value: &Value) -> Result<i32, Malformed> {
    value
        .as_i64()
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| wrong(key, "an int", value))
}

pub(super) fn as_str<'a>(key: &str, value: &'a Value) -> Result<&'a str, Malformed> {
    value.as_str().ok_or_else(|| wrong(key, "a string", value))
}

fn as_array<'a>(key: &str, value: &'a Value) -> Result<&'a [Value], Malformed> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| wrong(key, "an array", value))
}

fn as_brokers(key: &str, value: &Value) -> Result<Vec<BrokerId>, Malformed> {
    as_array(key, value)?
        .iter()
        .map(|id| as_int(key, id).map(BrokerId))
        .collect()
}

/// `[{"topic":"t","partition":0},…]`.
pub(super) fn as_topic_partitions(values: &[Value]) -> Result<Vec<TopicPartition>, Malformed> {
    values
        .iter()
        .map(|value| {
            let fields = Fields::from_value("partitions", value)?;
            Ok(TopicPartition::new(
                fields.string("topic")?,
                fields.int("partition")?,
            ))
        })
        .collect()
}

/// The reverse of [`as_topic_partitions`].
pub(super) fn topic_partitions(partitions: &[TopicPartition]) -> Value {
    partitions
        .iter()
        .map(|tp| serde_json::json!({ "topic": &*tp.topic, "partition": tp.partition }))
        .collect()
}

pub(super) fn ids(brokers: &[BrokerId]) -> Value {
    brokers.iter().map(|id| id.0).collect()
}

/// A map by partition in numeric order. (Kafka's order is that of a Scala hash map.)
pub(super) fn replicas_by_partition(map: &BTreeMap<i32, Vec<BrokerId>>) -> Value {
    let fields: Map<String, Value> = map
        .iter()
        .map(|(partition, replicas)| (partition.to_string(), ids(replicas)))
        .collect();
    Value::Object(fields)
}

/// The text of a value, in the key order it was built with.
pub(super) fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
