//! Java `.properties` text, read as `java.util.Properties.load` reads it.

/// One setting of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key, escapes undone.
    pub key: String,
    /// Its value, escapes undone.
    pub value: String,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// A line that is not a setting, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// Why.
    pub problem: String,
}

/// Splits a file's bytes into settings, in order, repeated keys included. UTF-8 is taken as such;
/// bytes that are not UTF-8 are ISO-8859-1, Java's encoding of these files.
///
/// # Errors
/// The first line with a broken escape.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, BadLine> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    logical_lines(text.trim_start_matches('\u{feff}'))
        .into_iter()
        .map(|(line, text)| entry(line, &text))
        .collect()
}

/// White space as `Properties` sees it.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines with their number, comments and blank lines left out, continuations joined.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, natural) in natural_lines(text).enumerate() {
        let start = natural.trim_start_matches(blank);
        let (body, goes_on) = match trailing_backslashes(start) % 2 {
            1 => (start.get(..start.len() - 1).unwrap_or(start), true),
            _ => (start, false),
        };
        match lines.last_mut() {
            Some((_, logical)) if continues => logical.push_str(body),
            // Comments and blank lines count only where a setting could begin, and a comment is
            // never continued. A lone backslash is a blank line.
            _ if body.is_empty() || start.starts_with(['#', '!']) => {
                continues = false;
                continue;
            }
            _ => lines.push((index + 1, body.to_owned())),
        }
        continues = goes_on;
    }
    lines
}

/// Lines ended by `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        match current.split_once(['\n', '\r']) {
            None => {
                rest = None;
                Some(current)
            }
            Some((line, after)) => {
                // "\r\n" is one end, not two.
                let ended_by_cr = current.as_bytes().get(line.len()) == Some(&b'\r');
                let rest_of_end = if ended_by_cr { "\n" } else { "" };
                rest = Some(after.strip_prefix(rest_of_end).unwrap_or(after));
                Some(line)
            }
        }
    })
}

fn trailing_backslashes(line: &str) -> usize {
    line.bytes().rev().take_while(|c| *c == b'\\').count()
}

/// Key, separator, value: the key ends at the first `=`, `:` or blank that is not escaped; around
/// one `=` or `:` blanks do not count.
fn entry(line: usize, text: &str) -> Result<Entry, BadLine> {
    let mut escaped = false;
    let end = text
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (blank(*c) || matches!(c, '=' | ':'));
            escaped = !escaped && *c == '\\';
            ends
        })
        .map_or(text.len(), |(at, _)| at);
    let (key, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    let value = value.trim_start_matches(blank);
    let unescape = |text| unescape(text).map_err(|problem| BadLine { line, problem });
    Ok(Entry {
        key: unescape(key)?,
        value: unescape(value)?,
        line,
    })
}

/// Replaces escapes. `\uXXXX` is a UTF-16 unit; pairs of surrogates are joined, lone ones become
/// the replacement character.
fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0u16; 2];
    while let Some(c) = chars.next() {
        let plain = match c {
            // A backslash at the very end stands for nothing.
            '\\' => {
                match chars.next() {
                    None => break,
                    Some('u') => {
                        let digits: String = chars.by_ref().take(4).collect();
                        let unit = (digits.len() == 4)
                            .then(|| u16::from_str_radix(&digits, 16).ok())
                            .flatten()
                            .filter(|_| digits.bytes().all(|d| d.is_ascii_hexdigit()));
                        units.push(unit.ok_or_else(|| {
                        format!("\\u{digits} is no character: four hexadecimal digits must follow \\u")
                    })?);
                        continue;
                    }
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('f') => '\u{c}',
                    Some(other) => other,
                }
            }
            plain => plain,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let found = parse(text.as_bytes()).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|e| (e.key.as_str(), e.value.as_str(), e.line))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn separators_and_spaces() {
        check("a=1", &[("a", "1", 1)]);
        check(
            "queued.max.requests =500\n",
            &[("queued.max.requests", "500", 1)],
        );
        check(
            "log.cleanup.policy = delete",
            &[("log.cleanup.policy", "delete", 1)],
        );
        check("  a : 1", &[("a", "1", 1)]);
        check("a 1", &[("a", "1", 1)]);
        check("a\t\u{c}=\t1 ", &[("a", "1 ", 1)]);
        check("a==1", &[("a", "=1", 1)]);
        check("a = = 1", &[("a", "= 1", 1)]);
        check("a", &[("a", "", 1)]);
        check("a=", &[("a", "", 1)]);
        check("=b", &[("", "b", 1)]);
        check("l=PLAINTEXT://:9092", &[("l", "PLAINTEXT://:9092", 1)]);
    }

    #[test]
    fn comments_and_line_ends() {
        check(
            "# c\n! d\n\n   \r\na=1\rb=2\r\nc=3",
            &[("a", "1", 5), ("b", "2", 6), ("c", "3", 7)],
        );
        check("# a comment is not continued \\\na=1", &[("a", "1", 2)]);
        check("a=1 # not a comment", &[("a", "1 # not a comment", 1)]);
    }

    #[test]
    fn continuation_lines() {
        check(
            "a=1,\\\n   2,\\\r\n\t3\nb=4",
            &[("a", "1,2,3", 1), ("b", "4", 4)],
        );
        check("a=1\\\\\nb=2", &[("a", "1\\", 1), ("b", "2", 2)]);
        check("a=1\\\n# text", &[("a", "1# text", 1)]);
        check("a=1\\", &[("a", "1", 1)]);
        check("a=\\\n\nb=1", &[("a", "", 1), ("b", "1", 3)]);
        check("\\\n!c\n\\\n\na=1", &[("a", "1", 5)]);
    }

    #[test]
    fn escapes() {
        check(
            r"a\ b\=\:c=\t\n\r\f\\\z",
            &[("a b=:c", "\t\n\r\u{c}\\z", 1)],
        );
        check(r"k=\u00e4\u20AC\uD83D\uDE00", &[("k", "ä€😀", 1)]);
        check(r"dir=d:\\logs", &[("dir", r"d:\logs", 1)]);
        for bad in [r"a=\u12", r"a=\u12g4", r"a=\u+123"] {
            assert_eq!(parse(bad.as_bytes()).unwrap_err().line, 1, "{bad}");
        }
    }

    #[test]
    fn both_encodings() {
        check("k=ä", &[("k", "ä", 1)]);
        let latin = parse(b"k=\xe4").unwrap();
        assert_eq!(latin[0].value, "ä");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn escaped_pairs_come_back(key in "[a-z.=: \\\\#!ä]{1,12}", value in "\\PC{0,20}") {
            let escape = |text: &str, all: bool| {
                let mut out = String::new();
                for (at, c) in text.chars().enumerate() {
                    if matches!(c, '\\' | '=' | ':' | '#' | '!') || (c == ' ' && (all || at == 0)) {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out
            };
            let text = format!("{}={}", escape(&key, true), escape(&value, false));
            let entries = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(entries.len(), 1);
            prop_assert_eq!(&entries[0].key, &key);
            prop_assert_eq!(&entries[0].value, &value);
        }
    }
}
