//! TLS.

use crate::key::Importance::{Low, Medium};
use crate::key::ValueType::{Boolean, Class, List, Password, String};
use crate::key::{Check, KeyDef, Update};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(
        Low,
        "ssl.allow.dn.changes",
        Boolean,
        Some("false"),
        "Whether a new certificate may carry another distinguished name.",
    ),
    KeyDef::new(
        Low,
        "ssl.allow.san.changes",
        Boolean,
        Some("false"),
        "Whether a new certificate may carry other alternative names.",
    ),
    KeyDef::new(
        Medium,
        "ssl.cipher.suites",
        List,
        Some(""),
        "TLS cipher suites; empty takes all that are safe.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.client.auth",
        String,
        Some("none"),
        "Whether clients must show a certificate: required, requested or none.",
    )
    .check(Check::OneOf(&["required", "requested", "none"]))
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.enabled.protocols",
        List,
        Some("TLSv1.2,TLSv1.3"),
        "TLS versions that may be used.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Low,
        "ssl.endpoint.identification.algorithm",
        String,
        Some("https"),
        "How a server's host name is compared with its certificate; empty turns the check off.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Low,
        "ssl.engine.factory.class",
        Class,
        None,
        "Java class that makes TLS engines.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.key.password",
        Password,
        None,
        "Password of the private key.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.keymanager.algorithm",
        String,
        Some("SunX509"),
        "Algorithm of Java's key manager.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.keystore.certificate.chain",
        Password,
        None,
        "Certificates as PEM text.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.keystore.key",
        Password,
        None,
        "Private key as PEM text.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.keystore.location",
        String,
        None,
        "File with certificate and key.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.keystore.password",
        Password,
        None,
        "Password of that file.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.keystore.type",
        String,
        Some("JKS"),
        "Format of that file: JKS, PKCS12 or PEM.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Low,
        "ssl.principal.mapping.rules",
        String,
        Some("DEFAULT"),
        "Rules that make user names from certificates' distinguished names.",
    ),
    KeyDef::new(
        Medium,
        "ssl.protocol",
        String,
        Some("TLSv1.3"),
        "TLS version that a connection starts with.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.provider",
        String,
        None,
        "Java security provider.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Low,
        "ssl.secure.random.implementation",
        String,
        None,
        "Random generator of TLS.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.trustmanager.algorithm",
        String,
        Some("PKIX"),
        "Algorithm of Java's trust manager.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.truststore.certificates",
        Password,
        None,
        "Trusted certificates as PEM text.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.truststore.location",
        String,
        None,
        "File with trusted certificates.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.truststore.password",
        Password,
        None,
        "Password of that file.",
    )
    .update(Update::PerBroker),
    KeyDef::new(
        Medium,
        "ssl.truststore.type",
        String,
        Some("JKS"),
        "Format of that file: JKS, PKCS12 or PEM.",
    )
    .update(Update::PerBroker),
];
