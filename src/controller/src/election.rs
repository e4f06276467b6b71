//! Who leads: the pure question at the heart of the controller (`Election.scala`).

use ottla_metadata::BrokerId;

use crate::LeaderIsr;

/// How a replica stands at the moment of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// Its broker is registered and its disk works.
    Live,
    /// The same, but the broker is leaving in good order.
    Draining,
    /// Its broker or disk is gone, or it is no replica of the partition.
    Dead,
}

/// What an election may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `unclean.leader.election.enable`.
    pub(crate) unclean: bool,
    /// Whether an unclean leader is marked as recovering (3.2).
    pub(crate) leader_recovery: bool,
    /// Whether the preferred leader is wanted although another one lives.
    pub(crate) preferred: bool,
}

/// The first state of a partition: led by its first live replica, with all live ones in sync.
/// `None` while no replica lives.
pub(crate) fn initial(
    replicas: &[BrokerId],
    liveness: impl Fn(BrokerId) -> Liveness,
    controller_epoch: i32,
) -> Option<LeaderIsr> {
    let isr: Vec<_> = replicas
        .iter()
        .copied()
        .filter(|id| liveness(*id) == Liveness::Live)
        .collect();
    Some(LeaderIsr {
        leader: Some(*isr.first()?),
        leader_epoch: 0,
        isr,
        controller_epoch,
        recovering: false,
    })
}

/// The state that must replace `now`, or `None` if it can stay.
///
/// One decision covers what Kafka does in two: a new leader is elected and everyone who cannot
/// follow leaves the in-sync replicas in the same write, so the leader epoch grows by one. When no
/// in-sync replica lives, all of them stay listed: each of them holds everything acknowledged, and
/// whoever returns first can lead.
pub(crate) fn revise(
    now: &LeaderIsr,
    replicas: &[BrokerId],
    liveness: impl Fn(BrokerId) -> Liveness,
    policy: Policy,
    controller_epoch: i32,
) -> Option<LeaderIsr> {
    let live = |id: &BrokerId| liveness(*id) == Liveness::Live;
    let in_sync = |id: &BrokerId| now.isr.contains(id);
    let next = |leader: Option<BrokerId>, isr: Vec<BrokerId>, recovering: bool| LeaderIsr {
        leader,
        leader_epoch: now.leader_epoch.saturating_add(1),
        isr,
        controller_epoch,
        recovering,
    };
    let live_isr: Vec<BrokerId> = now.isr.iter().copied().filter(live).collect();
    let heir = || replicas.iter().copied().find(|id| live(id) && in_sync(id));

    match now.leader.map(|leader| (leader, liveness(leader))) {
        Some((leader, Liveness::Live)) => {
            let preferred = replicas
                .first()
                .copied()
                .filter(|id| policy.preferred && *id != leader && live(id) && in_sync(id));
            let shrunk = in_sync(&leader) && live_isr != now.isr;
            match preferred {
                Some(id) => Some(next(Some(id), live_isr, now.recovering)),
                None if shrunk => Some(next(Some(leader), live_isr, now.recovering)),
                None => None,
            }
        }
        Some((leader, Liveness::Draining)) => match heir() {
            Some(heir) => Some(next(Some(heir), live_isr, now.recovering)),
            None => {
                let isr: Vec<_> = now
                    .isr
                    .iter()
                    .copied()
                    .filter(|id| *id == leader || live(id))
                    .collect();
                (isr.contains(&leader) && isr != now.isr)
                    .then(|| next(Some(leader), isr, now.recovering))
            }
        },
        gone => match heir() {
            Some(heir) => Some(next(Some(heir), live_isr, now.recovering)),
            None => match replicas
                .iter()
                .copied()
                .find(live)
                .filter(|_| policy.unclean)
            {
                Some(unclean) => Some(next(
                    Some(unclean),
                    vec![unclean],
                    policy.leader_recovery || now.recovering,
                )),
                None => gone.map(|_| next(None, now.isr.clone(), now.recovering)),
            },
        },
    }
}

/// The same leadership as a new decision, to be written where the node was lost. A leader that is
/// not in sync with itself, which only a mistake can have made, is left out.
pub(crate) fn renew(now: &LeaderIsr, controller_epoch: i32) -> LeaderIsr {
    LeaderIsr {
        leader: now.leader.filter(|id| now.isr.contains(id)),
        leader_epoch: now.leader_epoch.saturating_add(1),
        controller_epoch,
        ..now.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<BrokerId> {
        text.split_whitespace()
            .map(|id| BrokerId(id.parse().unwrap()))
            .collect()
    }

    /// `before` and `after` are "leader | isr"; brokers not named live or draining are dead.
    fn check(before: &str, live: &str, draining: &str, policy: Policy, after: Option<&str>) {
        let parse = |text: &str| {
            let (leader, isr) = text.split_once('|').unwrap();
            (ids(leader).first().copied(), ids(isr))
        };
        let (leader, isr) = parse(before);
        let now = LeaderIsr {
            leader,
            leader_epoch: 5,
            isr,
            controller_epoch: 1,
            recovering: false,
        };
        let (live, draining) = (ids(live), ids(draining));
        let liveness = |id: BrokerId| match id {
            id if live.contains(&id) => Liveness::Live,
            id if draining.contains(&id) => Liveness::Draining,
            _ => Liveness::Dead,
        };
        let got = revise(&now, &ids("1 2 3"), liveness, policy, 2);
        let want = after.map(|text| {
            let (leader, isr) = parse(text);
            LeaderIsr {
                leader,
                leader_epoch: 6,
                isr,
                controller_epoch: 2,
                recovering: false,
            }
        });
        let plain = got.map(|state| LeaderIsr {
            recovering: false,
            ..state
        });
        assert_eq!(plain, want, "{before} live {live:?} draining {draining:?}");
    }

    #[test]
    fn elections() {
        let clean = Policy {
            unclean: false,
            leader_recovery: true,
            preferred: false,
        };
        let unclean = Policy {
            unclean: true,
            ..clean
        };
        let preferred = Policy {
            preferred: true,
            ..clean
        };
        check("1|1 2 3", "1 2 3", "", clean, None);
        check("1|1 2", "2 3", "", clean, Some("2|2"));
        check("1|3 1 2", "2 3", "", clean, Some("2|3 2"));
        check("1|1 2", "1 3", "", clean, Some("1|1"));
        check("1|1", "2 3", "", clean, Some("|1"));
        check("1|1 2", "3", "", clean, Some("|1 2"));
        check("|1", "2 3", "", clean, None);
        check("|1", "1 2 3", "", clean, Some("1|1"));
        check("1|1", "2 3", "", unclean, Some("2|2"));
        check("1|1 2", "2 3", "", unclean, Some("2|2"));
        check("|1", "", "", unclean, None);
        check("2|2 1", "1 2 3", "", preferred, Some("1|2 1"));
        check("2|2 3", "1 2 3", "", preferred, None);
        check("1|1 2", "2 3", "1", clean, Some("2|2"));
        check("1|1", "2 3", "1", clean, None);
        check("1|1 2", "3", "1", clean, Some("1|1"));
        check("2|1 2 3", "2 3", "1", clean, Some("2|2 3"));
        // A leader that is no replica counts as dead; an ISR without its leader is left alone.
        check("9|9 2", "2 3", "", clean, Some("2|2"));
        check("1|2 3", "1 2", "", clean, None);
    }

    #[test]
    fn unclean_leaders_are_marked_as_recovering() {
        let now = LeaderIsr {
            leader: None,
            leader_epoch: 0,
            isr: ids("1"),
            controller_epoch: 1,
            recovering: false,
        };
        let liveness = |id| match id {
            BrokerId(2) => Liveness::Live,
            _ => Liveness::Dead,
        };
        for leader_recovery in [false, true] {
            let policy = Policy {
                unclean: true,
                leader_recovery,
                preferred: false,
            };
            let next = revise(&now, &ids("1 2"), liveness, policy, 1).unwrap();
            assert_eq!(next.recovering, leader_recovery);
        }
    }

    #[test]
    fn first_leaders() {
        let live_2_3 = |id| match id {
            BrokerId(2 | 3) => Liveness::Live,
            _ => Liveness::Dead,
        };
        let first = initial(&ids("1 3 2"), live_2_3, 7).unwrap();
        assert_eq!((first.leader, first.isr), (Some(BrokerId(3)), ids("3 2")));
        assert_eq!((first.leader_epoch, first.controller_epoch), (0, 7));
        assert_eq!(initial(&ids("1"), live_2_3, 7), None);
    }
}
