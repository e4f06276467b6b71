//! Security.

use crate::key::Importance::{Low, Medium};
use crate::key::ValueType::{Class, Int, Long, Password, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Low,
        "authorizer.class.name",
        String,
        Some(""),
        "Java class that decides who may do what; empty lets everyone do everything.",
    ),
    KeyDef::new(
        Medium,
        "principal.builder.class",
        Class,
        Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
        "Java class that names the user behind a connection.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Low,
        "security.providers",
        String,
        None,
        "Java classes with security algorithms.",
    ),
    KeyDef::new(
        Medium,
        "connections.max.reauth.ms",
        Long,
        Some("0"),
        "How long a SASL login holds before the client must log in again; 0 is for ever.",
    ),
    KeyDef::new(
        Medium,
        "delegation.token.secret.key",
        Password,
        None,
        "Key that signs delegation tokens, the same on all brokers.",
    ),
    KeyDef::new(
        Medium,
        "delegation.token.master.key",
        Password,
        None,
        "Old name of delegation.token.secret.key.",
    ),
    KeyDef::new(
        Medium,
        "delegation.token.max.lifetime.ms",
        Long,
        Some("604800000"),
        "How long a delegation token can be renewed at all.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Medium,
        "delegation.token.expiry.time.ms",
        Long,
        Some("86400000"),
        "How long a delegation token holds without renewal.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Low,
        "delegation.token.expiry.check.interval.ms",
        Long,
        Some("3600000"),
        "How often expired tokens are removed.",
    )
    .check(Check::AtLeast(1)),
    KeyDef::new(
        Medium,
        "password.encoder.secret",
        Password,
        None,
        "Key that hides passwords which are stored in ZooKeeper.",
    ),
    KeyDef::new(
        Medium,
        "password.encoder.old.secret",
        Password,
        None,
        "The key before, while it is being changed.",
    ),
    KeyDef::new(
        Low,
        "password.encoder.keyfactory.algorithm",
        String,
        None,
        "Algorithm that makes the key from the secret.",
    ),
    KeyDef::new(
        Low,
        "password.encoder.cipher.algorithm",
        String,
        Some("AES/CBC/PKCS5Padding"),
        "Cipher that hides passwords.",
    ),
    KeyDef::new(
        Low,
        "password.encoder.key.length",
        Int,
        Some("128"),
        "Length of the key in bits.",
    )
    .check(Check::AtLeast(8)),
    KeyDef::new(
        Low,
        "password.encoder.iterations",
        Int,
        Some("4096"),
        "Rounds that make the key.",
    )
    .check(Check::AtLeast(1024)),
];
