//! The broker and its place.

use crate::key::Importance::{High, Medium};
use crate::key::ValueType::{Boolean, Int, String};
use crate::key::{Check, KeyDef};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(High, "broker.id", Int, Some("-1"), "Number of this broker, unique in the cluster and 0 or above. -1 has ZooKeeper hand out the next free number above reserved.broker.max.id.").implemented(),
    KeyDef::new(Medium, "broker.id.generation.enable", Boolean, Some("true"), "Whether a broker without a number may get one from ZooKeeper.").implemented(),
    KeyDef::new(Medium, "reserved.broker.max.id", Int, Some("1000"), "Largest number that may be given by hand; generated ones start above it.").check(Check::AtLeast(0)).implemented(),
    KeyDef::new(Medium, "broker.rack", String, None, "Name of the rack, room or zone the broker stands in. Replicas of a partition are spread over racks when every broker names one.").implemented(),
    KeyDef::new(Medium, "inter.broker.protocol.version", String, Some("3.9-IV0"), "Oldest Kafka release among the brokers. Raise it once all of them are upgraded; it decides which requests and znode fields they use among themselves.").check(Check::Version).implemented(),
];
