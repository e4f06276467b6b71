//! Where the replicas of new partitions go (`AdminUtils.assignReplicasToBrokers`). Chance comes in
//! as arguments.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::BrokerId;

/// Where to begin in the list of brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Index of the first replica of partition 0; random for a new topic, of partition 0's first
    /// replica when partitions are added.
    pub index: usize,
    /// How far the second replica is from the first; random or the same as `index`.
    pub shift: usize,
}

/// A broker that can take replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: BrokerId,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// Why replicas cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// More replicas than brokers, or none.
    #[error("{replication_factor} replicas cannot be placed on {brokers} brokers")]
    ReplicationFactor {
        /// Replicas asked for.
        replication_factor: usize,
        /// Brokers there are.
        brokers: usize,
    },
    /// Some brokers have a rack and others none.
    #[error("not all brokers have a rack, so replicas cannot be spread over racks")]
    RacksMissing,
}

/// Places `count` partitions numbered from `first_partition`.
///
/// Without racks, first replicas go round the brokers and the others follow at a growing distance.
/// With a rack on every broker, brokers are taken rack by rack in turn, and no rack gets a second
/// replica of a partition before every rack has one.
///
/// # Errors
/// If there are fewer brokers than replicas, or only some brokers have a rack.
pub fn place(
    brokers: &[Candidate],
    count: i32,
    replication_factor: usize,
    first_partition: i32,
    start: Start,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, PlacementError> {
    if replication_factor == 0 || replication_factor > brokers.len() {
        return Err(PlacementError::ReplicationFactor {
            replication_factor,
            brokers: brokers.len(),
        });
    }
    let with_rack = brokers
        .iter()
        .filter(|broker| broker.rack.is_some())
        .count();
    if with_rack != 0 && with_rack != brokers.len() {
        return Err(PlacementError::RacksMissing);
    }
    let racks: Option<BTreeMap<BrokerId, &str>> = brokers
        .iter()
        .map(|broker| Some((broker.id, broker.rack.as_deref()?)))
        .collect();
    let order = match &racks {
        Some(racks) => alternate(racks),
        None => {
            let mut ids: Vec<_> = brokers.iter().map(|broker| broker.id).collect();
            ids.sort_unstable();
            ids
        }
    };
    let rack_count = racks
        .as_ref()
        .map_or(1, |racks| racks.values().collect::<BTreeSet<_>>().len());

    let mut placed = BTreeMap::new();
    let mut shift = start.shift;
    for partition in (first_partition..).take(usize::try_from(count).unwrap_or(0)) {
        let number = usize::try_from(partition).unwrap_or(0);
        if number > 0 && number % order.len() == 0 {
            shift += 1;
        }
        let first = (number + start.index) % order.len();
        let replicas = match &racks {
            None => (0..replication_factor)
                .map(|n| order[nth(first, shift, n, order.len())])
                .collect(),
            Some(racks) => spread(&order, racks, rack_count, first, shift, replication_factor),
        };
        placed.insert(partition, replicas);
    }
    Ok(placed)
}

/// Index of a partition's `n`-th replica, the leader being the 0-th.
fn nth(first: usize, shift: usize, n: usize, brokers: usize) -> usize {
    match n {
        0 => first,
        _ => (first + 1 + (shift + n - 1) % (brokers - 1)) % brokers,
    }
}

/// One partition's replicas, a rack each as long as there are racks without one.
fn spread(
    order: &[BrokerId],
    racks: &BTreeMap<BrokerId, &str>,
    rack_count: usize,
    first: usize,
    shift: usize,
    replication_factor: usize,
) -> Vec<BrokerId> {
    let mut replicas = vec![order[first]];
    let mut used: BTreeSet<Option<&&str>> = BTreeSet::from([racks.get(&order[first])]);
    let mut n = 1;
    while replicas.len() < replication_factor {
        let broker = order[nth(first, shift * rack_count, n, order.len())];
        let rack = racks.get(&broker);
        let rack_is_free = !used.contains(&rack) || used.len() == rack_count;
        if rack_is_free && !replicas.contains(&broker) {
            replicas.push(broker);
            used.insert(rack);
        }
        n += 1;
    }
    replicas
}

/// Brokers ordered so that neighbours are of different racks: the first of each rack in order of
/// the racks' names, then the second of each, and so on.
fn alternate(racks: &BTreeMap<BrokerId, &str>) -> Vec<BrokerId> {
    let mut by_rack: BTreeMap<&str, Vec<BrokerId>> = BTreeMap::new();
    for (id, rack) in racks {
        by_rack.entry(rack).or_default().push(*id);
    }
    let longest = by_rack.values().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|n| by_rack.values().filter_map(move |ids| ids.get(n).copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates(racks: &[Option<&str>]) -> Vec<Candidate> {
        (0..)
            .zip(racks)
            .map(|(id, rack)| Candidate {
                id: BrokerId(id),
                rack: rack.map(str::to_owned),
            })
            .collect()
    }

    fn check(
        racks: &[Option<&str>],
        count: i32,
        rf: usize,
        first: i32,
        start: usize,
        want: &[&str],
    ) {
        let start = Start {
            index: start,
            shift: start,
        };
        let got = place(&candidates(racks), count, rf, first, start).unwrap();
        let got: Vec<String> = got
            .values()
            .map(|ids| {
                ids.iter()
                    .map(|id| id.to_string())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(got, want);
    }

    /// The two tables in the documentation of Kafka's `AdminUtils`.
    #[test]
    fn kafka_s_examples() {
        check(
            &[None; 5],
            10,
            3,
            0,
            0,
            &[
                "0 1 2", "1 2 3", "2 3 4", "3 4 0", "4 0 1", "0 2 3", "1 3 4", "2 4 0", "3 0 1",
                "4 1 2",
            ],
        );
        let racks = ["rack1", "rack3", "rack3", "rack2", "rack2", "rack1"].map(Some);
        check(
            &racks,
            7,
            3,
            0,
            0,
            &[
                "0 3 1", "3 1 5", "1 5 4", "5 4 2", "4 2 0", "2 0 3", "0 4 2",
            ],
        );
        check(&[None], 2, 1, 5, 0, &["0", "0"]);
    }

    /// What `AdminUtils` of 3.9 answers to random questions: brokers with racks, number of partitions,
    /// replication factor, start, first partition, and then the replicas.
    #[test]
    fn as_kafka_places_them() {
        for line in [
            "1:-,2:-,3:-,5:-,7:-, 4 5 0 1 1=2.3.5.7.1.;2=3.5.7.1.2.;3=5.7.1.2.3.;4=7.1.2.3.5.;",
            "1:-,2:-,5:-,6:-,8:-,10:-,12:-, 1 2 1 4 4=10.1.;",
            "2:r0,3:r0,6:r0,8:r0,10:r0,11:r0, 2 6 1 8 8=8.11.2.3.6.10.;9=10.2.3.6.8.11.;",
            "1:r2,4:r2,7:r1,9:r0,12:r1,15:r1,17:r2, 3 6 3 4 4=9.4.15.17.7.1.;5=7.17.9.1.12.4.;6=1.9.7.12.4.15.;",
            "1:r1,2:r1,4:r0,6:r1,8:r1,10:r1, 1 5 1 7 7=2.4.1.6.8.;",
            "3:r2,4:r1,6:r0,7:r1,8:r1,9:r2,10:r2,13:r1, 3 5 3 0 0=7.10.6.4.3.;1=9.13.6.4.3.;2=8.6.3.7.9.;",
            "3:r2,5:r2,8:r0,11:r0, 2 3 0 6 6=11.5.8.;7=5.8.3.;",
            "3:r0,6:r0,9:r0,11:r0,13:r0, 2 5 2 7 7=13.9.11.3.6.;8=3.11.13.6.9.;",
            "2:-,3:-,6:-,9:-, 6 2 3 2 2=3.6.;3=6.9.;4=9.3.;5=2.6.;6=3.9.;7=6.2.;",
            "1:-,3:-,4:-,6:-,9:-,10:-,11:-, 3 2 0 4 4=9.10.;5=10.11.;6=11.1.;",
            "1:r0,2:r0,5:r0,7:r0,8:r0,11:r0,13:r0, 4 3 6 9 9=2.5.7.;10=5.7.8.;11=7.8.11.;12=8.11.13.;",
            "2:r0,5:r2,6:r1,9:r1, 5 2 1 9 9=5.9.;10=9.2.;11=2.6.;12=6.5.;13=5.9.;",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<i32>().unwrap();
            let brokers: Vec<Candidate> = words[0]
                .split_terminator(',')
                .map(|broker| broker.split_once(':').unwrap())
                .map(|(id, rack)| Candidate {
                    id: BrokerId(id.parse().unwrap()),
                    rack: (rack != "-").then(|| rack.to_owned()),
                })
                .collect();
            let start = Start {
                index: number(3) as usize,
                shift: number(3) as usize,
            };
            let placed = place(&brokers, number(1), number(2) as usize, number(4), start).unwrap();
            let mut shown = String::new();
            for (partition, replicas) in placed {
                shown += &format!("{partition}=");
                replicas.iter().for_each(|id| shown += &format!("{id}."));
                shown += ";";
            }
            assert_eq!(shown, words[5], "{line}");
        }
    }

    #[test]
    fn too_few_brokers() {
        let start = Start { index: 0, shift: 0 };
        assert!(place(&candidates(&[None]), 1, 2, 0, start).is_err());
        assert!(place(&[], 1, 1, 0, start).is_err());
        assert!(place(&candidates(&[None]), 1, 0, 0, start).is_err());
        assert_eq!(
            place(&candidates(&[Some("a"), None]), 1, 1, 0, start),
            Err(PlacementError::RacksMissing)
        );
    }

    proptest! {
        #[test]
        fn replicas_are_distinct_and_spread_over_racks(
            racks in prop::collection::vec(0u8..4, 1..12),
            count in 1i32..40,
            rf in 1usize..12,
            (index, shift) in (0usize..12, 0usize..12),
        ) {
            let names: Vec<String> = racks.iter().map(|rack| format!("r{rack}")).collect();
            let racks: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
            let rf = rf.min(racks.len());
            let brokers = candidates(&racks);
            let start = Start { index: index % racks.len(), shift };
            let placed = place(&brokers, count, rf, 0, start).unwrap();
            prop_assert_eq!(placed.len(), count as usize);
            let rack_count = names.iter().collect::<BTreeSet<_>>().len();
            for replicas in placed.values() {
                prop_assert_eq!(replicas.len(), rf);
                prop_assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), rf);
                let used = replicas.iter().map(|id| &names[id.0 as usize]).collect::<BTreeSet<_>>();
                prop_assert_eq!(used.len(), rack_count.min(rf));
            }
        }
    }
}
