//! `--reset-offsets`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use ottla_client::{Admin, OffsetSpec};
use ottla_metadata::TopicPartition;

use super::plan::{self, Plan};
use super::scope::{self, TopicArg};
use super::{Args, describe, failed, time};
use crate::cli;

type Offsets = BTreeMap<TopicPartition, i64>;
type Partitions = BTreeSet<TopicPartition>;

pub(super) async fn reset(admin: &Admin, args: &Args) -> Result<()> {
    let topics: Vec<TopicArg> = args
        .topic
        .iter()
        .map(|t| TopicArg::parse(t))
        .collect::<Result<_>>()?;
    let one_group = match args.group.as_slice() {
        [group] => Some(group.as_str()),
        _ => None,
    };
    let from_file = match &args.target.from_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Some(plan::from_csv(&text, one_group)?)
        }
        None => None,
    };
    let mut done = Plan::new();
    let mut all_done = true;
    for group in args.groups(admin).await? {
        let state = describe::consumers(admin, &group).await?.state;
        if state != "Empty" && state != "Dead" {
            cli::print(&format!(
                "\nError: Assignments can only be reset if the group '{group}' is inactive, but the current state is \
                 {state}.\n"
            ));
            all_done = false;
            done.insert(group, Offsets::new());
            continue;
        }
        let offsets = match &from_file {
            Some(plan) => match plan.get(&group) {
                Some(offsets) => in_range(admin, offsets).await?,
                None => {
                    cli::print(&format!("\nError: No reset plan for group {group} found\n"));
                    all_done = false;
                    Offsets::new()
                }
            },
            None => {
                let partitions = partitions(admin, args, &topics, &group).await?;
                target(admin, args, &group, &partitions).await?
            }
        };
        if args.execute && !offsets.is_empty() {
            admin.alter_group_offsets(&group, &offsets).await?;
        }
        done.insert(group, offsets);
    }
    if args.json {
        cli::print_json(&plan::as_json(&done));
    } else if args.export {
        cli::print(&(plan::to_csv(&done, one_group.is_none()) + "\n"));
    } else {
        cli::print(&plan::table(&done));
    }
    if all_done { Ok(()) } else { Err(failed()) }
}

/// The partitions that are meant.
async fn partitions(
    admin: &Admin,
    args: &Args,
    topics: &[TopicArg],
    group: &str,
) -> Result<Partitions> {
    if args.all_topics {
        return Ok(admin.group_offsets(group).await?.into_keys().collect());
    }
    expand(admin, topics).await?.into_iter().collect()
}

/// The partitions of these arguments; an error in place of each topic that does not exist.
pub(super) async fn expand(
    admin: &Admin,
    topics: &[TopicArg],
) -> Result<Vec<Result<TopicPartition>>> {
    let whole = |arg: &TopicArg| match arg {
        TopicArg::Whole(name) => Some(name.clone()),
        TopicArg::Some(_) => None,
    };
    let names = topics.iter().filter_map(whole).collect();
    let view = scope::topics(admin.cluster(), &names).await?;
    let mut found = Vec::new();
    for arg in topics {
        match arg {
            TopicArg::Some(partitions) => found.extend(partitions.iter().cloned().map(Ok)),
            TopicArg::Whole(name) => match view.topics.get(name).filter(|t| t.error == 0) {
                Some(topic) => {
                    let numbers = topic.partitions.keys();
                    found.extend(numbers.map(|p| Ok(TopicPartition::new(name.clone(), *p))));
                }
                None => found.push(Err(anyhow!("there is no topic {name}"))),
            },
        }
    }
    Ok(found)
}

/// Where these partitions go.
async fn target(
    admin: &Admin,
    args: &Args,
    group: &str,
    partitions: &Partitions,
) -> Result<Offsets> {
    let cluster = admin.cluster();
    let target = &args.target;
    if let Some(offset) = target.to_offset {
        let wanted = partitions.iter().map(|p| (p.clone(), offset)).collect();
        return in_range(admin, &wanted).await;
    }
    if target.to_earliest {
        return scope::offsets(cluster, partitions, OffsetSpec::Earliest).await;
    }
    if target.to_latest {
        return scope::offsets(cluster, partitions, OffsetSpec::Latest).await;
    }
    if let Some(text) = &target.to_datetime {
        return at_time(admin, partitions, time::datetime_ms(text)?).await;
    }
    if let Some(text) = &target.by_duration {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock stands before 1970")?;
        let now = i64::try_from(now.as_millis()).context("the clock is far in the future")?;
        let then = now.checked_sub(time::duration_ms(text)?);
        let then = then.ok_or_else(|| anyhow!("{text} is too long"))?;
        return at_time(admin, partitions, then).await;
    }
    let committed = admin.group_offsets(group).await?;
    if let Some(by) = target.shift_by {
        let mut wanted = Offsets::new();
        for partition in partitions {
            let Some(current) = committed.get(partition) else {
                bail!(cli::usage(format!(
                    "Cannot shift offset for partition {partition} since there is no current committed offset"
                )));
            };
            wanted.insert(partition.clone(), current.offset.saturating_add(by));
        }
        return in_range(admin, &wanted).await;
    }
    // What is left is --to-current.
    let current = |p: &TopicPartition| Some((p.clone(), committed.get(p)?.offset));
    let mut offsets: Offsets = partitions.iter().filter_map(current).collect();
    let without = partitions.iter().filter(|p| !committed.contains_key(p));
    let without = without.cloned().collect();
    offsets.extend(scope::offsets(cluster, &without, OffsetSpec::Latest).await?);
    Ok(offsets)
}

/// The offsets of the first records from this time on, or the ends where there is none.
async fn at_time(admin: &Admin, partitions: &Partitions, ms: i64) -> Result<Offsets> {
    // Numbers below zero mean other things in a request; no record is that old.
    let spec = OffsetSpec::Timestamp(ms.max(0));
    let mut offsets = scope::offsets(admin.cluster(), partitions, spec).await?;
    let none: Partitions = offsets
        .iter()
        .filter(|(_, offset)| **offset < 0)
        .map(|(partition, _)| partition.clone())
        .collect();
    for partition in &none {
        cli::print(&format!(
            "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.\n",
            partition.partition, partition.topic
        ));
    }
    offsets.extend(scope::offsets(admin.cluster(), &none, OffsetSpec::Latest).await?);
    Ok(offsets)
}

/// These offsets, moved to the nearest ends of the logs where they lie outside.
async fn in_range(admin: &Admin, wanted: &Offsets) -> Result<Offsets> {
    let partitions = wanted.keys().cloned().collect();
    let starts = scope::offsets(admin.cluster(), &partitions, OffsetSpec::Earliest).await?;
    let ends = scope::offsets(admin.cluster(), &partitions, OffsetSpec::Latest).await?;
    let mut offsets = Offsets::new();
    for (partition, offset) in wanted {
        let start = starts.get(partition).copied().unwrap_or(0);
        let end = ends.get(partition).copied().unwrap_or(i64::MAX);
        let (offset, warning) = clamp(*offset, start, end);
        if let Some(relation) = warning {
            eprintln!(
                "WARN New offset ({}) is {relation} offset for topic partition {partition}. Value will be set to \
                 {offset}",
                wanted.get(partition).copied().unwrap_or(offset)
            );
        }
        offsets.insert(partition.clone(), offset);
    }
    Ok(offsets)
}

fn clamp(offset: i64, start: i64, end: i64) -> (i64, Option<&'static str>) {
    if offset > end {
        (end, Some("higher than latest"))
    } else if offset < start {
        (start, Some("lower than earliest"))
    } else {
        (offset, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_outside_the_log_are_moved() {
        for (offset, expected) in [(4, 5), (5, 5), (7, 7), (9, 9), (10, 9), (i64::MIN, 5)] {
            assert_eq!(clamp(offset, 5, 9).0, expected, "{offset}");
        }
        assert_eq!(clamp(7, 5, 9).1, None);
        assert_eq!(clamp(3, 5, 9).1, Some("lower than earliest"));
    }
}
