//! `--describe`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use ottla_client::{Admin, Committed, GroupDescription, decode_assignment};
use ottla_metadata::TopicPartition;
use serde_json::{Value, json};

use super::{Args, scope};
use crate::cli;

pub(super) async fn describe(admin: &Admin, args: &Args) -> Result<()> {
    let mut values = Vec::new();
    for group in args.groups(admin).await? {
        let described = consumers(admin, &group).await?;
        if args.members {
            let members = members(&described)?;
            if args.json {
                values.extend(members.iter().map(|m| m.as_json(&group)));
            } else {
                note(&described);
                cli::print(&member_table(&group, &members, args.verbose));
            }
        } else if args.state.is_some() {
            if args.json {
                values.push(state_json(&described));
            } else if note(&described) {
                cli::print(&state_table(&described));
            }
        } else {
            let rows = offsets(admin, &described).await?;
            if args.json {
                values.extend(rows.iter().map(|r| r.as_json(&group)));
            } else if note(&described) && !rows.is_empty() {
                cli::print(&offset_table(&group, &rows));
            }
        }
    }
    if args.json {
        cli::print_json(&values.into());
    }
    Ok(())
}

/// What is known of a group, if its members are consumers.
pub(super) async fn consumers(admin: &Admin, group: &str) -> Result<GroupDescription> {
    let described = admin.describe_group(group).await?;
    let kind = &described.protocol_type;
    if !kind.is_empty() && kind != "consumer" {
        bail!("group {group} is not a consumer group but of type {kind}");
    }
    Ok(described)
}

/// Says what should be known of the group's state. Answers whether the group exists.
fn note(group: &GroupDescription) -> bool {
    let name = &group.group;
    match group.state.as_str() {
        "Dead" => {
            cli::print(&format!(
                "\nError: Consumer group '{name}' does not exist.\n"
            ));
            return false;
        }
        "Empty" => eprintln!("\nConsumer group '{name}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{name}' is rebalancing.");
        }
        _ => {}
    }
    true
}

/// A partition of which the group has an offset or a member.
#[derive(Debug)]
struct OffsetRow {
    partition: TopicPartition,
    offset: Option<i64>,
    end: Option<i64>,
    /// Id, host and client id of the member.
    member: Option<(String, String, String)>,
}

async fn offsets(admin: &Admin, group: &GroupDescription) -> Result<Vec<OffsetRow>> {
    let committed = admin.group_offsets(&group.group).await?;
    let mut rows = offset_rows(&members(group)?, &committed);
    let partitions: BTreeSet<TopicPartition> = rows.iter().map(|r| r.partition.clone()).collect();
    let ends = scope::known_ends(admin.cluster(), &partitions).await?;
    for row in &mut rows {
        row.end = ends.get(&row.partition).copied();
    }
    Ok(rows)
}

/// The members' partitions, those of the member with most first, then what is nobody's.
fn offset_rows(
    members: &[Member],
    committed: &BTreeMap<TopicPartition, Committed>,
) -> Vec<OffsetRow> {
    let mut by_size: Vec<&Member> = members.iter().collect();
    by_size.sort_by_key(|m| Reverse(m.partitions.len()));
    let row = |partition: &TopicPartition, member: Option<&Member>| OffsetRow {
        partition: partition.clone(),
        offset: committed.get(partition).map(|c| c.offset),
        end: None,
        member: member.map(|m| (m.id.clone(), m.host.clone(), m.client_id.clone())),
    };
    let mut assigned = BTreeSet::new();
    let mut rows = Vec::new();
    for member in by_size {
        assigned.extend(member.partitions.iter());
        rows.extend(member.partitions.iter().map(|p| row(p, Some(member))));
    }
    let left = committed.keys().filter(|p| !assigned.contains(p));
    rows.extend(left.map(|p| row(p, None)));
    rows
}

impl OffsetRow {
    fn lag(&self) -> Option<i64> {
        Some(self.end?.saturating_sub(self.offset?))
    }

    fn as_json(&self, group: &str) -> Value {
        let member = self.member.as_ref();
        json!({
            "group": group,
            "topic": &*self.partition.topic,
            "partition": self.partition.partition,
            "currentOffset": self.offset,
            "logEndOffset": self.end,
            "lag": self.lag(),
            "consumerId": member.map(|m| &m.0),
            "host": member.map(|m| &m.1),
            "clientId": member.map(|m| &m.2),
        })
    }
}

/// The longest of these, at least 15.
fn width<'a>(values: impl Iterator<Item = &'a str>) -> usize {
    values.map(|v| v.chars().count()).max().unwrap_or(0).max(15)
}

fn offset_table(group: &str, rows: &[OffsetRow]) -> String {
    let of_group = width([group].into_iter());
    let of_topic = width(rows.iter().map(|r| &*r.partition.topic));
    let members = || rows.iter().filter_map(|r| r.member.as_ref());
    let of_id = width(members().map(|m| m.0.as_str()));
    let of_host = width(members().map(|m| m.1.as_str()));
    let line = |cells: [&str; 9]| {
        let [group, topic, partition, offset, end, lag, id, host, client] = cells;
        format!(
            "\n{group:<of_group$} {topic:<of_topic$} {partition:<10} {offset:<15} {end:<15} {lag:<15} {id:<of_id$} \
             {host:<of_host$} {client}"
        )
    };
    let mut text = line([
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    for row in rows {
        let (id, host, client) = match &row.member {
            Some((id, host, client)) => (id.as_str(), host.as_str(), client.as_str()),
            None => ("-", "-", "-"),
        };
        text.push_str(&line([
            group,
            &row.partition.topic,
            &row.partition.partition.to_string(),
            &number(row.offset),
            &number(row.end),
            &number(row.lag()),
            id,
            host,
            client,
        ]));
    }
    text + "\n"
}

/// A consumer of the group.
#[derive(Debug)]
struct Member {
    id: String,
    instance: Option<String>,
    host: String,
    client_id: String,
    partitions: Vec<TopicPartition>,
}

fn members(group: &GroupDescription) -> Result<Vec<Member>> {
    let member = |m: &ottla_client::GroupMember| {
        Ok(Member {
            id: m.id.clone(),
            instance: m.instance.clone(),
            host: m.host.clone(),
            client_id: m.client_id.clone(),
            partitions: decode_assignment(&m.assignment)?,
        })
    };
    group.members.iter().map(member).collect()
}

impl Member {
    fn as_json(&self, group: &str) -> Value {
        let partition = |p: &TopicPartition| json!({"topic": &*p.topic, "partition": p.partition});
        json!({
            "group": group,
            "consumerId": self.id,
            "groupInstanceId": self.instance,
            "host": self.host,
            "clientId": self.client_id,
            "partitions": self.partitions.iter().map(partition).collect::<Vec<_>>(),
        })
    }

    /// `t(0,1), u(2)`. The tool of 3.9 lost the topics' names in its move to Java; those before
    /// have them.
    fn assignment(&self) -> String {
        let mut topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for p in &self.partitions {
            let of_topic = topics.entry(&p.topic).or_default();
            of_topic.push(p.partition.to_string());
        }
        if topics.is_empty() {
            return "-".to_owned();
        }
        let topics = topics
            .into_iter()
            .map(|(name, list)| format!("{name}({})", list.join(",")));
        topics.collect::<Vec<_>>().join(", ")
    }
}

fn member_table(group: &str, members: &[Member], verbose: bool) -> String {
    let of_group = width([group].into_iter());
    let of_id = width(members.iter().map(|m| m.id.as_str()));
    let of_host = width(members.iter().map(|m| m.host.as_str()));
    let of_client = width(members.iter().map(|m| m.client_id.as_str()));
    let instances = || members.iter().filter_map(|m| m.instance.as_deref());
    let of_instance = width(instances()).max(17);
    let with_instance = instances().next().is_some();
    let line = |cells: [&str; 6]| {
        let [group, id, instance, host, client, count] = cells;
        let instance = if with_instance {
            format!("{instance:<of_instance$} ")
        } else {
            String::new()
        };
        format!(
            "{group:<of_group$} {id:<of_id$} {instance}{host:<of_host$} {client:<of_client$} {count:<15} "
        )
    };
    let titles = [
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
    ];
    let last = |text: &str| {
        if verbose {
            format!("{text}\n")
        } else {
            "\n".to_owned()
        }
    };
    let mut text = format!("\n{}{}", line(titles), last("ASSIGNMENT"));
    for member in members {
        text.push_str(&line([
            group,
            &member.id,
            member.instance.as_deref().unwrap_or_default(),
            &member.host,
            &member.client_id,
            &member.partitions.len().to_string(),
        ]));
        text.push_str(&last(&member.assignment()));
    }
    text
}

fn state_json(group: &GroupDescription) -> Value {
    json!({
        "group": group.group,
        "coordinator": {
            "id": group.coordinator.id.0,
            "host": group.coordinator.host,
            "port": group.coordinator.port,
        },
        "assignmentStrategy": group.protocol,
        "state": group.state,
        "members": group.members.len(),
    })
}

fn state_table(group: &GroupDescription) -> String {
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.host, node.port, node.id);
    // Kafka measures the coordinator and widens the group's column by it.
    let first = coordinator.chars().count().max(25);
    let line = |cells: [&str; 5]| {
        let [group, coordinator, strategy, state, members] = cells;
        format!("\n{group:<first$} {coordinator:<25} {strategy:<20} {state:<15} {members}")
    };
    let titles = line([
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "#MEMBERS",
    ]);
    let row = line([
        &group.group,
        &coordinator,
        &group.protocol,
        &group.state,
        &group.members.len().to_string(),
    ]);
    format!("{titles}{row}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, partitions: &[(&str, i32)]) -> Member {
        Member {
            id: id.to_owned(),
            instance: None,
            host: "/h".to_owned(),
            client_id: "c".to_owned(),
            partitions: partitions
                .iter()
                .map(|(t, p)| TopicPartition::new(*t, *p))
                .collect(),
        }
    }

    #[test]
    fn offsets_and_lag() {
        let members = [
            member("one", &[("t", 2)]),
            member("two", &[("t", 0), ("u", 0)]),
        ];
        let committed = |offset| Committed {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        };
        let offsets = [(("t", 0), 5), (("t", 1), 7)]
            .map(|((t, p), o)| (TopicPartition::new(t, p), committed(o)))
            .into();
        let mut rows = offset_rows(&members, &offsets);
        rows.iter_mut().for_each(|r| r.end = Some(8));
        let found: Vec<String> = offset_table("g", &rows)
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let expected = [
            "",
            "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID",
            "g t 0 5 8 3 two /h c",
            "g u 0 - 8 - two /h c",
            "g t 2 - 8 - one /h c",
            "g t 1 7 8 1 - - -",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn members_and_their_partitions() {
        let check = |partitions: &[(&str, i32)], expected: &str| {
            assert_eq!(member("m", partitions).assignment(), expected);
        };
        check(&[], "-");
        check(&[("t", 0), ("t", 10), ("u", 2)], "t(0,10), u(2)");
        let mut fixed = member("m", &[("t", 0)]);
        fixed.instance = Some("i".to_owned());
        let table = member_table("g", &[fixed, member("n", &[])], true);
        let found: Vec<Vec<&str>> = table
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(found[1][2], "GROUP-INSTANCE-ID");
        assert_eq!(found[2], ["g", "m", "i", "/h", "c", "1", "t(0)"]);
        assert_eq!(found[3], ["g", "n", "/h", "c", "0", "-"]);
    }
}
