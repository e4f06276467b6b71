//! New offsets of groups: as a table, and as the CSV of --export and --from-file.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use ottla_metadata::TopicPartition;
use serde_json::{Value, json};

/// New offsets, by group.
pub(super) type Plan = BTreeMap<String, BTreeMap<TopicPartition, i64>>;

/// A line each. (The tool of 3.9 forgot the line ends in its move to Java; those before have them.)
pub(super) fn table(plan: &Plan) -> String {
    if plan.is_empty() {
        return String::new();
    }
    let line = |group: &str, topic: &str, partition: &str, offset: &str| {
        format!("\n{group:<30} {topic:<30} {partition:<10} {offset:<15}")
    };
    let mut text = line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    for (group, partition, offset) in rows(plan) {
        text.push_str(&line(
            group,
            &partition.topic,
            &partition.partition.to_string(),
            &offset.to_string(),
        ));
    }
    text + "\n"
}

pub(super) fn as_json(plan: &Plan) -> Value {
    let row = |(group, partition, offset): (&str, &TopicPartition, i64)| {
        json!({
            "group": group,
            "topic": &*partition.topic,
            "partition": partition.partition,
            "newOffset": offset,
        })
    };
    rows(plan).map(row).collect()
}

fn rows(plan: &Plan) -> impl Iterator<Item = (&str, &TopicPartition, i64)> {
    plan.iter().flat_map(|(group, offsets)| {
        let of_group = offsets.iter();
        of_group.map(move |(partition, offset)| (group.as_str(), partition, *offset))
    })
}

/// `topic,partition,offset` lines, with the group before it unless only one was asked for.
pub(super) fn to_csv(plan: &Plan, with_group: bool) -> String {
    let line = |(group, p, offset): (&str, &TopicPartition, i64)| {
        let group = if with_group {
            quoted(group) + ","
        } else {
            String::new()
        };
        format!("{group}{},{},{offset}\n", quoted(&p.topic), p.partition)
    };
    rows(plan).map(line).collect()
}

/// Reads what [`to_csv`] writes; lines without a group are for `group`, if only one was asked for.
pub(super) fn from_csv(text: &str, group: Option<&str>) -> Result<Plan> {
    let mut plan = Plan::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = || {
            anyhow!(
                "line {} of the reset plan is not [group,]topic,partition,offset: {line}",
                index + 1
            )
        };
        let fields = fields(line).ok_or_else(wrong)?;
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let (group, [topic, partition, offset]) = match (fields.as_slice(), group) {
            ([topic, partition, offset], Some(group)) => (group, [*topic, *partition, *offset]),
            ([group, topic, partition, offset], _) => (*group, [*topic, *partition, *offset]),
            _ => return Err(wrong()),
        };
        let partition: i32 = partition.trim().parse().map_err(|_| wrong())?;
        let offset: i64 = offset.trim().parse().map_err(|_| wrong())?;
        let of_group = plan.entry(group.to_owned()).or_default();
        of_group.insert(TopicPartition::new(topic, partition), offset);
    }
    Ok(plan)
}

/// A field with quotes where Jackson, which writes Kafka's, sets them: around everything longer
/// than 24 characters, and whatever sorts up to the comma.
fn quoted(field: &str) -> String {
    if field.chars().count() > 24 || field.chars().any(|c| c <= ',') {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The fields of a line; none if a quote is not closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(rows: &[(&str, &str, i32, i64)]) -> Plan {
        let mut plan = Plan::new();
        for (group, topic, partition, offset) in rows {
            let of_group = plan.entry((*group).to_owned()).or_default();
            of_group.insert(TopicPartition::new(*topic, *partition), *offset);
        }
        plan
    }

    #[test]
    fn exported() {
        let long = "a-topic-with-a-rather-long-name";
        let plan = plan(&[("g", "t", 0, 5), ("g", long, 1, 6), ("h,i", "t", 0, 7)]);
        assert_eq!(
            to_csv(&plan, true),
            format!("g,\"{long}\",1,6\ng,t,0,5\n\"h,i\",t,0,7\n")
        );
        assert_eq!(
            to_csv(&plan, false),
            format!("\"{long}\",1,6\nt,0,5\nt,0,7\n")
        );
        let lines: Vec<String> = table(&plan).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0], "");
        assert_eq!(
            lines[3],
            format!("{:<30} {:<30} {:<10} {:<15}", "g", "t", 0, 5)
        );
        assert_eq!(table(&Plan::new()), "");
    }

    #[test]
    fn imported() {
        let check = |text: &str, group: Option<&str>, expected: Option<Plan>| {
            assert_eq!(from_csv(text, group).ok(), expected, "{text:?}");
        };
        let one = || Some(plan(&[("g", "t", 0, 5)]));
        check("t,0,5\n\n", Some("g"), one());
        check("t,0,5\r\n", Some("g"), one());
        check("g,t,0,5", Some("other"), one());
        check("\"g\",\"t\",0,5", None, one());
        check("t,0,5", None, None);
        check("t,0", Some("g"), None);
        check("t,a,5", Some("g"), None);
        check("\"t,0,5", Some("g"), None);
        check("", None, Some(Plan::new()));
    }

    proptest! {
        #[test]
        fn exported_and_imported(
            rows in proptest::collection::vec(("[a-z,\" .]{1,30}", "[a-z._-]{1,30}", 0..9, 0..99i64), 0..9),
        ) {
            let rows: Vec<_> = rows.iter().map(|(g, t, p, o)| (&**g, &**t, *p, *o)).collect();
            let plan = plan(&rows);
            prop_assert_eq!(from_csv(&to_csv(&plan, true), None).ok(), Some(plan));
        }
    }
}
