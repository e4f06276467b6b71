//! Broker addresses as people write them.

use crate::ClientError;

/// Splits a list such as `bootstrap.servers` (`host:port`, separated by commas, IPv6 addresses in
/// brackets, an optional `PROTOCOL://` before each) into addresses.
///
/// # Errors
/// [`ClientError::BadAddress`] for an entry that is not `host:port`, and for an empty list.
pub fn parse_bootstrap(list: &str) -> Result<Vec<String>, ClientError> {
    let addresses: Vec<String> = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let address = entry.split_once("://").map_or(entry, |(_, rest)| rest);
            is_address(address)
                .then(|| address.to_owned())
                .ok_or_else(|| bad(entry))
        })
        .collect::<Result<_, _>>()?;
    if addresses.is_empty() {
        return Err(bad(list));
    }
    Ok(addresses)
}

/// `host:port`, with brackets around an IPv6 address.
pub fn host_port(host: &str, port: i32) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn bad(address: &str) -> ClientError {
    ClientError::BadAddress {
        address: address.to_owned(),
    }
}

fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (bracketed || !host.contains(':')) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |list: &str, expected: Option<&[&str]>| {
            let found = parse_bootstrap(list).ok();
            assert_eq!(
                found,
                expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()),
                "{list}"
            );
        };
        check("a:1", Some(&["a:1"]));
        check(" a:1, b.c:65535,", Some(&["a:1", "b.c:65535"]));
        check("PLAINTEXT://a:1", Some(&["a:1"]));
        check("[::1]:9092", Some(&["[::1]:9092"]));
        check("::1:9092", None);
        check("a", None);
        check("a:", None);
        check("a:65536", None);
        check(":1", None);
        check("", None);
        assert_eq!(host_port("::1", 9), "[::1]:9");
        assert_eq!(host_port("a", 9), "a:9");
    }
}
