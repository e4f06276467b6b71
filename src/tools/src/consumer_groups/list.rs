//! `--list`.

use anyhow::{Result, bail};
use ottla_client::{Admin, GroupListing};
use serde_json::{Value, json};

use super::Args;
use crate::cli;

const STATES: &[&str] = &[
    "PreparingRebalance",
    "CompletingRebalance",
    "Stable",
    "Dead",
    "Empty",
    "Assigning",
    "Reconciling",
];
const KINDS: &[&str] = &["Consumer", "Classic"];

pub(super) async fn list(admin: &Admin, args: &Args) -> Result<()> {
    let states = names(args.state.as_deref(), STATES, "states")?;
    let kinds = names(args.kind.as_deref(), KINDS, "types")?;
    let groups = consumer_groups(admin, &states, &kinds).await?;
    if args.json {
        cli::print_json(&groups.iter().map(as_json).collect());
    } else {
        cli::print(&table(&groups, args.kind.is_some(), args.state.is_some()));
    }
    Ok(())
}

/// The groups of consumers, and those that have offsets but never had members.
pub(super) async fn consumer_groups(
    admin: &Admin,
    states: &[String],
    kinds: &[String],
) -> Result<Vec<GroupListing>> {
    let mut groups = admin.list_groups(states, kinds).await?;
    groups.retain(|g| g.protocol_type.is_empty() || g.protocol_type == "consumer");
    Ok(groups)
}

/// The names in a list with commas, in the spelling of `known` whatever theirs is.
fn names(list: Option<&str>, known: &[&str], what: &str) -> Result<Vec<String>> {
    let list = list.unwrap_or_default();
    let mut names = Vec::new();
    for name in list.split(',').map(str::trim).filter(|_| !list.is_empty()) {
        match known.iter().find(|k| k.eq_ignore_ascii_case(name)) {
            Some(known) => names.push((*known).to_owned()),
            None => bail!(cli::usage(format!(
                "Invalid list of {what} '{list}'. Valid {what} are: {}",
                known.join(", ")
            ))),
        }
    }
    Ok(names)
}

fn table(groups: &[GroupListing], with_kind: bool, with_state: bool) -> String {
    if !with_kind && !with_state {
        return groups.iter().map(|g| format!("{}\n", g.group)).collect();
    }
    let lengths = groups.iter().map(|g| g.group.chars().count());
    let width = lengths.max().unwrap_or(0).max(15) + 10;
    let line = |group: &str, kind: &str, state: &str| {
        let mut line = format!("{group:<width$}");
        if with_kind {
            line.push_str(&format!(" {kind:<20}"));
        }
        if with_state {
            line.push_str(&format!(" {state:<20}"));
        }
        line + "\n"
    };
    let mut text = line("GROUP", "TYPE", "STATE");
    for group in groups {
        // Brokers write it small, Kafka's tool does not.
        let kind = group.kind.as_deref().and_then(|kind| {
            let known = KINDS.iter().find(|k| k.eq_ignore_ascii_case(kind));
            known.copied()
        });
        let state = group.state.as_deref().filter(|s| !s.is_empty());
        text.push_str(&line(
            &group.group,
            kind.unwrap_or("Unknown"),
            state.unwrap_or("Unknown"),
        ));
    }
    text
}

fn as_json(group: &GroupListing) -> Value {
    json!({
        "group": group.group,
        "protocolType": group.protocol_type,
        "state": group.state,
        "type": group.kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings() {
        let group = |name: &str, state: Option<&str>| GroupListing {
            group: name.to_owned(),
            protocol_type: "consumer".to_owned(),
            state: state.map(str::to_owned),
            kind: None,
        };
        let groups = [group("a", Some("Stable")), group("b", None)];
        assert_eq!(table(&groups, false, false), "a\nb\n");
        let wide = |group: &str, state: &str| format!("{group:<25} {state:<20}\n");
        let expected = [("GROUP", "STATE"), ("a", "Stable"), ("b", "Unknown")];
        let expected: String = expected.iter().map(|(g, s)| wide(g, s)).collect();
        assert_eq!(table(&groups, false, true), expected);
    }

    #[test]
    fn names_are_known_ones() {
        let check = |list: &str, expected: Option<&[&str]>| {
            let found = names(Some(list), STATES, "state").ok();
            let expected = expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
            assert_eq!(found, expected, "{list}");
        };
        check("", Some(&[]));
        check("stable, EMPTY", Some(&["Stable", "Empty"]));
        check("unknown", None);
        check("stable,", None);
        assert_eq!(names(None, STATES, "state").unwrap(), Vec::<String>::new());
    }
}
