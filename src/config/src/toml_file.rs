//! The same keys in TOML: dotted tables and quoted keys both spell a key.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::properties::{BadLine, Entry};

/// Flattens a TOML document into settings, in order of appearance.
///
/// `[log]` with `retention.hours = 168`, `log.retention.hours = 168` and
/// `"log.retention.hours" = "168"` are the same setting. A key that is also the beginning of
/// another (`log.dir` does not, but `num` and `num.partitions` would) has to be quoted.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Entry>, BadLine> {
    let text = std::str::from_utf8(bytes).map_err(|error| BadLine {
        line: line_at(bytes, error.valid_up_to()),
        problem: "TOML must be UTF-8".to_owned(),
    })?;
    let document = DeTable::parse(text).map_err(|error| BadLine {
        line: line_at(bytes, error.span().map_or(0, |span| span.start)),
        problem: error.message().to_owned(),
    })?;
    let mut entries = Vec::new();
    flatten(bytes, "", document.get_ref(), &mut entries)?;
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn line_at(bytes: &[u8], offset: usize) -> usize {
    bytes.iter().take(offset).filter(|c| **c == b'\n').count() + 1
}

fn flatten(
    bytes: &[u8],
    prefix: &str,
    table: &DeTable<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), BadLine> {
    for (name, value) in table {
        let key = match prefix {
            "" => name.get_ref().to_string(),
            prefix => format!("{prefix}.{}", name.get_ref()),
        };
        if let DeValue::Table(inner) = value.get_ref() {
            flatten(bytes, &key, inner, entries)?;
            continue;
        }
        let line = line_at(bytes, name.span().start);
        let value = text_of(value).ok_or_else(|| BadLine {
            line,
            problem: format!("{key} must be a text, a number, true or false, or an array of those"),
        })?;
        entries.push(Entry { key, value, line });
    }
    Ok(())
}

/// A value as one would write it in a `.properties` file.
fn text_of(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(text_of).collect();
            items.map(|items| items.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let found = parse(text.as_bytes()).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|e| (e.key.as_str(), e.value.as_str(), e.line))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_spelling_of_a_key() {
        check(
            "broker.id = 0\n\"log.dirs\" = [\"/a\", \"/b\"]\n\n[log.retention]\nhours = 168\n\
             [log.cleaner]\nenable = false\n[log.cleaner.io.buffer]\nload.factor = 0.9",
            &[
                ("broker.id", "0", 1),
                ("log.dirs", "/a,/b", 2),
                ("log.retention.hours", "168", 5),
                ("log.cleaner.enable", "false", 7),
                ("log.cleaner.io.buffer.load.factor", "0.9", 9),
            ],
        );
        check("num.partitions = 1_000", &[("num.partitions", "1000", 1)]);
    }

    #[test]
    fn bad_documents_name_their_line() {
        let line = |text: &str| parse(text.as_bytes()).unwrap_err().line;
        assert_eq!(line("a = 1\nb = = 2\n"), 2);
        assert_eq!(line("a = 1\n\nb = 2020-01-01\n"), 3);
        assert_eq!(line("a = 1\na = 2\n"), 2);
    }
}
