//! Records as the client programs print and read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A record. What a client cannot carry or tell is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Partition; on the way in a wish that not every client honours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub partition: Option<i32>,
    /// Offset; only on the way out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<i64>,
    /// Key.
    pub key: Option<String>,
    /// Value; in our tests `sender:number:filling`, so that every record is unique.
    pub value: Option<String>,
    /// Headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub headers: BTreeMap<String, String>,
    /// Timestamp, ms.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timestamp: Option<i64>,
}

impl Record {
    /// Who sent it and as which of its records, read from the value.
    pub fn sender_and_number(&self) -> (String, usize) {
        let value = self.value.as_deref().expect("our records have values");
        let mut parts = value.splitn(3, ':');
        let sender = parts.next().unwrap_or_default().to_owned();
        let number = parts.next().and_then(|n| n.parse().ok());
        (
            sender,
            number.unwrap_or_else(|| panic!("not a value of ours: {value}")),
        )
    }
}

/// `count` records of one sender over `partitions` partitions: some keys null, some text beyond
/// ASCII, values of many sizes, some with headers.
pub fn records_for(sender: &str, count: usize, partitions: i32) -> Vec<Record> {
    (0..count)
        .map(|number| Record {
            partition: Some((number % partitions as usize) as i32),
            offset: None,
            key: (number % 5 != 0).then(|| format!("key-{number}")),
            value: Some(format!(
                "{sender}:{number}:é{}",
                "x".repeat(number * 37 % 2000)
            )),
            headers: if number % 2 == 1 {
                [("who", sender), ("empty", "")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into()
            } else {
                BTreeMap::new()
            },
            timestamp: Some(1_700_000_000_000 + number as i64),
        })
        .collect()
}
