//! `meta.properties`: to which broker and cluster a log directory belongs (Kafka's
//! `MetaProperties`, version 0).

use crate::dirs::Identity;

pub(crate) const FILE_NAME: &str = "meta.properties";

/// Reads the file's text.
///
/// # Errors
/// What is wrong with it, for a person.
pub(crate) fn parse(text: &str) -> Result<Identity, String> {
    let mut identity = Identity::default();
    let mut version = None;
    for line in text.lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = split(line);
        match key.as_str() {
            "cluster.id" => identity.cluster_id = Some(value),
            "broker.id" => {
                let id = value.trim().parse().ok().filter(|id| *id >= 0);
                identity.broker_id =
                    Some(id.ok_or_else(|| format!("broker.id {value:?} is not a broker's id"))?);
            }
            "version" => version = Some(value),
            _ => {} // directory.id and whatever comes later
        }
    }
    match version.as_deref().map(str::trim) {
        Some("0") => Ok(identity),
        Some("1") => Err(
            "version 1 is KRaft's; a broker with ZooKeeper needs version 0 with broker.id"
                .to_owned(),
        ),
        Some(other) => Err(format!("version {other:?} is unknown; 0 is expected")),
        None => Err("there is no version".to_owned()),
    }
}

/// The text to write.
pub(crate) fn render(cluster_id: &str, broker_id: i32) -> String {
    let mut escaped = String::with_capacity(cluster_id.len());
    for c in cluster_id.chars() {
        if matches!(c, '=' | ':' | '#' | '!' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    format!("#\ncluster.id={escaped}\nversion=0\nbroker.id={broker_id}\n")
}

/// Key and value of a line in Java's properties syntax; a backslash takes the next character as
/// it is.
fn split(line: &str) -> (String, String) {
    let mut key = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.extend(chars.next()),
            '=' | ':' => break,
            c => key.push(c),
        }
    }
    let mut value = String::new();
    let mut chars = chars.as_str().trim_start().chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    (key.trim().to_owned(), value.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(Option<&str>, Option<i32>), &str>) {
        match (parse(text), expected) {
            (Ok(got), Ok((cluster, broker))) => {
                assert_eq!(got.cluster_id.as_deref(), cluster, "{text}");
                assert_eq!(got.broker_id, broker, "{text}");
            }
            (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
            (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn files_of_apache_and_ours() {
        let apache = "#\n#Sat Nov 21 10:00:00 UTC 2026\ncluster.id=3Db5QLSqSZieL3rJBUUegA\n\
                      directory.id=x\nversion=0\nbroker.id=1\n";
        check(apache, Ok((Some("3Db5QLSqSZieL3rJBUUegA"), Some(1))));
        check("version = 0\n broker.id : 7", Ok((None, Some(7))));
        check(&render("a=b\\c", 3), Ok((Some("a=b\\c"), Some(3))));
        check("version=1\nnode.id=1", Err("KRaft"));
        check("version=2", Err("unknown"));
        check("broker.id=1", Err("no version"));
        check("version=0\nbroker.id=one", Err("broker.id"));
        check("version=0\nbroker.id=-1", Err("broker.id"));
    }
}
