//! From a key's text to its value, with Kafka's rules and Kafka's words when it does not fit.

use std::fmt;

use crate::MetadataVersion;
use crate::key::{Check, KeyDef, ValueType};

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// [`ValueType::Boolean`].
    Bool(bool),
    /// [`ValueType::String`], [`ValueType::Class`] and [`ValueType::Password`].
    Text(String),
    /// [`ValueType::Int`], [`ValueType::Short`] and [`ValueType::Long`].
    Whole(i64),
    /// [`ValueType::Double`].
    Double(f64),
    /// [`ValueType::List`].
    List(Vec<String>),
}

/// The text as DescribeConfigs answers it (`ConfigDef.convertToString`).
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Text(value) => value.fmt(f),
            Value::Whole(value) => value.fmt(f),
            Value::Double(value) => f.write_str(&java_double(*value)),
            Value::List(items) => f.write_str(&items.join(",")),
        }
    }
}

/// `Double.toString`: always with a fraction, scientific outside 10⁻³..10⁷.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    if !value.is_finite() {
        return match value {
            v if v.is_nan() => "NaN".to_owned(),
            v if v > 0.0 => "Infinity".to_owned(),
            _ => "-Infinity".to_owned(),
        };
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// A value that its key does not take. Displays as Kafka's `ConfigException` does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid value {value} for configuration {key}: {reason}")]
pub struct InvalidValue {
    /// The key.
    pub key: String,
    /// What was given, masked for passwords.
    pub value: String,
    /// What is wrong, in Kafka's words.
    pub reason: String,
    /// What would be right.
    pub expected: String,
}

/// What stands for a password's value in messages.
pub(crate) const HIDDEN: &str = "[hidden]";

impl KeyDef {
    /// Parses and checks a value of this key.
    ///
    /// # Errors
    /// The text has another type or breaks the key's bounds.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let value = self.parse_type(text)?;
        self.check_value(text, &value)?;
        Ok(value)
    }

    /// The default, parsed; `None` where Kafka's default is null.
    pub fn default_value(&self) -> Option<Value> {
        // A test parses every default, so the `ok` hides nothing.
        self.default.and_then(|text| self.parse_type(text).ok())
    }

    /// What a right value looks like, for people.
    pub fn expectation(&self) -> String {
        let kind = match self.value_type {
            ValueType::Boolean => "true or false",
            ValueType::String | ValueType::Password => "text",
            ValueType::Int => "a whole number of 32 bits",
            ValueType::Short => "a whole number of 16 bits",
            ValueType::Long => "a whole number of 64 bits",
            ValueType::Double => "a number",
            ValueType::List => "a list separated by commas",
            ValueType::Class => "a class name",
        };
        match self.check {
            Check::Any => kind.to_owned(),
            Check::AtLeast(least) => format!("{kind}, at least {least}"),
            Check::Between(least, most) => format!("{kind} from {least} to {most}"),
            Check::GzipLevel => "a whole number from 1 to 9, or -1".to_owned(),
            Check::OneOf(choices) => format!("one of {}", choices.join(", ")),
            Check::Among(choices) => format!("a list of {}", choices.join(", ")),
            Check::Version => format!(
                "a version from 0.8.0 to {}, e.g. 2.8",
                MetadataVersion::LATEST
            ),
            Check::ThrottledReplicas => {
                "* or a list of partition:broker pairs, e.g. 0:1,1:2".to_owned()
            }
            Check::NotEmpty => format!("{kind}, not empty"),
        }
    }

    fn invalid(&self, text: &str, reason: impl Into<String>) -> InvalidValue {
        let value = if self.sensitive() { HIDDEN } else { text };
        InvalidValue {
            key: self.name.to_owned(),
            value: value.to_owned(),
            reason: reason.into(),
            expected: self.expectation(),
        }
    }

    fn parse_type(&self, text: &str) -> Result<Value, InvalidValue> {
        let trimmed = text.trim();
        let not_a_number = || {
            self.invalid(
                text,
                format!("Not a number of type {}", self.value_type.name()),
            )
        };
        match self.value_type {
            ValueType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            ValueType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            ValueType::Boolean => {
                Err(self.invalid(text, "Expected value to be either true or false"))
            }
            ValueType::String | ValueType::Class | ValueType::Password => {
                Ok(Value::Text(trimmed.to_owned()))
            }
            ValueType::Int => match trimmed.parse::<i32>() {
                Ok(number) => Ok(Value::Whole(number.into())),
                Err(_) => Err(not_a_number()),
            },
            ValueType::Short => match trimmed.parse::<i16>() {
                Ok(number) => Ok(Value::Whole(number.into())),
                Err(_) => Err(not_a_number()),
            },
            ValueType::Long => match trimmed.parse::<i64>() {
                Ok(number) => Ok(Value::Whole(number)),
                Err(_) => Err(not_a_number()),
            },
            ValueType::Double => parse_double(trimmed)
                .map(Value::Double)
                .ok_or_else(not_a_number),
            ValueType::List => Ok(Value::List(split_list(trimmed))),
        }
    }

    fn check_value(&self, text: &str, value: &Value) -> Result<(), InvalidValue> {
        let outside = |least: f64, most: f64| {
            let number = match value {
                Value::Whole(number) => *number as f64,
                Value::Double(number) => *number,
                Value::Bool(_) | Value::Text(_) | Value::List(_) => return None,
            };
            // Kafka prints whole bounds without a fraction.
            if number < least {
                Some(format!("Value must be at least {least}"))
            } else if number > most {
                Some(format!("Value must be no more than {most}"))
            } else {
                None
            }
        };
        let reason = match (self.check, value) {
            (Check::Any, _) => None,
            (Check::AtLeast(least), _) => outside(least as f64, f64::INFINITY),
            (Check::Between(least, most), _) => outside(least, most),
            (Check::GzipLevel, Value::Whole(-1 | 1..=9)) => None,
            (Check::GzipLevel, _) => {
                Some("Value must be between 1 and 9 or equal to -1".to_owned())
            }
            (Check::OneOf(choices), Value::Text(chosen)) => (!choices.contains(&chosen.as_str()))
                .then(|| format!("String must be one of: {}", choices.join(", "))),
            (Check::Among(choices), Value::List(items)) => {
                let stranger = items.iter().find(|item| !choices.contains(&item.as_str()));
                if let Some(stranger) = stranger {
                    let reason = format!("String must be one of: {}", choices.join(", "));
                    return Err(self.invalid(stranger, reason));
                }
                None
            }
            (Check::Version, Value::Text(name)) => name
                .parse::<MetadataVersion>()
                .err()
                .map(|error| error.to_string()),
            (Check::ThrottledReplicas, Value::List(items)) => {
                (!throttled_replicas(items)).then(|| {
                    format!(
                        "{} must be the literal '*' or a list of replicas in the following \
                         format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                        self.name
                    )
                })
            }
            (Check::NotEmpty, Value::Text(given)) => given
                .is_empty()
                .then(|| "String must be non-empty".to_owned()),
            (
                Check::OneOf(_)
                | Check::Among(_)
                | Check::Version
                | Check::ThrottledReplicas
                | Check::NotEmpty,
                _,
            ) => None,
        };
        reason.map_or(Ok(()), |reason| Err(self.invalid(text, reason)))
    }
}

/// `Double.parseDouble`: also takes a trailing `d` or `f`, but not Rust's `inf`.
fn parse_double(text: &str) -> Option<f64> {
    let plain = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    if plain.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
        plain.parse().ok()
    } else {
        None
    }
}

/// Items between commas, trimmed; nothing at all is the empty list.
pub(crate) fn split_list(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

fn throttled_replicas(items: &[String]) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let pair = |item: &String| {
        item.split_once(':')
            .is_some_and(|(partition, broker)| number(partition) && number(broker))
    };
    matches!(items, [star] if star == "*") || items.iter().all(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Importance;

    fn key(value_type: ValueType, check: Check) -> KeyDef {
        KeyDef::new(Importance::Low, "k", value_type, None, "").check(check)
    }

    #[test]
    fn values_and_complaints_are_kafkas() {
        let check = |value_type, check, text: &str, expected: Result<&str, &str>| {
            let found = key(value_type, check).parse(text);
            let found = found.map(|v| v.to_string()).map_err(|e| e.to_string());
            let expected = expected
                .map(str::to_owned)
                .map_err(|e| format!("Invalid value {e}"));
            assert_eq!(found, expected, "{text}");
        };
        use Check::{
            Any, AtLeast, Between, GzipLevel, NotEmpty, OneOf, ThrottledReplicas, Version,
        };
        use ValueType::{Boolean, Double, Int, List, Long, Short, String};
        check(Boolean, Any, " TRUE ", Ok("true"));
        check(
            Boolean,
            Any,
            "yes",
            Err("yes for configuration k: Expected value to be either true or false"),
        );
        check(Int, Any, " +7 ", Ok("7"));
        check(
            Int,
            Any,
            "2147483648",
            Err("2147483648 for configuration k: Not a number of type INT"),
        );
        check(
            Long,
            Any,
            "abc",
            Err("abc for configuration k: Not a number of type LONG"),
        );
        check(
            Short,
            Any,
            "40000",
            Err("40000 for configuration k: Not a number of type SHORT"),
        );
        check(Double, Any, "1", Ok("1.0"));
        check(
            Double,
            Any,
            "1.7976931348623157E308",
            Ok("1.7976931348623157E308"),
        );
        check(
            Double,
            Any,
            "inf",
            Err("inf for configuration k: Not a number of type DOUBLE"),
        );
        check(
            Int,
            AtLeast(14),
            "13",
            Err("13 for configuration k: Value must be at least 14"),
        );
        check(
            Double,
            Between(0.0, 1.0),
            "1.5",
            Err("1.5 for configuration k: Value must be no more than 1"),
        );
        check(Int, GzipLevel, "-1", Ok("-1"));
        check(
            Int,
            GzipLevel,
            "0",
            Err("0 for configuration k: Value must be between 1 and 9 or equal to -1"),
        );
        check(
            String,
            OneOf(&["a", "b"]),
            "c",
            Err("c for configuration k: String must be one of: a, b"),
        );
        check(List, Check::Among(&["a", "b"]), "a , b", Ok("a,b"));
        check(
            List,
            Check::Among(&["a", "b"]),
            "a,x",
            Err("x for configuration k: String must be one of: a, b"),
        );
        check(
            String,
            Version,
            "9",
            Err("9 for configuration k: Version 9 is not a valid version"),
        );
        check(List, ThrottledReplicas, "*", Ok("*"));
        check(List, ThrottledReplicas, "0:1,1:2", Ok("0:1,1:2"));
        assert!(key(List, ThrottledReplicas).parse("0-1").is_err());
        assert!(key(String, NotEmpty).parse(" ").is_err());
    }

    #[test]
    fn passwords_are_not_repeated() {
        let error = key(ValueType::Password, Check::Any).invalid("secret", "no");
        assert!(!error.to_string().contains("secret"));
    }
}
