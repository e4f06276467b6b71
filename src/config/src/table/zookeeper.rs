//! ZooKeeper.

use crate::key::Importance::{High, Low, Medium};
use crate::key::ValueType::{Boolean, Int, List, Password, String};
use crate::key::{Check, KeyDef};

pub(super) const KEYS: &[KeyDef] = &[
    KeyDef::new(High, "zookeeper.connect", String, None, "ZooKeeper servers as host:port, separated by commas. A path behind the last one (for example /kafka) keeps the whole cluster below that node; it is created when missing.").implemented(),
    KeyDef::new(High, "zookeeper.session.timeout.ms", Int, Some("18000"), "How long ZooKeeper may hear nothing from the broker before it counts as dead.").implemented(),
    KeyDef::new(High, "zookeeper.connection.timeout.ms", Int, None, "How long a starting broker tries to reach ZooKeeper. Without a value, as long as the session timeout.").implemented(),
    KeyDef::new(High, "zookeeper.set.acl", Boolean, Some("false"), "Protect the znodes with access control lists."),
    KeyDef::new(High, "zookeeper.max.in.flight.requests", Int, Some("10"), "How many requests of one bulk operation may be on their way to ZooKeeper at once; fewer than 128 count as 128.").check(Check::AtLeast(1)).implemented(),
    KeyDef::new(Low, "ottla.crash.watchdog.enable", Boolean, Some("true"), "Start a small process (ottla-watchdog) beside the broker that outlives a crash of it and then removes the dead broker's registration, and its /controller, so that the cluster elects new leaders at once. Without it, or when it dies too, the session timeout decides. A key of Ottla's own.").implemented(),
    KeyDef::new(Medium, "zookeeper.clientCnxnSocket", String, None, "Class of the socket that Apache's ZooKeeper client uses for TLS."),
    KeyDef::new(Medium, "zookeeper.ssl.client.enable", Boolean, Some("false"), "Talk to ZooKeeper over TLS."),
    KeyDef::new(Low, "zookeeper.ssl.cipher.suites", List, None, "TLS cipher suites for ZooKeeper."),
    KeyDef::new(Low, "zookeeper.ssl.crl.enable", Boolean, Some("false"), "Check ZooKeeper's certificate against revocation lists."),
    KeyDef::new(Low, "zookeeper.ssl.enabled.protocols", List, None, "TLS versions that may be used with ZooKeeper."),
    KeyDef::new(Low, "zookeeper.ssl.endpoint.identification.algorithm", String, Some("HTTPS"), "How ZooKeeper's host name is compared with its certificate; empty turns the check off."),
    KeyDef::new(Medium, "zookeeper.ssl.keystore.location", String, None, "File with the certificate shown to ZooKeeper."),
    KeyDef::new(Medium, "zookeeper.ssl.keystore.password", Password, None, "Password of that file."),
    KeyDef::new(Medium, "zookeeper.ssl.keystore.type", String, None, "Format of that file."),
    KeyDef::new(Low, "zookeeper.ssl.ocsp.enable", Boolean, Some("false"), "Ask ZooKeeper's certificate authority whether the certificate still holds."),
    KeyDef::new(Low, "zookeeper.ssl.protocol", String, Some("TLSv1.2"), "TLS version that a ZooKeeper connection starts with."),
    KeyDef::new(Medium, "zookeeper.ssl.truststore.location", String, None, "File with the certificates that vouch for ZooKeeper."),
    KeyDef::new(Medium, "zookeeper.ssl.truststore.password", Password, None, "Password of that file."),
    KeyDef::new(Medium, "zookeeper.ssl.truststore.type", String, None, "Format of that file."),
];
