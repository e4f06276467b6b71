//! Records, events, and the list of them.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A record: who wrote it, and as which of its records. It stands in the record's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The writer.
    pub writer: u16,
    /// Counts the writer's records from 0, over all partitions.
    pub number: u64,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}:{}", self.writer, self.number)
    }
}

impl FromStr for RecordId {
    type Err = String;

    /// Reads the head of a value, `w<writer>:<number>:<filling>`.
    fn from_str(value: &str) -> Result<RecordId, String> {
        let bad = || format!("not a value of ours: {value:.40}");
        let mut parts = value.strip_prefix('w').ok_or_else(bad)?.splitn(3, ':');
        let mut next = || parts.next().ok_or_else(bad);
        Ok(RecordId {
            writer: next()?.parse().map_err(|_| bad())?,
            number: next()?.parse().map_err(|_| bad())?,
        })
    }
}

/// What a writer's way of sending promises about repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Idempotent: each record once at most.
    Once,
    /// A record whose answer was lost may stand there several times.
    AtLeastOnce,
}

/// How a produce ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Acknowledged, at this offset if the broker told it.
    Acked(Option<i64>),
    /// Not acknowledged. It may have been stored nevertheless, by an attempt whose answer was lost.
    Failed(String),
}

/// A high watermark as a leader told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Who asked; one of these asks one question at a time.
    pub reader: u16,
    /// Of which partition.
    pub partition: i32,
    /// Who answered.
    pub leader: i32,
    /// As leader of this epoch.
    pub epoch: i32,
    /// The watermark.
    pub value: i64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record was handed to a producer.
    Sent {
        /// Which.
        record: RecordId,
        /// Where to.
        partition: i32,
        /// How.
        guarantee: Guarantee,
    },
    /// The producer told its fate.
    Answered {
        /// Of which.
        record: RecordId,
        /// Where it went.
        partition: i32,
        /// The fate.
        answer: Answer,
    },
    /// A consumer was handed a record.
    Read {
        /// Which consumer.
        reader: u16,
        /// From where.
        partition: i32,
        /// At which offset.
        offset: i64,
        /// The record.
        record: RecordId,
    },
    /// A leader told its high watermark.
    Watermark(Watermark),
    /// A broker's process was started again.
    Restarted {
        /// Its id.
        broker: i32,
    },
    /// What a consumer was handed is no batch, or no record of ours.
    Unreadable {
        /// Which consumer.
        reader: u16,
        /// Of which partition.
        partition: i32,
        /// At which position.
        position: i64,
        /// What is wrong.
        reason: String,
    },
    /// A leader said that a position which a consumer had reached is not in its log.
    OutOfRange {
        /// Which consumer.
        reader: u16,
        /// Of which partition.
        partition: i32,
        /// The position.
        position: i64,
    },
}

/// A partition at the end, read by a consumer from its start to the high watermark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalLog {
    /// The high watermark.
    pub high_watermark: i64,
    /// Offsets and records, in order.
    pub records: Vec<(i64, RecordId)>,
}

/// The list of events with their times; clones share it.
#[derive(Clone, Debug)]
pub struct History {
    start: Instant,
    events: Arc<Mutex<Vec<(Duration, Event)>>>,
}

impl Default for History {
    fn default() -> History {
        History {
            start: Instant::now(),
            events: Arc::default(),
        }
    }
}

impl History {
    /// Adds what happened just now.
    pub fn add(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.start.elapsed();
        events.push((at, event));
    }

    /// Adds what happened at some time, as if it had been at the beginning.
    pub fn add_at_start(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((Duration::ZERO, event));
    }

    /// All so far.
    pub fn events(&self) -> Vec<(Duration, Event)> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.clone()
    }

    /// How many there are so far.
    pub fn len(&self) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.len()
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events from number `seen` on, which then is the number of all so far.
    pub fn since(&self, seen: &mut usize) -> Vec<Event> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let new = events.iter().skip(*seen).map(|(_, event)| event.clone());
        let new = new.collect();
        *seen = events.len();
        new
    }
}
