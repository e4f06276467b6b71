//! Replica assignments as people write them: `0:1,1:2`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use ottla_metadata::BrokerId;

/// Brokers of partition 0, of partition 1, and so on.
pub(super) fn parse(text: &str) -> Result<BTreeMap<i32, Vec<BrokerId>>> {
    let mut assignment: BTreeMap<i32, Vec<BrokerId>> = BTreeMap::new();
    for (partition, list) in (0..).zip(text.split(',')) {
        let brokers = list
            .split(':')
            .map(|id| id.trim().parse().map(BrokerId))
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("{list:?} is not a list of broker ids such as 0:1:2"))?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = brokers.iter().find(|id| !seen.insert(**id)) {
            bail!("Partition replica lists may not contain duplicate entries: {twice}");
        }
        let first = assignment.get(&0).map_or(brokers.len(), Vec::len);
        if brokers.len() != first {
            let ids: Vec<_> = brokers.iter().map(ToString::to_string).collect();
            bail!(
                "Partition {partition} has different replication factor: [{}]",
                ids.join(", ")
            );
        }
        assignment.insert(partition, brokers);
    }
    Ok(assignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        let check = |text: &str, expected: Result<&[&[i32]], &str>| {
            let found = parse(text)
                .map(|a| {
                    a.into_values()
                        .map(|ids| ids.into_iter().map(|id| id.0).collect())
                        .collect::<Vec<Vec<i32>>>()
                })
                .map_err(|e| e.to_string());
            let expected = expected
                .map(|lists| lists.iter().map(|l| l.to_vec()).collect())
                .map_err(str::to_owned);
            assert_eq!(found, expected, "{text}");
        };
        check("0:1,1:2", Ok(&[&[0, 1], &[1, 2]]));
        check("0", Ok(&[&[0]]));
        check(" 0 : 1 ,1:2", Ok(&[&[0, 1], &[1, 2]]));
        check(
            "0:0",
            Err("Partition replica lists may not contain duplicate entries: 0"),
        );
        check(
            "0,1:2",
            Err("Partition 1 has different replication factor: [1, 2]"),
        );
        check("a", Err("\"a\" is not a list of broker ids such as 0:1:2"));
    }
}
