//! Assignments made by hand: what may be wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use ottla_controller::Candidate;
use ottla_metadata::BrokerId;

use crate::InvalidAssignment;

/// Partitions must be numbered from `first` without gaps.
pub(crate) fn check_numbers(
    numbers: impl IntoIterator<Item = i32>,
    first: i32,
) -> Result<(), InvalidAssignment> {
    let missing = (first..)
        .zip(numbers)
        .find(|(expected, number)| expected != number)
        .map(|(expected, _)| expected);
    match missing {
        None => Ok(()),
        Some(missing) => Err(InvalidAssignment::NotConsecutive {
            expected_first: first,
            missing,
        }),
    }
}

/// Every partition needs replicas, none twice, as many as the others (and as `size`, if given), all
/// on brokers that can take replicas.
pub(crate) fn check_lists(
    partitions: &BTreeMap<i32, Vec<BrokerId>>,
    size: Option<usize>,
    brokers: &[Candidate],
) -> Result<(), InvalidAssignment> {
    let Some(first) = partitions.values().next() else {
        return Err(InvalidAssignment::Empty);
    };
    let size = size.unwrap_or(first.len());
    for (number, replicas) in partitions {
        if replicas.is_empty() {
            return Err(InvalidAssignment::NoReplicas(*number));
        }
        if replicas.iter().collect::<BTreeSet<_>>().len() != replicas.len() {
            return Err(InvalidAssignment::DuplicateBroker(*number));
        }
        if replicas.len() != size {
            return Err(InvalidAssignment::DifferentSizes(*number));
        }
        let unknown = replicas
            .iter()
            .find(|id| !brokers.iter().any(|broker| broker.id == **id));
        if let Some(unknown) = unknown {
            return Err(InvalidAssignment::UnknownBroker(*unknown));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lists: &[(i32, &[i32])], size: Option<usize>, want: Result<(), InvalidAssignment>) {
        let partitions: BTreeMap<_, _> = lists
            .iter()
            .map(|(number, ids)| (*number, ids.iter().map(|id| BrokerId(*id)).collect()))
            .collect();
        let brokers = [1, 2].map(|id| Candidate {
            id: BrokerId(id),
            rack: None,
        });
        let got = check_numbers(partitions.keys().copied(), 0)
            .and_then(|()| check_lists(&partitions, size, &brokers));
        assert_eq!(got, want, "{lists:?}");
    }

    #[test]
    fn assignments() {
        use InvalidAssignment::*;
        check(&[(0, &[1, 2]), (1, &[2, 1])], None, Ok(()));
        check(&[], None, Err(Empty));
        check(&[(0, &[])], None, Err(NoReplicas(0)));
        check(&[(0, &[1, 1])], None, Err(DuplicateBroker(0)));
        check(&[(0, &[1, 2]), (1, &[1])], None, Err(DifferentSizes(1)));
        check(&[(0, &[1])], Some(2), Err(DifferentSizes(0)));
        check(&[(0, &[3])], None, Err(UnknownBroker(BrokerId(3))));
        let gap = |missing| {
            Err(NotConsecutive {
                expected_first: 0,
                missing,
            })
        };
        check(&[(1, &[1])], None, gap(0));
        check(&[(0, &[1]), (2, &[1])], None, gap(1));
        check(&[(-1, &[1])], None, gap(0));
    }
}
