//! Listeners.

use crate::key::Importance::{High, Low, Medium};
use crate::key::ValueType::String;
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(High, "listeners", String, Some("PLAINTEXT://:9092"), "Where the broker listens: NAME://host:port, separated by commas. No host means every interface. A name that is not a security protocol needs an entry in listener.security.protocol.map.").update(Update::PerBroker).implemented(),
    KeyDef::new(High, "advertised.listeners", String, None, "Addresses that clients and other brokers are told to use, when they differ from listeners. Only names that listeners has.").update(Update::PerBroker).implemented(),
    KeyDef::new(Low, "listener.security.protocol.map", String, Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), "Which security protocol each listener name stands for, as NAME:PROTOCOL pairs.").update(Update::PerBroker).implemented(),
    KeyDef::new(Medium, "inter.broker.listener.name", String, None, "Listener that brokers use among themselves. Set this or security.inter.broker.protocol, not both.").implemented(),
    KeyDef::new(Medium, "security.inter.broker.protocol", String, Some("PLAINTEXT"), "Security protocol among brokers when inter.broker.listener.name is not set.").check(Check::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])).implemented(),
    KeyDef::new(High, "control.plane.listener.name", String, None, "A listener of its own for what the controller sends to brokers.").implemented(),
];
