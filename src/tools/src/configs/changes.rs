//! `--add-config` and `--delete-config`.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail};

/// The arguments are well formed, but wrong in what they say.
#[derive(Debug)]
pub(super) struct Invalid(pub(super) String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// Reads `k1=v1,k2=[v1,v2]`: commas inside brackets belong to the value, the brackets do not.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    let mut depth = 0_i32;
    let parts = text.split(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ',' && depth <= 0
    });
    for part in parts {
        let Some((key, value)) = part.split_once('=') else {
            bail!(Invalid(
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\"."
                    .to_owned()
            ));
        };
        let value = value.replace(['[', ']'], "");
        settings.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(settings)
}

/// Refuses names that could not be stored.
pub(super) fn check_names<'a>(names: impl Iterator<Item = &'a String>) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    for name in names {
        if !name.chars().all(legal) {
            bail!(Invalid(format!(
                "Invalid character found for config key: {name}"
            )));
        }
    }
    Ok(())
}

/// Refuses to delete what is not set.
pub(super) fn check_deleted(delete: &[String], set: impl Fn(&str) -> bool) -> Result<()> {
    let invalid: Vec<&str> = delete
        .iter()
        .map(String::as_str)
        .filter(|name| !set(name))
        .collect();
    if !invalid.is_empty() {
        bail!(Invalid(format!("Invalid config(s): {}", invalid.join(","))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found: Vec<(String, String)> = parse(text).unwrap().into_iter().collect();
            let found: Vec<(&str, &str)> = found
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("a=1", &[("a", "1")]);
        check("a=1,b=2", &[("a", "1"), ("b", "2")]);
        check("a=[1,2],b = 3", &[("a", "1,2"), ("b", "3")]);
        check("a=", &[("a", "")]);
        check("a=b=c", &[("a", "b=c")]);
        assert!(parse("a").is_err());
        assert!(parse("").is_err());
        assert!(check_names(["a b".to_owned()].iter()).is_err());
    }
}
