//! `listeners` and its family, with the checks of Kafka's `KafkaConfig`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs};

use ottla_metadata::{Endpoint, SecurityProtocol};

use crate::error::ConfigError;
use crate::server::{Listener, Listeners};
use crate::settings::Values;
use crate::value::split_list;

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const PROTOCOLS: &str = "listener.security.protocol.map";
const INTER_BROKER: &str = "inter.broker.listener.name";
const INTER_BROKER_PROTOCOL: &str = "security.inter.broker.protocol";
const CONTROL_PLANE: &str = "control.plane.listener.name";

/// Reads and checks the listener keys.
pub(crate) fn read(values: &Values) -> Result<Listeners, ConfigError> {
    let security_protocols = protocol_map(values)?;
    let bind = parse(values, LISTENERS, &security_protocols)?;
    check_ports(values, &bind)?;
    let told = match values.text(ADVERTISED) {
        Some(_) => parse(values, ADVERTISED, &security_protocols)?,
        None => bind.clone(),
    };
    let (inter_broker, inter_broker_protocol) = inter_broker(values, &security_protocols)?;
    check_advertised(values, &bind, &told, &inter_broker)?;
    let control_plane = control_plane(values, &told, &inter_broker)?;
    refuse_unserved(values, &bind)?;
    Ok(Listeners {
        advertised: advertised(&bind, told),
        bind,
        inter_broker,
        inter_broker_protocol,
        control_plane,
        security_protocols,
    })
}

/// A listener that is advertised and not the one that brokers use for everything else.
fn control_plane(
    values: &Values,
    told: &[Listener],
    inter_broker: &str,
) -> Result<Option<String>, ConfigError> {
    let Some(name) = values.text(CONTROL_PLANE).map(str::to_uppercase) else {
        return Ok(None);
    };
    if name == inter_broker {
        let problem = format!("{name} is the listener of {INTER_BROKER} already: name another one");
        return Err(values.blame(CONTROL_PLANE, problem));
    }
    if !told.iter().any(|listener| listener.name == name) {
        let problem = format!("{name} is not advertised: add {name}://host:port to {LISTENERS}");
        return Err(values.blame(CONTROL_PLANE, problem));
    }
    Ok(Some(name))
}

fn protocol_map(values: &Values) -> Result<BTreeMap<String, SecurityProtocol>, ConfigError> {
    let mut map = BTreeMap::new();
    for pair in split_list(values.text(PROTOCOLS).unwrap_or("")) {
        let parsed = pair.rsplit_once(':').and_then(|(name, protocol)| {
            let protocol = protocol.trim().parse().ok()?;
            Some((name.trim().to_uppercase(), protocol))
        });
        let (name, protocol) = parsed.ok_or_else(|| {
            let problem = format!(
                "{pair:?} is not NAME:PROTOCOL with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
            );
            values.blame(PROTOCOLS, problem)
        })?;
        map.insert(name, protocol);
    }
    Ok(map)
}

/// `NAME://host:port,…`; names are distinct. An empty host becomes `None`.
fn parse(
    values: &Values,
    key: &'static str,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Vec<Listener>, ConfigError> {
    let text = values.text(key).unwrap_or("");
    let mut found: Vec<Listener> = Vec::new();
    for entry in split_list(text)
        .into_iter()
        .filter(|entry| !entry.is_empty())
    {
        let (name, host, port) = split_address(&entry).ok_or_else(|| {
            let problem = format!("{entry:?} is not NAME://host:port with a port from 0 to 65535");
            values.blame(key, problem)
        })?;
        let security_protocol = protocols.get(&name).copied().ok_or_else(|| {
            let problem =
                format!("listener {name} has no entry in {PROTOCOLS}: add {name}:PLAINTEXT");
            values.blame(key, problem)
        })?;
        if found.iter().any(|listener| listener.name == name) {
            let problem = format!("each listener needs a name of its own, {name} is there twice");
            return Err(values.blame(key, problem));
        }
        found.push(Listener {
            name,
            security_protocol,
            host,
            port,
        });
    }
    if found.is_empty() {
        let problem = "at least one listener is needed, e.g. PLAINTEXT://:9092";
        return Err(values.blame(key, problem));
    }
    Ok(found)
}

fn split_address(entry: &str) -> Option<(String, Option<String>, u16)> {
    let (name, address) = entry.rsplit_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None => host,
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
    let port = port.parse().ok()?;
    let name = name.trim();
    (!name.is_empty() && host.chars().all(legal)).then(|| {
        let host = (!host.is_empty()).then(|| host.to_owned());
        (name.to_uppercase(), host, port)
    })
}

/// Ports differ, unless exactly one IPv4 and one IPv6 address share one.
fn check_ports(values: &Values, listeners: &[Listener]) -> Result<(), ConfigError> {
    let address = |listener: &Listener| -> Option<IpAddr> { listener.host.as_ref()?.parse().ok() };
    for (at, first) in listeners.iter().enumerate().filter(|(_, l)| l.port != 0) {
        let sharing: Vec<_> = listeners
            .iter()
            .skip(at + 1)
            .filter(|other| other.port == first.port)
            .collect();
        let allowed = match sharing.as_slice() {
            [] => true,
            [second] => match (address(first), address(second)) {
                (Some(a), Some(b)) => a.is_ipv4() != b.is_ipv4(),
                _ => false,
            },
            _ => false,
        };
        if !allowed {
            let problem = format!(
                "each listener needs a port of its own (one IPv4 and one IPv6 address may share \
                 one), {} is there more than once",
                first.port
            );
            return Err(values.blame(LISTENERS, problem));
        }
    }
    Ok(())
}

fn inter_broker(
    values: &Values,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<(String, SecurityProtocol), ConfigError> {
    if let Some(name) = values.text(INTER_BROKER) {
        if values.setting(INTER_BROKER_PROTOCOL).is_some() {
            let problem = format!("only one of this and {INTER_BROKER_PROTOCOL} may be set");
            return Err(values.blame(INTER_BROKER, problem));
        }
        let name = name.to_uppercase();
        return match protocols.get(&name) {
            Some(protocol) => Ok((name, *protocol)),
            None => {
                let problem = format!("{name} has no entry in {PROTOCOLS}: add {name}:PLAINTEXT");
                Err(values.blame(INTER_BROKER, problem))
            }
        };
    }
    let protocol: SecurityProtocol = values
        .text(INTER_BROKER_PROTOCOL)
        .and_then(|text| text.parse().ok())
        .unwrap_or(SecurityProtocol::Plaintext);
    Ok((protocol.name().to_owned(), protocol))
}

fn check_advertised(
    values: &Values,
    bind: &[Listener],
    told: &[Listener],
    inter_broker: &str,
) -> Result<(), ConfigError> {
    let names = |listeners: &[Listener]| -> BTreeSet<String> {
        listeners.iter().map(|l| l.name.clone()).collect()
    };
    let (bound, told_names) = (names(bind), names(told));
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    // Blame the key that was written.
    let blamed = |preferred: &'static str, otherwise: &'static str| {
        if values.setting(preferred).is_some() {
            preferred
        } else {
            otherwise
        }
    };
    if !told_names.contains(inter_broker) {
        let key = blamed(INTER_BROKER, blamed(INTER_BROKER_PROTOCOL, LISTENERS));
        let problem = format!(
            "brokers are to use the listener {inter_broker} among themselves, which is not \
             advertised; set {INTER_BROKER} to one of {}",
            list(&told_names)
        );
        return Err(values.blame(key, problem));
    }
    if let Some(stranger) = told_names.difference(&bound).next() {
        let problem = format!(
            "{stranger} is advertised but not listened on; {LISTENERS} has {}",
            list(&bound)
        );
        return Err(values.blame(ADVERTISED, problem));
    }
    if told.iter().any(|l| l.host.as_deref() == Some("0.0.0.0")) {
        let problem = format!(
            "0.0.0.0 is no address that clients could connect to; set {ADVERTISED} to the name \
             or address by which they reach this machine, e.g. PLAINTEXT://localhost:9092"
        );
        return Err(values.blame(blamed(ADVERTISED, LISTENERS), problem));
    }
    Ok(())
}

/// TLS and SASL are understood but cannot be served yet.
fn refuse_unserved(values: &Values, bind: &[Listener]) -> Result<(), ConfigError> {
    let unserved = bind
        .iter()
        .find(|l| l.security_protocol != SecurityProtocol::Plaintext);
    match unserved {
        None => Ok(()),
        Some(listener) => {
            let problem = format!(
                "listener {} asks for {}, which this broker does not offer yet; only PLAINTEXT \
                 listeners can be opened",
                listener.name, listener.security_protocol
            );
            Err(values.blame(LISTENERS, problem))
        }
    }
}

/// What clients are told. Port 0 means "as bound"; the port of the listener fills it in as far as
/// it is known.
fn advertised(bind: &[Listener], told: Vec<Listener>) -> Vec<Endpoint> {
    let mut own_name = None;
    let mut endpoint = |listener: Listener| {
        let bound = bind.iter().find(|l| l.name == listener.name);
        Endpoint {
            port: match listener.port {
                0 => bound.map_or(0, |l| l.port),
                port => port,
            },
            host: listener
                .host
                .unwrap_or_else(|| own_name.get_or_insert_with(machine_name).clone()),
            listener: listener.name,
            security_protocol: listener.security_protocol,
        }
    };
    told.into_iter().map(&mut endpoint).collect()
}

/// The name under which this machine finds itself, or `localhost` when it does not.
fn machine_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| {
            let resolved = (name.as_str(), 0).to_socket_addrs();
            resolved.is_ok_and(|mut addresses| addresses.next().is_some())
        })
        .unwrap_or_else(|| "localhost".to_owned())
}
