//! `/brokers/ids/<id>`: a live broker and its addresses (`BrokerIdZNode`).

use std::collections::BTreeMap;

use ottla_metadata::{Endpoint, Millis, SecurityProtocol};
use serde_json::{Map, Value, json};

use super::json::Fields;
use super::{Malformed, Znode, json};

/// Which form of the registration is written; it follows from `inter.broker.protocol.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationVersion {
    /// Below 0.10.0: no rack, no listener names (0.9.0.0 brokers fail on anything higher).
    V2,
    /// 0.10.0 up to 2.6.
    V4,
    /// 2.7 and higher: with (empty) supported features.
    V5,
}

/// A broker's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// The form to write. Of a registration that was read: the form that comes closest.
    pub version: RegistrationVersion,
    /// Advertised addresses, one per listener.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Port of JMX; `-1` for none.
    pub jmx_port: i32,
    /// When the broker registered; 0 where the payload does not say.
    pub timestamp_ms: Millis,
}

impl BrokerRegistration {
    /// What old clients take for the broker's address: its first listener that speaks PLAINTEXT.
    fn legacy_address(&self) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|e| e.security_protocol == SecurityProtocol::Plaintext)
    }
}

impl Znode for BrokerRegistration {
    /// Versions 1 to 5.
    fn decode(data: &[u8]) -> Result<BrokerRegistration, Malformed> {
        let fields = json::object(data)?;
        let version = fields.int("version")?;
        if version < 1 {
            return Err(Malformed(format!(
                "version {version} of a broker's registration is not known"
            )));
        }
        let jmx_port = fields.int("jmx_port")?;
        let endpoints = if version == 1 {
            vec![decode_address(&fields)?]
        } else {
            decode_endpoints(&fields)?
        };
        Ok(BrokerRegistration {
            version: match version {
                1 | 2 => RegistrationVersion::V2,
                3 | 4 => RegistrationVersion::V4,
                _ => RegistrationVersion::V5,
            },
            endpoints,
            rack: fields.optional_string("rack")?.map(str::to_owned),
            jmx_port,
            timestamp_ms: fields.long_in_string("timestamp").unwrap_or(0),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        let (version, named_listeners) = match self.version {
            RegistrationVersion::V2 => (2, false),
            RegistrationVersion::V4 => (4, true),
            RegistrationVersion::V5 => (5, true),
        };
        if self.version == RegistrationVersion::V5 {
            put("features", json!({}));
        }
        if named_listeners {
            let protocols: Map<String, Value> = self
                .endpoints
                .iter()
                .map(|e| (e.listener.clone(), json!(e.security_protocol.name())))
                .collect();
            put("listener_security_protocol_map", Value::Object(protocols));
        }
        let endpoints: Vec<String> = self.endpoints.iter().map(endpoint_text).collect();
        put("endpoints", json!(endpoints));
        if let (true, Some(rack)) = (named_listeners, &self.rack) {
            put("rack", json!(rack));
        }
        let address = self.legacy_address();
        put("jmx_port", json!(self.jmx_port));
        put("port", json!(address.map_or(-1, |e| i32::from(e.port))));
        put("host", json!(address.map(|e| e.host.as_str())));
        put("version", json!(version));
        put("timestamp", json!(self.timestamp_ms.to_string()));
        json::text(&Value::Object(object))
    }
}

fn endpoint_text(endpoint: &Endpoint) -> String {
    if endpoint.host.contains(':') {
        let Endpoint {
            listener,
            host,
            port,
            ..
        } = endpoint;
        format!("{listener}://[{host}]:{port}")
    } else {
        let Endpoint {
            listener,
            host,
            port,
            ..
        } = endpoint;
        format!("{listener}://{host}:{port}")
    }
}

fn decode_address(fields: &Fields) -> Result<Endpoint, Malformed> {
    let port = fields.int("port")?;
    Ok(Endpoint {
        listener: SecurityProtocol::Plaintext.name().to_owned(),
        security_protocol: SecurityProtocol::Plaintext,
        host: fields.string("host")?.to_owned(),
        port: port_number(port)?,
    })
}

fn decode_endpoints(fields: &Fields) -> Result<Vec<Endpoint>, Malformed> {
    let protocols = match fields.get("listener_security_protocol_map") {
        None | Some(Value::Null) => None,
        Some(_) => Some(fields.string_map("listener_security_protocol_map")?),
    };
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for value in fields.array("endpoints")? {
        let endpoint = parse_endpoint(json::as_str("endpoints", value)?, protocols.as_ref())?;
        if endpoints.iter().any(|e| e.listener == endpoint.listener) {
            let listener = &endpoint.listener;
            return Err(Malformed(format!("listener {listener} is there twice")));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

/// `LISTENER://host:port`, with brackets around an IPv6 address.
fn parse_endpoint(
    text: &str,
    protocols: Option<&BTreeMap<String, String>>,
) -> Result<Endpoint, Malformed> {
    let bad = || Malformed(format!("{text:?} is not an endpoint LISTENER://host:port"));
    let (listener, address) = text.rsplit_once("://").ok_or_else(bad)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let port: i32 = port.parse().map_err(|_| bad())?;
    // Kafka upper-cases the names (`ListenerName.normalised`).
    let listener = listener.to_ascii_uppercase();
    let protocol = match protocols {
        None => listener.as_str(),
        Some(map) => map
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&listener))
            .map(|(_, protocol)| protocol.as_str())
            .ok_or_else(|| Malformed(format!("listener {listener} has no security protocol")))?,
    };
    let security_protocol = protocol
        .parse()
        .map_err(|()| Malformed(format!("{protocol:?} is not a security protocol")))?;
    Ok(Endpoint {
        security_protocol,
        listener,
        host: host.to_owned(),
        port: port_number(port)?,
    })
}

fn port_number(port: i32) -> Result<u16, Malformed> {
    u16::try_from(port).map_err(|_| Malformed(format!("{port} is not a port")))
}
