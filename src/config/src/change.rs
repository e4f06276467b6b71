//! Incremental changes (KIP-339): set, delete, append to and subtract from settings.

use std::collections::BTreeMap;

use crate::error::ChangeError;
use crate::key::{KeyDef, ValueType};

/// One step of IncrementalAlterConfigs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sets the value.
    Set(String),
    /// Goes back to the default.
    Delete,
    /// Adds these items to a list.
    Append(String),
    /// Takes these items from a list.
    Subtract(String),
}

/// Applies steps to the settings a resource has; `key` finds what the table says about a name.
/// The result is not validated.
///
/// # Errors
/// Append or subtract on something that is no list (`INVALID_CONFIG`).
pub fn apply(
    settings: &mut BTreeMap<String, String>,
    steps: &[(String, Operation)],
    key: impl Fn(&str) -> Option<&'static KeyDef>,
) -> Result<(), ChangeError> {
    for (name, operation) in steps {
        let list = |verb: &str| match key(name) {
            None => Err(ChangeError::Conflict(format!(
                "Unknown config name: {name}"
            ))),
            Some(key) if key.value_type != ValueType::List => Err(ChangeError::Conflict(format!(
                "Config value {verb} is not allowed for config key: {name}"
            ))),
            Some(key) => Ok(settings
                .get(name)
                .map(String::as_str)
                .or(key.default)
                .unwrap_or("")),
        };
        let value = match operation {
            Operation::Set(value) => value.clone(),
            Operation::Delete => {
                settings.remove(name);
                continue;
            }
            Operation::Append(items) => {
                let old: Vec<&str> = list("append")?
                    .split(',')
                    .filter(|i| !i.is_empty())
                    .collect();
                let new = items.split(',').filter(|item| !old.contains(item));
                old.iter().copied().chain(new).collect::<Vec<_>>().join(",")
            }
            Operation::Subtract(items) => {
                let gone: Vec<&str> = items.split(',').collect();
                let old = list("subtract")?.split(',');
                let rest: Vec<&str> = old.filter(|item| !gone.contains(item)).collect();
                rest.join(",")
            }
        };
        settings.insert(name.clone(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic_key;

    #[test]
    fn steps() {
        let check =
            |before: &[(&str, &str)], name: &str, step: Operation, after: Result<&str, &str>| {
                let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
                let mut settings: BTreeMap<_, _> = before.iter().map(owned).collect();
                let result = apply(&mut settings, &[(name.to_owned(), step)], topic_key);
                let found = match &result {
                    Ok(()) => Ok(settings.get(name).map_or("-", String::as_str)),
                    Err(error) => Err(error.to_string()),
                };
                assert_eq!(
                    found.as_deref().map_err(String::as_str),
                    after.as_deref().map_err(|e| &**e)
                );
            };
        let text = |text: &str| text.to_owned();
        let policy = "cleanup.policy";
        check(&[], "retention.ms", Operation::Set(text("5")), Ok("5"));
        check(
            &[("retention.ms", "5")],
            "retention.ms",
            Operation::Delete,
            Ok("-"),
        );
        check(
            &[],
            policy,
            Operation::Append(text("compact")),
            Ok("delete,compact"),
        );
        check(
            &[(policy, "compact")],
            policy,
            Operation::Append(text("compact")),
            Ok("compact"),
        );
        check(
            &[(policy, "compact,delete")],
            policy,
            Operation::Subtract(text("delete")),
            Ok("compact"),
        );
        check(&[], policy, Operation::Subtract(text("delete")), Ok(""));
        check(
            &[],
            "retention.ms",
            Operation::Append(text("5")),
            Err("Config value append is not allowed for config key: retention.ms"),
        );
        check(
            &[],
            "nonsense",
            Operation::Subtract(text("5")),
            Err("Unknown config name: nonsense"),
        );
    }
}
