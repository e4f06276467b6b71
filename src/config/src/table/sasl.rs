//! SASL.

use crate::key::Importance::{Low, Medium};
use crate::key::ValueType::{Class, Double, Int, List, Long, Password, Short, String};
use crate::key::{KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Medium,
        "sasl.enabled.mechanisms",
        List,
        Some("GSSAPI"),
        "SASL mechanisms that clients may use.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.mechanism.inter.broker.protocol",
        String,
        Some("GSSAPI"),
        "SASL mechanism among brokers.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.jaas.config",
        Password,
        None,
        "Login settings in JAAS format.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.client.callback.handler.class",
        Class,
        None,
        "Java class that answers for the client's side of SASL.",
    ),
    KeyDef::new(
        Medium,
        "sasl.server.callback.handler.class",
        Class,
        None,
        "Java class that answers for the server's side of SASL.",
    ),
    KeyDef::new(
        Medium,
        "sasl.login.callback.handler.class",
        Class,
        None,
        "Java class that answers at login.",
    ),
    KeyDef::new(
        Medium,
        "sasl.login.class",
        Class,
        None,
        "Java class that logs in.",
    ),
    KeyDef::new(
        Medium,
        "sasl.server.max.receive.size",
        Int,
        Some("524288"),
        "Longest packet that is read before a client has logged in.",
    ),
    KeyDef::new(
        Medium,
        "sasl.kerberos.service.name",
        String,
        None,
        "Kerberos name of the brokers.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.kerberos.kinit.cmd",
        String,
        Some("/usr/bin/kinit"),
        "Path of kinit.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.kerberos.min.time.before.relogin",
        Long,
        Some("60000"),
        "Shortest time between two Kerberos logins, in milliseconds.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.kerberos.principal.to.local.rules",
        List,
        Some("DEFAULT"),
        "Rules that make short names from Kerberos principals.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.kerberos.ticket.renew.jitter",
        Double,
        Some("0.05"),
        "Random part of the time until a ticket is renewed.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.kerberos.ticket.renew.window.factor",
        Double,
        Some("0.8"),
        "Share of a ticket's life after which it is renewed.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Low,
        "sasl.login.connect.timeout.ms",
        Int,
        None,
        "How long connecting to the login provider may take.",
    ),
    KeyDef::new(
        Low,
        "sasl.login.read.timeout.ms",
        Int,
        None,
        "How long the login provider may take to answer.",
    ),
    KeyDef::new(
        Medium,
        "sasl.login.refresh.buffer.seconds",
        Short,
        Some("300"),
        "Time before expiry that a renewal leaves free.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.login.refresh.min.period.seconds",
        Short,
        Some("60"),
        "Shortest time between two renewals.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.login.refresh.window.factor",
        Double,
        Some("0.8"),
        "Share of a login's life after which it is renewed.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "sasl.login.refresh.window.jitter",
        Double,
        Some("0.05"),
        "Random part of that time.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Low,
        "sasl.login.retry.backoff.ms",
        Long,
        Some("100"),
        "First pause after a failed login.",
    ),
    KeyDef::new(
        Low,
        "sasl.login.retry.backoff.max.ms",
        Long,
        Some("10000"),
        "Longest pause after failed logins.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.clock.skew.seconds",
        Int,
        Some("30"),
        "Difference of clocks that is forgiven.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.expected.audience",
        List,
        None,
        "Audiences of which a token must name one.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.expected.issuer",
        String,
        None,
        "Issuer that a token must name.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        Long,
        Some("3600000"),
        "How often the issuer's keys are fetched anew.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        Long,
        Some("100"),
        "First pause after the keys could not be fetched.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        Long,
        Some("10000"),
        "Longest such pause.",
    ),
    KeyDef::new(
        Medium,
        "sasl.oauthbearer.jwks.endpoint.url",
        String,
        None,
        "Where the issuer's keys are.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.scope.claim.name",
        String,
        Some("scope"),
        "Claim that holds the scope.",
    ),
    KeyDef::new(
        Low,
        "sasl.oauthbearer.sub.claim.name",
        String,
        Some("sub"),
        "Claim that holds the user.",
    ),
    KeyDef::new(
        Medium,
        "sasl.oauthbearer.token.endpoint.url",
        String,
        None,
        "Where tokens come from.",
    ),
];
