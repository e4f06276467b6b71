//! Records from lines (Kafka's `LineMessageReader`).

use anyhow::{Result, bail};
use bytes::Bytes;
use ottla_client::ProducerRecord;

use crate::cli::Properties;

/// Turns lines into records of one topic.
#[derive(Debug)]
pub(super) struct LineReader {
    topic: String,
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    line_number: usize,
}

impl LineReader {
    pub(super) fn new(topic: &str, properties: &Properties) -> Result<LineReader> {
        let flag = |key: &str| {
            let value = properties.get(key);
            value.is_some_and(|v| v.trim().eq_ignore_ascii_case("true"))
        };
        let text = |key: &str, default: &str| {
            let value = properties.get(key);
            value.cloned().unwrap_or_else(|| default.to_owned())
        };
        let reader = LineReader {
            topic: topic.to_owned(),
            parse_key: flag("parse.key"),
            key_separator: text("key.separator", "\t"),
            parse_headers: flag("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: text("headers.separator", ","),
            headers_key_separator: text("headers.key.separator", ":"),
            ignore_error: flag("ignore.error"),
            null_marker: properties.get("null.marker").cloned(),
            line_number: 0,
        };
        reader.check()?;
        Ok(reader)
    }

    fn check(&self) -> Result<()> {
        let delimiter = ("headers.delimiter", Some(&self.headers_delimiter));
        let separator = ("headers.separator", Some(&self.headers_separator));
        let key_separator = ("headers.key.separator", Some(&self.headers_key_separator));
        let marker = ("null.marker", self.null_marker.as_ref());
        for ((name, value), (other_name, other)) in [
            (delimiter, separator),
            (delimiter, key_separator),
            (separator, key_separator),
            (marker, ("key.separator", Some(&self.key_separator))),
            (marker, separator),
            (marker, delimiter),
            (marker, key_separator),
        ] {
            if value == other {
                bail!("{name} and {other_name} may not be equal");
            }
        }
        for (name, value) in [
            ("key.separator", &self.key_separator),
            ("headers.delimiter", &self.headers_delimiter),
            ("headers.separator", &self.headers_separator),
            ("headers.key.separator", &self.headers_key_separator),
        ] {
            if value.is_empty() {
                bail!("{name} may not be empty");
            }
        }
        Ok(())
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The record of the next line.
    pub(super) fn record(&mut self, line: &[u8]) -> Result<ProducerRecord> {
        self.line_number += 1;
        let (headers, rest) = self.field(
            self.parse_headers,
            line,
            line,
            &self.headers_delimiter,
            "headers delimiter",
        )?;
        let (key, value) = self.field(
            self.parse_key,
            line,
            rest,
            &self.key_separator,
            "key separator",
        )?;
        Ok(ProducerRecord {
            topic: self.topic.clone(),
            key: key.and_then(|key| self.nullable(key)),
            value: self.nullable(value),
            headers: match headers.filter(|headers| !self.is_null(headers)) {
                Some(headers) => self.headers(headers)?,
                None => Vec::new(),
            },
            ..ProducerRecord::default()
        })
    }

    /// What stands before the separator, if it is looked for and found, and what comes after.
    fn field<'a>(
        &self,
        wanted: bool,
        line: &[u8],
        text: &'a [u8],
        separator: &str,
        name: &str,
    ) -> Result<(Option<&'a [u8]>, &'a [u8])> {
        if !wanted {
            return Ok((None, text));
        }
        match split(text, separator.as_bytes()) {
            Some((field, rest)) => Ok((Some(field), rest)),
            None if self.ignore_error => Ok((None, text)),
            None => bail!(
                "No {name} found on line number {}: '{}'",
                self.line_number,
                String::from_utf8_lossy(line)
            ),
        }
    }

    fn headers(&self, text: &[u8]) -> Result<Vec<(String, Option<Bytes>)>> {
        let mut headers = Vec::new();
        let mut rest = Some(text);
        while let Some(text) = rest {
            let pair = match split(text, self.headers_separator.as_bytes()) {
                Some((pair, after)) => {
                    // As in Java, a separator at the end begins no further header.
                    rest = Some(after).filter(|after| !after.is_empty());
                    pair
                }
                None => {
                    rest = None;
                    text
                }
            };
            let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match split(pair, self.headers_key_separator.as_bytes()) {
                Some((key, _)) if self.is_null(key) => bail!(
                    "Header keys should not be equal to the null marker '{}' as they can't be null",
                    name(key)
                ),
                Some((key, value)) => headers.push((name(key), self.nullable(value))),
                None if self.ignore_error => headers.push((name(pair), None)),
                None => bail!(
                    "No header key separator found in pair '{}' on line number {}",
                    name(pair),
                    self.line_number
                ),
            }
        }
        Ok(headers)
    }

    fn is_null(&self, field: &[u8]) -> bool {
        let marker = self.null_marker.as_ref();
        marker.is_some_and(|marker| marker.as_bytes() == field)
    }

    fn nullable(&self, field: &[u8]) -> Option<Bytes> {
        (!self.is_null(field)).then(|| Bytes::copy_from_slice(field))
    }
}

/// What stands before and after the first separator.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text
        .windows(separator.len())
        .position(|window| window == separator)?;
    let (before, from) = text.split_at_checked(at)?;
    Some((before, from.get(separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, value and headers of a line, as text.
    type Fields = (
        Option<String>,
        Option<String>,
        Vec<(String, Option<String>)>,
    );

    fn read(properties: &[&str], line: &str) -> Result<Fields, String> {
        let properties: Vec<String> = properties.iter().map(|p| (*p).to_owned()).collect();
        let text = |b: Option<Bytes>| b.map(|b| String::from_utf8(b.to_vec()).unwrap());
        LineReader::new("t", &crate::cli::key_values(&properties))
            .and_then(|mut reader| reader.record(line.as_bytes()))
            .map(|r| {
                let headers = r.headers.into_iter().map(|(k, v)| (k, text(v)));
                (text(r.key), text(r.value), headers.collect())
            })
            .map_err(|e| e.to_string())
    }

    fn check(
        properties: &[&str],
        line: &str,
        key: Option<&str>,
        value: Option<&str>,
        headers: &str,
    ) {
        let (k, v, h) = read(properties, line).unwrap();
        let headers_found: Vec<String> = h
            .into_iter()
            .map(|(k, v)| format!("{k}={}", v.unwrap_or_else(|| "null".to_owned())))
            .collect();
        assert_eq!((k.as_deref(), v.as_deref()), (key, value), "{line}");
        assert_eq!(headers_found.join(";"), headers, "{line}");
    }

    #[test]
    fn lines() {
        let key = "parse.key=true";
        let headers = "parse.headers=true";
        check(&[], "a\tb", None, Some("a\tb"), "");
        check(&[], "", None, Some(""), "");
        check(&[key], "a\tb\tc", Some("a"), Some("b\tc"), "");
        check(&[key, "key.separator=::"], "a::b", Some("a"), Some("b"), "");
        check(&[key, "ignore.error=true"], "ab", None, Some("ab"), "");
        check(&[headers], "h:v,i:w\tb", None, Some("b"), "h=v;i=w");
        check(&[headers], "h:v,\tb", None, Some("b"), "h=v");
        check(
            &[headers, key],
            "h:v:w\tk\tb",
            Some("k"),
            Some("b"),
            "h=v:w",
        );
        let null = "null.marker=N";
        check(&[key, null], "N\tN", None, None, "");
        check(&[headers, null], "h:N\tb", None, Some("b"), "h=null");
        check(&[headers, null], "N\tb", None, Some("b"), "");
    }

    #[test]
    fn refused() {
        for (properties, line, expected) in [
            (
                &["parse.key=true"][..],
                "ab",
                "No key separator found on line number 1: 'ab'",
            ),
            (
                &["parse.headers=true"],
                "h\tb",
                "No header key separator found in pair 'h' on line number 1",
            ),
            (
                &["parse.headers=true", "null.marker=N"],
                "N:v\tb",
                "Header keys should not be equal to the null marker 'N' as they can't be null",
            ),
            (
                &["headers.delimiter=:"],
                "",
                "headers.delimiter and headers.key.separator may not be equal",
            ),
            (
                &["null.marker=,"],
                "",
                "null.marker and headers.separator may not be equal",
            ),
            (&["key.separator="], "", "key.separator may not be empty"),
        ] {
            assert_eq!(read(properties, line), Err(expected.to_owned()));
        }
    }
}
