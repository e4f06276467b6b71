//! The rules one by one, as text: events in, actions out.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::BrokerId;
use ottla_partition::{
    Action, Actions, EpochError, Event, LeaderNeeded, Leadership, Partition, RefusedAppend,
    Replicas, Role, Rules, StoreOutcome, Truncation, WaitError, Waiter, WaiterId,
};

const RULES: Rules = Rules {
    min_insync_replicas: 1,
    lag_max_ms: 100,
    lag_max_messages: None,
    truncation: Truncation::OnFetch,
    fetch_backoff_ms: 10,
};

fn ids(ids: &[i32]) -> Replicas {
    ids.iter().copied().map(BrokerId).collect()
}

fn leadership(
    leader_epoch: i32,
    partition_epoch: i32,
    replicas: &[i32],
    isr: &[i32],
) -> Leadership {
    Leadership {
        leader_epoch,
        partition_epoch,
        replicas: ids(replicas),
        isr: ids(isr),
    }
}

fn leader(replicas: &[i32], isr: &[i32], rules: Rules, log_end: i64) -> Partition {
    let mut partition = Partition::new(BrokerId(0), rules, log_end, 0);
    check(
        &mut partition,
        0,
        Event::LiveBrokers(Arc::new(replicas.iter().map(|id| BrokerId(*id)).collect())),
        "",
    );
    let leadership = leadership(5, 1, replicas, isr);
    let mut actions = Actions::new();
    partition.step(
        0,
        Event::MadeLeader {
            leadership,
            log_start: 0,
            log_end,
        },
        &mut actions,
    );
    partition
}

fn text(actions: &[Action]) -> String {
    let words = actions.iter().map(|action| match action {
        Action::AssignEpoch { epoch, start } => format!("epoch {epoch}@{start}"),
        Action::AdvanceHighWatermark(offset) => format!("hw {offset}"),
        Action::StoreIsr { isr, expected, .. } => {
            let isr: Vec<String> = isr.iter().map(|id| id.to_string()).collect();
            format!("store {} if {expected}", isr.join(","))
        }
        Action::TruncateTo(_) | Action::TruncateFullyAndStartAt(_) | Action::AdvanceLogStart(_) => {
            format!("{action:?}")
        }
        Action::Answer {
            waiter,
            result: Ok(()),
        } => format!("ok {}", waiter.0),
        Action::Answer {
            waiter,
            result: Err(error),
        } => format!("{error:?} {}", waiter.0),
    });
    words.collect::<Vec<_>>().join("; ")
}

#[track_caller]
fn check(partition: &mut Partition, now: i64, event: Event, expected: &str) {
    let mut actions = Actions::new();
    partition.step(now, event, &mut actions);
    assert_eq!(text(&actions), expected);
}

fn fetched(from: i32, at: i64) -> Event {
    Event::FollowerFetched {
        from: BrokerId(from),
        at,
        log_start: 0,
    }
}

fn wait(id: u64, required: i64) -> Event {
    Event::AwaitHighWatermark(Waiter {
        id: WaiterId(id),
        required,
        deadline: 1000,
    })
}

#[test]
fn a_sole_replica_commits_what_it_appends() {
    let mut p = Partition::new(BrokerId(0), RULES, 7, 3);
    assert_eq!(p.admit(false), Err(RefusedAppend::NotLeader));
    let made = Event::MadeLeader {
        leadership: leadership(5, 1, &[0], &[0]),
        log_start: 0,
        log_end: 7,
    };
    check(&mut p, 0, made.clone(), "epoch 5@7; hw 7");
    assert_eq!(p.admit(true), Ok(5));
    check(&mut p, 0, Event::Appended { log_end: 9 }, "hw 9");
    assert_eq!(p.committed(9), Some(Ok(())));
    assert_eq!(p.committed(10), None);
    check(&mut p, 0, made, ""); // the same leadership again changes nothing
    assert_eq!(p.high_watermark(), 9);
}

#[test]
fn the_hot_event_allocates_nothing() {
    let mut p = leader(&[0], &[0], RULES, 0);
    let mut actions = Actions::new();
    p.step(0, Event::Appended { log_end: 1 }, &mut actions);
    assert!(!actions.spilled());
}

#[test]
fn the_slowest_in_sync_replica_holds_the_watermark() {
    let mut p = leader(&[0, 1, 2], &[0, 1, 2], RULES, 0);
    check(&mut p, 1, Event::Appended { log_end: 5 }, "");
    check(&mut p, 1, wait(1, 5), "");
    check(&mut p, 1, wait(2, 3), "");
    check(&mut p, 2, fetched(1, 5), "");
    check(&mut p, 2, fetched(2, 3), "hw 3; ok 2");
    check(&mut p, 3, fetched(2, 5), "hw 5; ok 1");
    check(&mut p, 3, fetched(9, 5), ""); // not a replica
    check(&mut p, 3, wait(3, 5), "ok 3");
}

#[test]
fn laggards_leave_and_come_back() {
    let mut p = leader(&[0, 1], &[0, 1], RULES, 0);
    check(&mut p, 10, Event::Appended { log_end: 5 }, "");
    check(&mut p, 100, Event::Tick, ""); // caught up at 0, 100 ms are allowed
    check(&mut p, 101, Event::Tick, "store 0 if 1");
    check(&mut p, 102, Event::Tick, ""); // one proposal at a time
    assert_eq!(p.high_watermark(), 0); // the old ISR counts until the store has answered
    let stored = |outcome| Event::IsrStored {
        leader_epoch: 5,
        expected: 1,
        outcome,
    };
    check(&mut p, 103, stored(StoreOutcome::Unknown), "store 0 if 1");
    check(
        &mut p,
        103,
        stored(StoreOutcome::Stored { partition_epoch: 2 }),
        "hw 5",
    );
    check(&mut p, 103, stored(StoreOutcome::Refused), ""); // late
    check(&mut p, 110, fetched(1, 4), ""); // not there yet
    check(&mut p, 111, fetched(1, 5), "store 0,1 if 2");
    check(&mut p, 112, Event::Appended { log_end: 6 }, ""); // the newcomer counts already
    check(&mut p, 113, fetched(1, 6), "hw 6");
}

#[test]
fn a_refused_proposal_is_dropped_and_a_conflict_waits_for_the_controller() {
    let mut p = leader(&[0, 1], &[0, 1], RULES, 0);
    let stored = |outcome| Event::IsrStored {
        leader_epoch: 5,
        expected: 1,
        outcome,
    };
    check(&mut p, 0, Event::Appended { log_end: 1 }, "");
    check(&mut p, 200, Event::Tick, "store 0 if 1");
    check(&mut p, 200, stored(StoreOutcome::Refused), "");
    check(&mut p, 201, Event::Tick, "store 0 if 1");
    check(&mut p, 202, stored(StoreOutcome::Conflict), "");
    check(&mut p, 203, Event::Tick, "");
    let anew = Event::MadeLeader {
        leadership: leadership(6, 3, &[0, 1], &[0]),
        log_start: 0,
        log_end: 1,
    };
    check(&mut p, 204, anew, "epoch 6@1; hw 1");
}

#[test]
fn the_rule_of_lag_in_messages() {
    let rules = Rules {
        lag_max_messages: Some(10),
        ..RULES
    };
    let mut p = leader(&[0, 1], &[0, 1], rules, 0);
    check(&mut p, 1, fetched(1, 0), "");
    check(&mut p, 1, Event::Appended { log_end: 10 }, "");
    check(&mut p, 1, Event::Tick, "");
    check(&mut p, 1, Event::Appended { log_end: 11 }, "");
    check(&mut p, 1, Event::Tick, "store 0 if 1");
}

#[test]
fn too_small_an_isr_refuses_acks_all_and_stops_the_watermark() {
    let rules = Rules {
        min_insync_replicas: 2,
        ..RULES
    };
    let mut p = leader(&[0, 1], &[0], rules, 0);
    let refused = RefusedAppend::NotEnoughReplicas {
        in_sync: 1,
        required: 2,
    };
    assert_eq!(p.admit(true), Err(refused));
    assert_eq!(p.admit(false), Ok(5));
    check(&mut p, 1, Event::Appended { log_end: 5 }, "");
    assert_eq!(p.high_watermark(), 0);
    // min.insync.replicas never wants more than there are replicas
    let p = leader(&[0], &[0], rules, 0);
    assert_eq!(p.admit(true), Ok(5));
}

#[test]
fn the_minimum_may_be_missed_after_the_append() {
    let mut p = leader(&[0, 1], &[0], RULES, 0);
    check(&mut p, 500, Event::Appended { log_end: 5 }, "hw 5");
    check(
        &mut p,
        500,
        Event::RulesChanged(Rules {
            min_insync_replicas: 2,
            ..RULES
        }),
        "",
    );
    check(&mut p, 500, wait(1, 5), "NotEnoughReplicasAfterAppend 1");
}

#[test]
fn waiters_are_told_when_the_role_ends_or_time_is_up() {
    let mut p = leader(&[0, 1], &[0, 1], RULES, 0);
    check(&mut p, 1, Event::Appended { log_end: 5 }, "");
    check(&mut p, 1, wait(1, 5), "");
    assert_eq!(p.deadline(), Some(1000));
    check(&mut p, 1, fetched(1, 4), "hw 4");
    check(&mut p, 1000, fetched(1, 4), "");
    check(&mut p, 1000, Event::Tick, "TimedOut 1; store 0 if 1");
    check(&mut p, 1000, wait(2, 5), "");
    let leader = Some(BrokerId(1));
    let follow = Event::MadeFollower {
        leadership: leadership(6, 2, &[0, 1], &[1]),
        leader,
        log_end: 5,
        latest_epoch: Some(5),
    };
    check(&mut p, 1001, follow.clone(), "LeadershipLost 2");
    check(&mut p, 1001, wait(3, 5), "LeadershipLost 3");
    check(&mut p, 1003, Event::WentOffline, "");
    assert_eq!(p.role(), &Role::Offline);
    check(&mut p, 1004, wait(4, 5), "Offline 4");
    check(&mut p, 1004, follow, "");
}

#[test]
fn deletions_wait_for_every_live_replica() {
    let mut p = leader(&[0, 1], &[0, 1], RULES, 0);
    let wait = |id, required| {
        Event::AwaitLowWatermark(Waiter {
            id: WaiterId(id),
            required,
            deadline: 1000,
        })
    };
    check(&mut p, 1, Event::Appended { log_end: 5 }, "");
    check(&mut p, 1, fetched(1, 5), "hw 5");
    check(&mut p, 1, Event::LogStartAdvanced { log_start: 3 }, "");
    check(&mut p, 1, wait(1, 3), "");
    let fetched = Event::FollowerFetched {
        from: BrokerId(1),
        at: 5,
        log_start: 3,
    };
    check(&mut p, 1, fetched, "ok 1");
    check(&mut p, 1, Event::LogStartAdvanced { log_start: 4 }, "");
    check(&mut p, 1, wait(2, 4), "");
    check(
        &mut p,
        1,
        Event::LiveBrokers(Arc::new(BTreeSet::from([BrokerId(0)]))),
        "ok 2",
    );
    assert_eq!(p.low_watermark(), Some(4));
}

#[test]
fn epochs_are_judged_before_roles() {
    let p = leader(&[0], &[0], RULES, 0);
    let follower = Partition::new(BrokerId(0), RULES, 0, 0);
    let yes = LeaderNeeded::Yes;
    assert_eq!(p.check_epoch(None, yes), Ok(()));
    assert_eq!(p.check_epoch(Some(5), yes), Ok(()));
    assert_eq!(
        p.check_epoch(Some(4), yes),
        Err(EpochError::Fenced {
            requested: 4,
            current: 5
        })
    );
    assert_eq!(
        p.check_epoch(Some(6), yes),
        Err(EpochError::Unknown {
            requested: 6,
            current: 5
        })
    );
    assert_eq!(follower.check_epoch(None, yes), Err(EpochError::NotLeader));
    assert_eq!(follower.check_epoch(None, LeaderNeeded::No), Ok(()));
    assert_eq!(p.committed(0), Some(Ok(())));
    assert_eq!(follower.committed(0), Some(Err(WaitError::LeadershipLost)));
}

#[test]
fn a_replica_outside_the_isr_does_not_hold_the_watermark_before_its_first_fetch() {
    let mut p = leader(&[0, 1], &[0], RULES, 0);
    check(&mut p, 1, Event::Appended { log_end: 5 }, "hw 5");
    check(&mut p, 2, fetched(1, 0), "");
    check(&mut p, 3, Event::Appended { log_end: 6 }, "hw 6");
}

/// The high watermark of a leader (0) of replicas 0, 1 and 2 with this ISR and minimum, after it has
/// ten records, the followers have fetched up to `ends` and the last proposal was answered.
#[track_caller]
fn watermark(isr: &[i32], min: usize, ends: [i64; 2], outcome: Option<StoreOutcome>, want: i64) {
    let rules = Rules {
        min_insync_replicas: min,
        ..RULES
    };
    let mut p = leader(&[0, 1, 2], isr, rules, 0);
    let mut actions = Actions::new();
    p.step(1, Event::Appended { log_end: 10 }, &mut actions);
    for (id, end) in (1..).zip(ends) {
        if end >= 0 {
            p.step(1, fetched(id, end), &mut actions);
        }
    }
    if let Some(outcome) = outcome {
        let answer = Event::IsrStored {
            leader_epoch: 5,
            expected: 1,
            outcome,
        };
        p.step(1, answer, &mut actions);
    }
    assert_eq!(p.high_watermark(), want, "{isr:?} {min} {ends:?}");
}

/// `Partition.maybeIncrementLeaderHW`: the maximal ISR and those about to join count, and nothing
/// moves while the stored ISR is below the minimum (3.7).
#[test]
fn who_counts_for_the_watermark() {
    watermark(&[0, 1, 2], 1, [-1, -1], None, 0);
    watermark(&[0, 1, 2], 1, [10, 4], None, 4);
    watermark(&[0, 1], 1, [4, -1], None, 4);
    watermark(&[0], 1, [-1, -1], None, 10);
    watermark(&[0], 2, [-1, -1], None, 0);
    // A proposed replica counts for the watermark at once, for the minimum only when it is stored.
    watermark(&[0], 2, [10, -1], None, 0);
    let stored = StoreOutcome::Stored { partition_epoch: 2 };
    watermark(&[0], 2, [10, -1], Some(stored), 10);
    watermark(&[0], 2, [10, -1], Some(StoreOutcome::Refused), 0);
    watermark(&[0], 2, [10, -1], Some(StoreOutcome::Conflict), 0);
    // Of what somebody else stored under this leadership, that is what counts.
    let changed = |isr: &[i32]| StoreOutcome::Changed {
        isr: ids(isr),
        partition_epoch: 3,
    };
    watermark(&[0], 2, [10, 3], Some(changed(&[0, 2])), 3);
    watermark(&[0, 1], 2, [4, 9], Some(changed(&[0])), 4);
    // A minimum above the number of replicas is the number of replicas.
    watermark(&[0, 1, 2], 9, [10, 10], None, 10);
}

/// `Partition.needsExpandIsr`.
#[test]
fn who_may_join() {
    let live = |ids: &[i32]| {
        let live = ids.iter().copied().map(BrokerId).collect();
        Event::LiveBrokers(Arc::new(live))
    };
    // Up to the watermark is enough, the end of the log is not asked for.
    let mut p = leader(&[0, 1, 2], &[0, 1], RULES, 0);
    check(&mut p, 1, Event::Appended { log_end: 9 }, "");
    check(&mut p, 1, fetched(1, 4), "hw 4");
    check(&mut p, 1, fetched(2, 3), "");
    check(&mut p, 1, live(&[0, 1]), "");
    check(&mut p, 1, fetched(2, 4), "");
    check(&mut p, 1, live(&[0, 1, 2]), "");
    check(&mut p, 1, fetched(2, 4), "store 0,1,2 if 1");
    // One proposal at a time.
    check(&mut p, 2, fetched(2, 9), "");
    // The start of the leadership must be reached too: what is below may differ.
    let mut p = leader(&[0, 1], &[0, 1], RULES, 9);
    let anew = Event::MadeLeader {
        leadership: leadership(6, 2, &[0, 1], &[0]),
        log_start: 0,
        log_end: 9,
    };
    check(&mut p, 1, anew, "epoch 6@9; hw 9");
    check(&mut p, 1, fetched(1, 8), "");
    check(&mut p, 1, fetched(1, 9), "store 0,1 if 2");
    // Not those whom the rule of lag in records would send away at once.
    let rules = Rules {
        min_insync_replicas: 2,
        lag_max_messages: Some(5),
        ..RULES
    };
    let mut p = leader(&[0, 1], &[0], rules, 0);
    check(&mut p, 1, Event::Appended { log_end: 9 }, "");
    check(&mut p, 1, fetched(1, 3), "");
    check(&mut p, 1, fetched(1, 4), "store 0,1 if 1");
}

/// `Partition.getOutOfSyncReplicas`: the leader stays, whoever is no replica goes.
#[test]
fn who_must_leave() {
    let mut p = leader(&[0, 1, 2], &[2, 0, 1, 7], RULES, 0);
    check(&mut p, 1, fetched(1, 0), "");
    check(&mut p, 1, fetched(2, 0), "");
    check(&mut p, 1, Event::Tick, "store 2,0,1 if 1");
    // At the end of the log for however long: nothing was written.
    let mut p = leader(&[0, 1], &[0, 1], RULES, 0);
    check(&mut p, 1, fetched(1, 0), "");
    check(&mut p, 5000, Event::Tick, "");
    // Caught up to what there was at the fetch before: late, but not too late.
    check(&mut p, 5000, Event::Appended { log_end: 5 }, "");
    check(&mut p, 5050, fetched(1, 0), "");
    check(&mut p, 5060, Event::Appended { log_end: 9 }, "");
    check(&mut p, 5149, fetched(1, 5), "hw 5");
    check(&mut p, 5150, Event::Tick, "");
    check(&mut p, 5151, Event::Tick, "store 0 if 1");
}

/// A new leadership drops the proposal of the one before: its write can only fail, or is known to
/// whoever made the new one. The same leadership told once more does not, since it may be stored yet.
#[test]
fn proposals_and_new_leaderships() {
    let mut p = leader(&[0, 1], &[0], RULES, 0);
    check(&mut p, 1, fetched(1, 0), "store 0,1 if 1");
    let again = |leader_epoch, partition_epoch, isr: &[i32]| Event::MadeLeader {
        leadership: leadership(leader_epoch, partition_epoch, &[0, 1], isr),
        log_start: 0,
        log_end: 0,
    };
    check(&mut p, 1, again(5, 1, &[0]), "");
    check(&mut p, 1, Event::Appended { log_end: 5 }, ""); // 1 counts still
    check(&mut p, 1, again(6, 2, &[0]), "epoch 6@5; hw 5");
    let late = Event::IsrStored {
        leader_epoch: 5,
        expected: 1,
        outcome: StoreOutcome::Stored { partition_epoch: 2 },
    };
    check(&mut p, 1, late, "");
    assert_eq!(p.leader().unwrap().isr.settled(), &ids(&[0]));
}
