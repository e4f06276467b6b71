//! Replication.

use crate::key::Importance::{High, Medium};
use crate::key::ValueType::{Int, Long, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(High, "replica.lag.time.max.ms", Long, Some("30000"), "A follower that has not caught up for this long leaves the in-sync set.").implemented(),
    KeyDef::new(Medium, "replica.lag.max.messages", Long, None, "A follower that is this many records behind leaves the in-sync set. Kafka dropped the rule in 0.9; here it counts when set.").check(Check::AtLeast(0)).implemented(),
    KeyDef::new(High, "replica.high.watermark.checkpoint.interval.ms", Long, Some("5000"), "How often high watermarks are written to disk.").implemented(),
    KeyDef::new(High, "num.replica.fetchers", Int, Some("1"), "Connections per leader that fetch for this broker's followers.").update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "replica.fetch.max.bytes", Int, Some("1048576"), "Bytes that a follower asks for per partition. A larger batch is still fetched.").check(Check::AtLeast(0)).implemented(),
    KeyDef::new(Medium, "replica.fetch.response.max.bytes", Int, Some("10485760"), "Bytes that a follower asks for per request.").check(Check::AtLeast(0)).implemented(),
    KeyDef::new(High, "replica.fetch.min.bytes", Int, Some("1"), "Bytes that a leader waits for before it answers a follower.").implemented(),
    KeyDef::new(High, "replica.fetch.wait.max.ms", Int, Some("500"), "How long the leader may wait for them. Must not exceed replica.lag.time.max.ms.").implemented(),
    KeyDef::new(Medium, "replica.fetch.backoff.ms", Int, Some("1000"), "Pause after a failed fetch; the longest one while a new leader does not know yet that it leads.").check(Check::AtLeast(0)).implemented(),
    KeyDef::new(High, "replica.socket.timeout.ms", Int, Some("30000"), "Timeout of a follower's requests.").implemented(),
    KeyDef::new(High, "replica.socket.receive.buffer.bytes", Int, Some("65536"), "Receive buffer of a follower's sockets; -1 leaves it to the system.").implemented(),
    KeyDef::new(Medium, "replica.selector.class", String, None, "Java class that tells a consumer which replica to read from. Kafka's own two are known: by rack, and always the leader.").check(Check::OneOf(&["org.apache.kafka.common.replica.RackAwareReplicaSelector", "org.apache.kafka.common.replica.LeaderSelector"])).implemented(),
    KeyDef::new(High, "num.replica.alter.log.dirs.threads", Int, None, "Replicas that move between directories at a time; one per directory when not set.").check(Check::AtLeast(1)).implemented(),
    KeyDef::new(Medium, "fetch.purgatory.purge.interval.requests", Int, Some("1000"), "Answered fetches that may linger in Kafka's waiting room. This broker has none.").no_use(),
    KeyDef::new(Medium, "producer.purgatory.purge.interval.requests", Int, Some("1000"), "Answered produce requests that may linger in Kafka's waiting room. This broker has none.").no_use(),
    KeyDef::new(Medium, "delete.records.purgatory.purge.interval.requests", Int, Some("1"), "Answered DeleteRecords requests that may linger in Kafka's waiting room. This broker has none.").no_use(),

];
