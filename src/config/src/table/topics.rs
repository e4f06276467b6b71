//! Topics.

use crate::key::Importance::{High, Low, Medium};
use crate::key::ValueType::{Boolean, Class, Int};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(Medium, "num.partitions", Int, Some("1"), "Partitions of a topic that is created without a number.").check(Check::AtLeast(1)).implemented(),
    KeyDef::new(Medium, "default.replication.factor", Int, Some("1"), "Replicas of a topic that is created without a number.").implemented(),
    KeyDef::new(High, "auto.create.topics.enable", Boolean, Some("true"), "Whether a client's question for a topic that does not exist creates it.").implemented(),
    KeyDef::new(High, "delete.topic.enable", Boolean, Some("true"), "Whether topics can be deleted.").implemented(),
    KeyDef::new(Low, "create.topic.policy.class.name", Class, None, "Java class that judges new topics."),
    KeyDef::new(Low, "alter.config.policy.class.name", Class, None, "Java class that judges changes of configuration."),
    KeyDef::new(High, "unclean.leader.election.enable", Boolean, Some("false"), "Whether a replica that is not in sync may become leader when no other is left. Loses records.").update(Update::ClusterWide).implemented(),
];
