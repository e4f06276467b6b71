//! A follower's rules: tables of events and actions, and logs that must become equal.

#![allow(clippy::panic)]

use ottla_metadata::BrokerId;
use ottla_partition::{
    Action, Actions, EpochEnd, Event, FetchState, FollowerRequest, LeaderAnswer, Leadership,
    NextRequest, Partition, Rules, Truncation,
};
use proptest::prelude::*;

const EPOCH: i32 = 9;

fn rules(truncation: Truncation) -> Rules {
    Rules {
        min_insync_replicas: 1,
        lag_max_ms: 100,
        lag_max_messages: None,
        truncation,
        fetch_backoff_ms: 10,
    }
}

fn made_follower(epoch: i32, leader: Option<i32>, log_end: i64, latest: Option<i32>) -> Event {
    Event::MadeFollower {
        leadership: Leadership {
            leader_epoch: epoch,
            partition_epoch: epoch,
            replicas: [0, 1].map(BrokerId).into_iter().collect(),
            isr: [0, 1].map(BrokerId).into_iter().collect(),
        },
        leader: leader.map(BrokerId),
        log_end,
        latest_epoch: latest,
    }
}

fn step(partition: &mut Partition, now: i64, event: Event) -> Vec<Action> {
    let mut actions = Actions::new();
    partition.step(now, event, &mut actions);
    actions.to_vec()
}

/// A follower whose log ends at 10 with `latest` as its latest epoch, and a watermark of 4.
fn follower(truncation: Truncation, latest: Option<i32>) -> (Partition, Vec<Action>) {
    let mut partition = Partition::new(BrokerId(0), rules(truncation), 10, 4);
    let actions = step(&mut partition, 0, made_follower(EPOCH, Some(1), 10, latest));
    (partition, actions)
}

fn answered(answer: LeaderAnswer) -> Event {
    Event::LeaderAnswered {
        leader_epoch: EPOCH,
        answer,
    }
}

fn end(epoch: i32, end_offset: i64) -> EpochEnd {
    EpochEnd { epoch, end_offset }
}

fn records(at: i64, log_end: i64, leader_high_watermark: i64) -> Event {
    answered(LeaderAnswer::Records {
        at,
        log_end,
        latest_epoch: Some(EPOCH),
        leader_high_watermark,
        leader_log_start: 0,
    })
}

#[track_caller]
fn check_next(partition: &Partition, now: i64, expected: Option<FollowerRequest>) {
    let expected = expected.map_or(NextRequest::Nothing, NextRequest::Now);
    assert_eq!(partition.next_request(now), expected);
}

#[test]
fn how_following_begins() {
    let fetch = |last_epoch| FollowerRequest::Fetch { at: 10, last_epoch };
    let asks = FollowerRequest::EpochEnd { epoch: 7 };
    for (truncation, latest, actions, next) in [
        (Truncation::OnFetch, Some(7), vec![], Some(fetch(Some(7)))),
        (Truncation::OnFetch, None, vec![Action::TruncateTo(4)], None),
        (Truncation::ByEpochRequest, Some(7), vec![], Some(asks)),
        (
            Truncation::ByEpochRequest,
            None,
            vec![Action::TruncateTo(4)],
            None,
        ),
        (
            Truncation::ToHighWatermark,
            Some(7),
            vec![Action::TruncateTo(4)],
            None,
        ),
    ] {
        let (partition, done) = follower(truncation, latest);
        assert_eq!(done, actions, "{truncation:?} {latest:?}");
        check_next(&partition, 0, next);
    }
    let (partition, actions) = follower(Truncation::OnFetch, Some(7));
    assert!(actions.is_empty() && partition.expects_records(EPOCH, 10));
    assert!(!partition.expects_records(EPOCH, 9) && !partition.expects_records(EPOCH - 1, 10));
}

/// Leader's answer, our own answer for that epoch, where the log is cut, and whether that is all.
#[test]
fn where_a_log_is_cut() {
    for (leader, local, to, complete) in [
        (end(7, 8), end(7, 10), 8, true),
        (end(7, 15), end(7, 10), 10, true),
        (end(5, 8), end(5, 6), 6, true),
        (end(5, 6), end(5, 8), 6, true),
        (end(5, 8), end(3, 6), 6, false),
        (end(-1, 8), end(-1, -1), 8, true),
        (end(-1, 20), end(-1, -1), 10, true),
        (end(2, 3), end(-1, -1), 3, true),
        (end(-1, -1), end(-1, -1), 4, true),
        (end(-1, -1), end(7, 10), 4, true),
    ] {
        let named = format!("{leader:?} {local:?}");
        let (mut partition, _) = follower(Truncation::ByEpochRequest, Some(7));
        let answer = LeaderAnswer::EpochEnd { leader, local };
        let actions = step(&mut partition, 1, answered(answer));
        assert_eq!(actions, [Action::TruncateTo(to)], "{named}");
        check_next(&partition, 1, None);
        let cut = Event::Truncated {
            log_start: 0,
            log_end: to,
            latest_epoch: Some(3),
        };
        let actions = step(&mut partition, 1, cut.clone());
        let moved = (to < 4).then_some(Action::AdvanceHighWatermark(to));
        assert_eq!(actions, Vec::from_iter(moved), "{named}");
        let next = if complete {
            FollowerRequest::Fetch {
                at: to,
                last_epoch: None,
            }
        } else {
            FollowerRequest::EpochEnd { epoch: 3 }
        };
        check_next(&partition, 1, Some(next));

        let (mut partition, _) = follower(Truncation::OnFetch, Some(7));
        let at = 10;
        let answer = LeaderAnswer::Diverging { at, leader, local };
        let actions = step(&mut partition, 1, answered(answer));
        assert_eq!(actions, [Action::TruncateTo(to)], "{named}");
        step(&mut partition, 1, cut);
        let last_epoch = Some(3);
        check_next(
            &partition,
            1,
            Some(FollowerRequest::Fetch { at: to, last_epoch }),
        );
    }
}

#[test]
fn records_move_the_watermark_as_far_as_they_reach() {
    let (mut p, _) = follower(Truncation::OnFetch, Some(7));
    assert!(!p.follower().expect("follows").is_caught_up());
    let hw = Action::AdvanceHighWatermark;
    assert_eq!(step(&mut p, 1, records(10, 12, 11)), [hw(11)]);
    assert!(p.follower().expect("follows").is_caught_up());
    assert_eq!(step(&mut p, 1, records(12, 14, 20)), [hw(14)]);
    assert!(!p.follower().expect("follows").is_caught_up());
    assert_eq!(step(&mut p, 1, records(14, 14, 13)), [], "never back");
    assert_eq!(step(&mut p, 1, records(12, 30, 30)), [], "not asked for");
    let start = |leader_log_start| {
        answered(LeaderAnswer::Records {
            at: 14,
            log_end: 14,
            latest_epoch: Some(EPOCH),
            leader_high_watermark: 14,
            leader_log_start,
        })
    };
    assert_eq!(step(&mut p, 1, start(3)), [Action::AdvanceLogStart(3)]);
    assert_eq!(step(&mut p, 1, start(15)), [], "beyond the watermark");
    let at = FollowerRequest::Fetch {
        at: 14,
        last_epoch: Some(EPOCH),
    };
    check_next(&p, 1, Some(at));
}

#[test]
fn out_of_range() {
    for (start, end, log_start, action) in [
        (0, 8, 0, Some(Action::TruncateTo(8))),
        (20, 30, 20, Some(Action::TruncateFullyAndStartAt(20))),
        (5, 30, 0, None),
    ] {
        let (mut p, _) = follower(Truncation::OnFetch, Some(7));
        step(&mut p, 1, answered(LeaderAnswer::OutOfRange { at: 9 }));
        assert!(p.expects_records(EPOCH, 10), "an answer to another fetch");
        step(&mut p, 1, answered(LeaderAnswer::OutOfRange { at: 10 }));
        check_next(&p, 1, Some(FollowerRequest::LeaderOffsets));
        let latest_epoch = Some(7);
        let offsets = LeaderAnswer::Offsets {
            start,
            end,
            latest_epoch,
        };
        let actions = step(&mut p, 1, answered(offsets));
        assert_eq!(actions, Vec::from_iter(action.clone()));
        let Some(action) = action else {
            assert_eq!(p.next_request(1), NextRequest::At(11));
            continue;
        };
        let (Action::TruncateTo(log_end) | Action::TruncateFullyAndStartAt(log_end)) = action
        else {
            panic!("{action:?}");
        };
        let cut = Event::Truncated {
            log_start,
            log_end,
            latest_epoch,
        };
        step(&mut p, 1, cut);
        assert_eq!(p.high_watermark(), log_start.max(4));
        let fetch = FollowerRequest::Fetch {
            at: log_end,
            last_epoch: latest_epoch,
        };
        check_next(&p, 1, Some(fetch));
    }
}

#[test]
fn errors_delay_and_fencing_parks() {
    let (mut p, _) = follower(Truncation::OnFetch, Some(7));
    step(&mut p, 100, answered(LeaderAnswer::Failed));
    assert_eq!(p.next_request(100), NextRequest::At(110));
    step(&mut p, 105, answered(LeaderAnswer::Failed));
    assert_eq!(p.next_request(105), NextRequest::At(110));
    assert!(matches!(p.next_request(110), NextRequest::Now(_)));
    let old = Event::LeaderAnswered {
        leader_epoch: EPOCH - 1,
        answer: LeaderAnswer::Fenced,
    };
    step(&mut p, 110, old);
    assert!(matches!(p.next_request(110), NextRequest::Now(_)));
    step(&mut p, 110, answered(LeaderAnswer::Fenced));
    check_next(&p, 1000, None);
    assert_eq!(step(&mut p, 1001, records(10, 12, 12)), []);
    step(&mut p, 1002, made_follower(EPOCH + 1, Some(1), 10, Some(7)));
    assert!(matches!(p.next_request(1002), NextRequest::Now(_)));
}

#[test]
fn a_leader_that_does_not_know_yet_is_asked_again_soon() {
    let rules = Rules {
        fetch_backoff_ms: 35,
        ..rules(Truncation::OnFetch)
    };
    let mut p = Partition::new(BrokerId(0), rules, 10, 4);
    step(&mut p, 0, made_follower(EPOCH, Some(1), 10, Some(7)));
    let mut now = 0;
    for pause in [10, 20, 35, 35] {
        step(&mut p, now, answered(LeaderAnswer::NotYet));
        assert_eq!(p.next_request(now), NextRequest::At(now + pause));
        now += pause;
    }
    // An answer begins it anew.
    step(&mut p, now, records(10, 12, 12));
    step(&mut p, now, answered(LeaderAnswer::NotYet));
    assert_eq!(p.next_request(now), NextRequest::At(now + 10));
}

#[test]
fn the_same_leadership_again_changes_nothing() {
    let (mut p, _) = follower(Truncation::ByEpochRequest, Some(7));
    let fetch = |p: &Partition| p.follower().expect("follows").fetch;
    let (leader, local) = (end(7, 10), end(7, 10));
    let same = LeaderAnswer::EpochEnd { leader, local };
    step(&mut p, 1, answered(same));
    let cut = Event::Truncated {
        log_start: 0,
        log_end: 10,
        latest_epoch: Some(7),
    };
    step(&mut p, 1, cut);
    assert!(matches!(fetch(&p), FetchState::Fetching { .. }));
    step(&mut p, 2, made_follower(EPOCH, Some(1), 10, Some(7)));
    assert!(matches!(fetch(&p), FetchState::Fetching { .. }));
    step(&mut p, 3, made_follower(EPOCH, None, 10, Some(7)));
    assert_eq!(fetch(&p), FetchState::Idle);
    step(&mut p, 4, made_follower(EPOCH + 1, Some(1), 10, Some(7)));
    assert_eq!(fetch(&p), FetchState::Comparing { epoch: 7 });
}

/// A log as a list of epochs, one per record, with what its epoch cache says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Log {
    start: i64,
    records: Vec<i32>,
    epochs: Vec<(i32, i64)>,
}

impl Log {
    fn end(&self) -> i64 {
        self.start + self.records.len() as i64
    }

    fn assign(&mut self, epoch: i32, start: i64) {
        if self.epochs.last().is_none_or(|(latest, _)| *latest < epoch) {
            self.epochs.retain(|(_, begins)| *begins < start);
            self.epochs.push((epoch, start));
        }
    }

    fn append(&mut self, epoch: i32, count: usize) {
        self.assign(epoch, self.end());
        self.records.extend(std::iter::repeat_n(epoch, count));
    }

    fn truncate(&mut self, to: i64) {
        self.records.truncate((to - self.start).max(0) as usize);
        self.epochs.retain(|(_, begins)| *begins < to);
    }

    fn latest(&self) -> Option<i32> {
        self.epochs.last().map(|(epoch, _)| *epoch)
    }

    fn end_of(&self, epoch: i32) -> EpochEnd {
        if self.latest() == Some(epoch) {
            return end(epoch, self.end());
        }
        let Some(higher) = self.epochs.iter().position(|(e, _)| *e > epoch) else {
            return end(-1, -1);
        };
        let known = higher.checked_sub(1).map_or(epoch, |i| self.epochs[i].0);
        end(known, self.epochs[higher].1)
    }
}

#[derive(Clone, Debug)]
struct Histories {
    leader: Log,
    follower: Log,
    shared: i64,
    watermark: i64,
}

/// Two logs with a common beginning. Each epoch after it was led by one of the two in isolation.
fn histories() -> impl Strategy<Value = Histories> {
    let epochs = prop::collection::vec((any::<bool>(), 0..4usize), 0..6);
    let common = prop::collection::vec(0..4usize, 0..4);
    (common, 0..4usize, any::<bool>(), epochs, 0..20i64, 0..30i64).prop_map(
        |(common, more, on_leader, epochs, watermark, leader_start)| {
            let mut both = Log::default();
            let mut epoch = 0;
            for count in common {
                both.append(epoch, count);
                epoch += 1;
            }
            let shared = both.end();
            let (mut leader, mut follower) = (both.clone(), both);
            // One of them may have more records of the last common epoch.
            if epoch > 0 {
                let ahead = if on_leader {
                    &mut leader
                } else {
                    &mut follower
                };
                ahead.append(epoch - 1, more);
            }
            for (on_leader, count) in epochs {
                let side = if on_leader {
                    &mut leader
                } else {
                    &mut follower
                };
                side.append(epoch, count);
                epoch += 1;
            }
            leader.assign(epoch, leader.end());
            leader.append(epoch, 1);
            // Now and then the leader has dropped old records.
            let start = (leader_start - 20).clamp(0, leader.end() - 1);
            leader.records.drain(..start as usize);
            leader.start = start;
            let kept = leader
                .epochs
                .iter()
                .rposition(|(_, begins)| *begins <= start);
            leader.epochs.drain(..kept.unwrap_or(0));
            if let Some(first) = leader.epochs.first_mut() {
                first.1 = first.1.max(start);
            }
            Histories {
                leader,
                follower,
                shared,
                watermark: watermark.min(shared),
            }
        },
    )
}

/// Follows until both logs are equal; answers the lowest cut.
fn converge(histories: &Histories, truncation: Truncation) -> i64 {
    let Histories {
        leader, watermark, ..
    } = histories;
    let mut log = histories.follower.clone();
    let epoch = leader.latest().expect("leads");
    let mut partition = Partition::new(BrokerId(0), rules(truncation), log.end(), *watermark);
    let mut lowest = i64::MAX;
    let mut now = 0;
    let mut event = Some(made_follower(epoch, Some(1), log.end(), log.latest()));
    for _ in 0..200 {
        while let Some(next) = event.take() {
            for action in step(&mut partition, now, next) {
                match action {
                    Action::TruncateTo(to) => {
                        lowest = lowest.min(to);
                        log.truncate(to);
                    }
                    Action::TruncateFullyAndStartAt(start) => {
                        assert!(start > log.end(), "dropped what the leader still has");
                        log = Log {
                            start,
                            ..Log::default()
                        };
                    }
                    Action::AdvanceHighWatermark(to) => assert!(to <= log.end()),
                    Action::AdvanceLogStart(start) => assert!(start <= log.end()),
                    other => panic!("{other:?}"),
                }
            }
            if matches!(partition.follower(), Some(f) if matches!(f.fetch, FetchState::Truncating { .. }))
            {
                event = Some(Event::Truncated {
                    log_start: log.start,
                    log_end: log.end(),
                    latest_epoch: log.latest(),
                });
            }
        }
        let answer = match partition.next_request(now) {
            NextRequest::Now(FollowerRequest::EpochEnd { epoch }) => {
                let answer = leader.end_of(epoch);
                LeaderAnswer::EpochEnd {
                    leader: answer,
                    local: log.end_of(answer.epoch),
                }
            }
            NextRequest::Now(FollowerRequest::LeaderOffsets) => LeaderAnswer::Offsets {
                start: leader.start,
                end: leader.end(),
                latest_epoch: log.latest(),
            },
            NextRequest::Now(FollowerRequest::Fetch { at, last_epoch }) => {
                assert_eq!(at, log.end());
                fetch(leader, &mut log, at, last_epoch)
            }
            NextRequest::At(instant) => {
                now = instant;
                continue;
            }
            NextRequest::Nothing => panic!("stopped in {:?}", partition.follower()),
        };
        if log.end() == leader.end() && matches!(answer, LeaderAnswer::Records { .. }) {
            let skip = (leader.start - log.start).max(0) as usize;
            assert_eq!(log.records[skip..], leader.records[..]);
            return lowest;
        }
        event = Some(Event::LeaderAnswered {
            leader_epoch: epoch,
            answer,
        });
    }
    panic!("does not come to an end: {log:?}");
}

/// What a leader answers to a fetch, appended.
fn fetch(leader: &Log, log: &mut Log, at: i64, last_epoch: Option<i32>) -> LeaderAnswer {
    if let Some(last) = last_epoch {
        let answer = leader.end_of(last);
        if answer.end_offset < 0 {
            return LeaderAnswer::OutOfRange { at };
        }
        if answer.epoch < last || answer.end_offset < at {
            let local = log.end_of(answer.epoch);
            return LeaderAnswer::Diverging {
                at,
                leader: answer,
                local,
            };
        }
    }
    if at < leader.start || at > leader.end() {
        return LeaderAnswer::OutOfRange { at };
    }
    let new = &leader.records[(at - leader.start) as usize..];
    for epoch in new.iter().take(2) {
        log.append(*epoch, 1);
    }
    LeaderAnswer::Records {
        at,
        log_end: log.end(),
        latest_epoch: log.latest(),
        leader_high_watermark: leader.end(),
        leader_log_start: leader.start,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn logs_become_equal(histories in histories()) {
        for truncation in [Truncation::OnFetch, Truncation::ByEpochRequest] {
            let lowest = converge(&histories, truncation);
            let whole = histories.leader.start == 0;
            prop_assert!(!whole || lowest >= histories.shared, "cut at {}", lowest);
            prop_assert!(lowest >= histories.watermark, "committed records were cut");
        }
        let lowest = converge(&histories, Truncation::ToHighWatermark);
        prop_assert!(lowest >= histories.watermark, "committed records were cut");
    }
}
