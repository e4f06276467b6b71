//! Connections and requests.

use crate::key::Importance::{High, Low, Medium};
use crate::key::ValueType::{Int, Long, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(High, "socket.send.buffer.bytes", Int, Some("102400"), "Send buffer of each client socket; -1 leaves it to the system.").implemented(),
    KeyDef::new(High, "socket.receive.buffer.bytes", Int, Some("102400"), "Receive buffer of each client socket; -1 leaves it to the system.").implemented(),
    KeyDef::new(Medium, "socket.listen.backlog.size", Int, Some("50"), "How many connections may wait to be accepted, as far as the system allows.").check(Check::AtLeast(1)).implemented(),
    KeyDef::new(High, "socket.request.max.bytes", Int, Some("104857600"), "Largest request that is read; a longer one closes the connection.").check(Check::AtLeast(1)).implemented(),
    KeyDef::new(Medium, "max.connections", Int, Some("2147483647"), "Connections the broker holds at once, over all listeners. A new one beyond that waits for a free place.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "max.connections.per.ip", Int, Some("2147483647"), "Connections one address may hold.").check(Check::AtLeast(0)).update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "max.connections.per.ip.overrides", String, Some(""), "Other numbers for some addresses or hosts, as host:number pairs.").update(Update::ClusterWide).implemented(),
    KeyDef::new(Medium, "max.connection.creation.rate", Int, Some("2147483647"), "New connections accepted per second, for the broker or per listener.").check(Check::AtLeast(0)).update(Update::ClusterWide),
    KeyDef::new(Medium, "connections.max.idle.ms", Long, Some("600000"), "A connection that is silent for this long is closed. Negative means never.").implemented(),
    KeyDef::new(Low, "connection.failed.authentication.delay.ms", Int, Some("100"), "How long the answer to a failed login is held back. Must be below connections.max.idle.ms.").check(Check::AtLeast(0)),
    KeyDef::new(High, "queued.max.requests", Int, Some("500"), "Requests that may wait for a thread before no more are read. Here none waits: a request is worked on as soon as it has arrived, and queued.max.request.bytes bounds the memory.").check(Check::AtLeast(1)).no_use(),
    KeyDef::new(Medium, "queued.max.request.bytes", Long, Some("-1"), "Bytes of requests that may be held in memory. -1 takes a bound of the broker's own.").implemented(),
    KeyDef::new(High, "num.network.threads", Int, Some("3"), "Threads that read and write sockets. This broker sizes its runtime by the machine.").check(Check::AtLeast(1)).update(Update::ClusterWide).no_use(),
    KeyDef::new(High, "num.io.threads", Int, Some("8"), "Threads that work on requests. This broker sizes its runtime by the machine.").check(Check::AtLeast(1)).update(Update::ClusterWide).no_use(),
    KeyDef::new(High, "background.threads", Int, Some("10"), "Threads for housekeeping. This broker sizes its runtime by the machine.").check(Check::AtLeast(1)).update(Update::ClusterWide).no_use(),
    KeyDef::new(High, "request.timeout.ms", Int, Some("30000"), "How long requests that this broker sends to others may take.").implemented(),
    KeyDef::new(Medium, "socket.connection.setup.timeout.ms", Long, Some("10000"), "How long connecting to another broker may take at first."),
    KeyDef::new(Medium, "socket.connection.setup.timeout.max.ms", Long, Some("30000"), "Longest time that connecting may take after repeated failures."),
    KeyDef::new(Medium, "max.request.partition.size.limit", Int, Some("2000"), "Partitions that one paged request may list.").check(Check::AtLeast(1)),
    KeyDef::new(Medium, "fetch.max.bytes", Int, Some("57671680"), "Most bytes of records in one Fetch answer, whatever the client asks for. The first batch is sent even when it is larger.").check(Check::AtLeast(1024)).implemented(),
    KeyDef::new(Medium, "max.incremental.fetch.session.cache.slots", Int, Some("1000"), "Incremental fetch sessions that are kept.").check(Check::AtLeast(0)).implemented(),
];
