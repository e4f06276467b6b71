//! How a record is printed: the classes of `--formatter`, and Kafka's `DefaultMessageFormatter`.

use std::io::Write;

use anyhow::{Context, Result, bail};
use ottla_client::ConsumerRecord;
use ottla_records::{NO_TIMESTAMP, TimestampType};

use super::internal::{self, Wanted};
use crate::cli::Properties;

/// What is printed of a record, and how.
#[derive(Debug)]
pub(super) struct Formatter {
    class: Class,
    timestamp: bool,
    key: bool,
    value: bool,
    partition: bool,
    offset: bool,
    headers: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_form: Form,
    value_form: Form,
    headers_form: Form,
}

/// The classes that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Default,
    NoOp,
    /// JSON of the records of `__consumer_offsets`.
    Internal(Wanted),
    /// The same records as the classes from before 3.9 print them.
    ClassicInternal(Wanted),
}

impl Class {
    /// The class of a name, with or without its package.
    fn of_name(name: &str) -> Result<Class> {
        let class = match name.rsplit('.').next().unwrap_or(name) {
            // What the second one also logs, Kafka's own settings for tools suppress.
            "DefaultMessageFormatter" | "LoggingMessageFormatter" => Class::Default,
            "NoOpMessageFormatter" => Class::NoOp,
            "OffsetsMessageFormatter" => Class::Internal(Wanted::Offsets),
            "GroupMetadataMessageFormatter" => Class::Internal(Wanted::Groups),
            "GroupMetadataManager$OffsetsMessageFormatter" => {
                Class::ClassicInternal(Wanted::Offsets)
            }
            "GroupMetadataManager$GroupMetadataMessageFormatter" => {
                Class::ClassicInternal(Wanted::Groups)
            }
            _ => bail!("--formatter {name} is not built in; these are: {BUILT_IN}"),
        };
        if name.starts_with("kafka.") {
            let last = name.rsplit(['.', '$']).next().unwrap_or(name);
            eprintln!(
                "WARNING: {name} is deprecated and will be removed in the next major release. Please use \
                 org.apache.kafka.tools.consumer.{last} instead"
            );
        }
        Ok(class)
    }
}

const BUILT_IN: &str = "DefaultMessageFormatter, LoggingMessageFormatter, NoOpMessageFormatter, \
    OffsetsMessageFormatter and GroupMetadataMessageFormatter (org.apache.kafka.tools.consumer), \
    GroupMetadataManager$OffsetsMessageFormatter and \
    GroupMetadataManager$GroupMetadataMessageFormatter (kafka.coordinator.group)";

/// What bytes stand for: the deserializers of Kafka's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bytes,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Uuid,
}

impl Form {
    fn of_class(properties: &Properties, key: &str) -> Result<Form> {
        let Some(class) = properties.get(key) else {
            return Ok(Form::Bytes);
        };
        let name = class.rsplit('.').next().unwrap_or(class);
        Ok(match name {
            "StringDeserializer"
            | "ByteArrayDeserializer"
            | "BytesDeserializer"
            | "ByteBufferDeserializer" => Form::Bytes,
            "ShortDeserializer" => Form::Short,
            "IntegerDeserializer" => Form::Integer,
            "LongDeserializer" => Form::Long,
            "FloatDeserializer" => Form::Float,
            "DoubleDeserializer" => Form::Double,
            "UUIDDeserializer" => Form::Uuid,
            _ => bail!(
                "{key}={class} is not built in; String, ByteArray, Short, Integer, Long, Float, Double and UUID are"
            ),
        })
    }

    fn write(self, bytes: &[u8], out: &mut impl Write) -> Result<()> {
        let number = match self {
            Form::Bytes => {
                out.write_all(bytes)?;
                return Ok(());
            }
            Form::Uuid => String::from_utf8_lossy(bytes).into_owned(),
            Form::Short => i16::from_be_bytes(exactly(bytes)?).to_string(),
            Form::Integer => i32::from_be_bytes(exactly(bytes)?).to_string(),
            Form::Long => i64::from_be_bytes(exactly(bytes)?).to_string(),
            Form::Float => format!("{:?}", f32::from_be_bytes(exactly(bytes)?)),
            Form::Double => format!("{:?}", f64::from_be_bytes(exactly(bytes)?)),
        };
        out.write_all(number.as_bytes())?;
        Ok(())
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    <[u8; N]>::try_from(bytes)
        .ok()
        .with_context(|| format!("{} bytes where {N} are expected", bytes.len()))
}

impl Formatter {
    pub(super) fn new(class: Option<&str>, properties: &Properties) -> Result<Formatter> {
        let class = class.map_or(Ok(Class::Default), Class::of_name)?;
        let flag = |key: &str, default: bool| {
            let value = properties.get(key);
            value.map_or(default, |v| v.trim().eq_ignore_ascii_case("true"))
        };
        let bytes = |key: &str, default: &str| {
            let value = properties.get(key);
            value.map_or(default, |v| v).as_bytes().to_vec()
        };
        Ok(Formatter {
            class,
            timestamp: flag("print.timestamp", false),
            key: flag("print.key", false),
            value: flag("print.value", true),
            partition: flag("print.partition", false),
            offset: flag("print.offset", false),
            headers: flag("print.headers", false),
            key_separator: bytes("key.separator", "\t"),
            line_separator: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null_literal: bytes("null.literal", "null"),
            key_form: Form::of_class(properties, "key.deserializer")?,
            value_form: Form::of_class(properties, "value.deserializer")?,
            headers_form: Form::of_class(properties, "headers.deserializer")?,
        })
    }

    /// Prints one record. A record that cannot be printed leaves nothing behind.
    pub(super) fn write(&mut self, record: &ConsumerRecord, out: &mut impl Write) -> Result<()> {
        let (key, value) = (record.record.key.as_deref(), record.record.value.as_deref());
        let mut line = Vec::new();
        let composed = match self.class {
            Class::Default => self.compose(record, &mut line),
            Class::NoOp => Ok(()),
            Class::Internal(wanted) => internal::json(wanted, key, value, &mut line),
            Class::ClassicInternal(wanted) => internal::classic(wanted, key, value, &mut line),
        };
        composed
            .with_context(|| format!("{} offset {}", record.partition, record.record.offset))?;
        out.write_all(&line)?;
        Ok(())
    }

    fn compose(&self, read: &ConsumerRecord, line: &mut Vec<u8>) -> Result<()> {
        let record = &read.record;
        let null = self.null_literal.as_slice();
        if self.timestamp {
            let timestamp = match (record.timestamp, record.timestamp_type) {
                (NO_TIMESTAMP, _) => "NO_TIMESTAMP".to_owned(),
                (ms, TimestampType::Create) => format!("CreateTime:{ms}"),
                (ms, TimestampType::LogAppend) => format!("LogAppendTime:{ms}"),
            };
            line.extend_from_slice(timestamp.as_bytes());
            self.separate(
                self.offset || self.partition || self.headers || self.key || self.value,
                line,
            );
        }
        if self.partition {
            line.extend_from_slice(format!("Partition:{}", read.partition.partition).as_bytes());
            self.separate(self.offset || self.headers || self.key || self.value, line);
        }
        if self.offset {
            line.extend_from_slice(format!("Offset:{}", record.offset).as_bytes());
            self.separate(self.headers || self.key || self.value, line);
        }
        if self.headers {
            if record.headers.is_empty() {
                line.extend_from_slice(b"NO_HEADERS");
            }
            for (i, (name, value)) in record.headers.iter().enumerate() {
                if i > 0 {
                    line.extend_from_slice(&self.headers_separator);
                }
                line.extend_from_slice(name.as_bytes());
                line.push(b':');
                self.headers_form
                    .write(value.as_deref().unwrap_or(null), line)?;
            }
            self.separate(self.key || self.value, line);
        }
        if self.key {
            self.key_form
                .write(record.key.as_deref().unwrap_or(null), line)?;
            self.separate(self.value, line);
        }
        if self.value {
            self.value_form
                .write(record.value.as_deref().unwrap_or(null), line)?;
            line.extend_from_slice(&self.line_separator);
        }
        Ok(())
    }

    /// A column follows, or the line ends.
    fn separate(&self, column: bool, line: &mut Vec<u8>) {
        line.extend_from_slice(if column {
            &self.key_separator
        } else {
            &self.line_separator
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ottla_metadata::TopicPartition;

    fn check(properties: &[&str], value: Option<&'static [u8]>, expected: Result<&str, &str>) {
        let properties: Vec<String> = properties.iter().map(|p| (*p).to_owned()).collect();
        let record = ConsumerRecord {
            partition: TopicPartition::new("t", 3),
            leader_epoch: 0,
            record: ottla_records::Record {
                offset: 7,
                timestamp: 99,
                timestamp_type: TimestampType::Create,
                sequence: -1,
                key: None,
                value: value.map(Bytes::from_static),
                headers: vec![
                    ("h".to_owned(), None),
                    ("i".to_owned(), Some(Bytes::from("x"))),
                ],
            },
        };
        let mut out = Vec::new();
        let found = Formatter::new(None, &crate::cli::key_values(&properties))
            .and_then(|mut f| f.write(&record, &mut out))
            .map(|()| String::from_utf8(out).unwrap())
            .map_err(|e| format!("{e:#}"));
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn formatters_go_by_kafkas_names() {
        let class = |name: &str| {
            let formatter = Formatter::new(Some(name), &Properties::new());
            formatter.map(|f| f.class).map_err(|e| e.to_string())
        };
        let package = "org.apache.kafka.tools.consumer";
        for (name, expected) in [
            ("DefaultMessageFormatter", Class::Default),
            ("LoggingMessageFormatter", Class::Default),
            ("NoOpMessageFormatter", Class::NoOp),
            ("OffsetsMessageFormatter", Class::Internal(Wanted::Offsets)),
            (
                "GroupMetadataMessageFormatter",
                Class::Internal(Wanted::Groups),
            ),
        ] {
            assert_eq!(class(&format!("{package}.{name}")), Ok(expected));
        }
        for (name, expected) in [
            ("kafka.tools.DefaultMessageFormatter", Class::Default),
            (
                "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter",
                Class::ClassicInternal(Wanted::Offsets),
            ),
            (
                "kafka.coordinator.group.GroupMetadataManager$GroupMetadataMessageFormatter",
                Class::ClassicInternal(Wanted::Groups),
            ),
        ] {
            assert_eq!(class(name), Ok(expected));
        }
        let error = class("com.example.Own").unwrap_err();
        assert!(error.contains("com.example.Own is not built in"), "{error}");
        assert!(error.contains("OffsetsMessageFormatter"), "{error}");
    }

    #[test]
    fn records_are_printed_as_kafka_does() {
        check(&[], Some(b"v"), Ok("v\n"));
        check(&[], None, Ok("null\n"));
        let all = [
            "print.timestamp=true",
            "print.key=true",
            "print.offset=true",
            "print.partition=true",
            "print.headers=true",
        ];
        check(
            &all,
            Some(b"v"),
            Ok("CreateTime:99\tPartition:3\tOffset:7\th:null,i:x\tnull\tv\n"),
        );
        check(
            &["print.offset=true", "print.value=false", "line.separator=;"],
            Some(b"v"),
            Ok("Offset:7;"),
        );
        check(
            &["print.key=true", "key.separator=|", "null.literal=-"],
            Some(b"v"),
            Ok("-|v\n"),
        );
        let long = "value.deserializer=org.apache.kafka.common.serialization.LongDeserializer";
        check(&[long], Some(&[0, 0, 0, 0, 0, 0, 1, 0]), Ok("256\n"));
        check(
            &[long],
            Some(b"v"),
            Err("t-3 offset 7: 1 bytes where 8 are expected"),
        );
    }
}
