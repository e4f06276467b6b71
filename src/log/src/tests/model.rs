//! Random histories against a plain model.

use proptest::prelude::*;

use super::support::*;
use crate::{CleanupPolicy, Log, LogConfig};

#[derive(Clone, Debug)]
enum Op {
    Append {
        count: usize,
        size: usize,
        later_ms: i64,
        sequenced: bool,
    },
    Replicate {
        batches: Vec<(usize, i64)>,
    },
    Truncate {
        part: usize,
    },
    DeleteRecords {
        part: usize,
    },
    Retention,
    Flush,
    Background,
    Release,
    Restart,
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (1_usize..5, 0_usize..300, -50_i64..100, any::<bool>()).prop_map(
            |(count, size, later_ms, sequenced)| Op::Append { count, size, later_ms, sequenced }
        ),
        2 => prop::collection::vec((1_usize..4, 0_i64..3), 1..6)
            .prop_map(|batches| Op::Replicate { batches }),
        1 => (0_usize..100).prop_map(|part| Op::Truncate { part }),
        1 => (0_usize..100).prop_map(|part| Op::DeleteRecords { part }),
        1 => Just(Op::Retention),
        1 => Just(Op::Flush),
        1 => Just(Op::Background),
        1 => Just(Op::Release),
        1 => Just(Op::Restart),
        1 => Just(Op::Crash),
    ]
}

#[derive(Default)]
struct Model {
    /// Batches as offsets and timestamps of their records.
    batches: Vec<Vec<(i64, i64)>>,
    start: i64,
    end: i64,
    clock: i64,
}

impl Model {
    fn append(&mut self, base: i64, count: usize, timestamp: i64) {
        let records = (0..count as i64).map(|i| (base + i, timestamp + i));
        self.batches.push(records.collect());
        self.end = base + count as i64;
    }

    fn records(&self, from: i64, upper: i64) -> Vec<(i64, i64)> {
        let whole = self.batches.iter().filter(|b| b.last().unwrap().0 < upper);
        whole.flatten().copied().filter(|r| r.0 >= from).collect()
    }

    /// The end of a batch about this far into the log. (Cut anywhere else, the log goes on at the
    /// offset asked for, but a restart finds the end of the last batch.)
    fn boundary(&self, part: usize) -> i64 {
        let ends = self.batches.iter().map(|b| b.last().unwrap().0 + 1);
        let live: Vec<i64> = ends.filter(|o| *o >= self.start).collect();
        live.get(part * live.len() / 100)
            .copied()
            .unwrap_or(self.end)
    }

    fn check(&self, log: &Log, probe: i64) {
        assert_eq!(log.log_end_offset(), self.end);
        assert_eq!(log.log_start_offset(), self.start);
        let span = self.end - self.start;
        let from = self.start + probe % (span + 1);
        let upper = from + (probe / 7) % (self.end - from + 1);
        for upper in [upper, self.end, self.end + 5] {
            let found: Vec<(i64, i64)> =
                read_all(log, from, upper, 1 + (probe as usize * 13) % 3000)
                    .iter()
                    .map(|r| (r.offset, r.timestamp))
                    .collect();
            assert_eq!(found, self.records(from, upper), "{from}..{upper}");
        }
        let target = NOW + (probe * 31) % (self.clock - NOW + 200).max(1) - 60;
        let found = log.offset_for_timestamp(target, self.end).unwrap();
        let expected = self
            .records(self.start, self.end)
            .into_iter()
            .find(|(_, timestamp)| *timestamp >= target);
        assert_eq!(
            found.map(|f| (f.offset, f.timestamp)),
            expected,
            "time {target}"
        );
    }
}

fn run(ops: Vec<Op>) {
    let mut fixture = Fixture::new(LogConfig {
        segment_bytes: 3000,
        index_interval_bytes: 200,
        cleanup_policy: CleanupPolicy {
            delete: true,
            compact: false,
        },
        retention_ms: -1,
        ..LogConfig::default()
    });
    let mut model = Model {
        clock: NOW,
        ..Model::default()
    };
    let mut sequence = 0;
    // Nothing was cut that the producer had written, so its state must survive whatever happens.
    let mut known = true;
    for (step, op) in ops.into_iter().enumerate() {
        let log = fixture.log();
        match op {
            Op::Append {
                count,
                size,
                later_ms,
                sequenced,
            } => {
                let timestamp = model.clock + later_ms;
                model.clock = model.clock.max(timestamp);
                let spec = Spec {
                    count,
                    value_size: size,
                    timestamp,
                    producer: sequenced.then_some((1, 0, sequence)),
                    ..Spec::default()
                };
                let appended = append(&log, &spec);
                assert_eq!(appended.first_offset, model.end);
                if sequenced {
                    sequence += count as i32;
                    assert!(append(&log, &spec).duplicate);
                }
                model.append(appended.first_offset, count, timestamp);
            }
            Op::Replicate { batches } => {
                let mut bytes = Vec::new();
                for (count, gap) in batches {
                    let base = model.end + gap;
                    let spec = Spec {
                        count,
                        timestamp: model.clock,
                        ..Spec::default()
                    };
                    bytes.extend_from_slice(&batch_bytes(&spec, base, 0));
                    model.append(base, count, model.clock);
                }
                log.append_as_follower(bytes.into(), NOW).unwrap();
            }
            Op::Truncate { part } => {
                let to = model.boundary(part);
                log.truncate_to(to).unwrap();
                model.batches.retain(|b| b[0].0 < to);
                model.end = to;
                known = false;
            }
            Op::DeleteRecords { part } => {
                let to = model.boundary(part);
                log.set_high_watermark(model.end);
                log.advance_log_start_offset(to).unwrap();
                model.start = to;
                known = false;
            }
            Op::Retention => {
                log.set_high_watermark(model.end);
                log.apply_retention(NOW).unwrap();
            }
            Op::Flush => {
                log.flush_to(model.end).unwrap();
                assert_eq!(log.recovery_point(), model.end);
            }
            Op::Background => log.run_background(),
            Op::Release => log.release_idle(),
            Op::Restart => {
                drop(log);
                fixture.restart();
                assert_eq!(fixture.log().recovery_point(), model.end);
            }
            Op::Crash => {
                drop(log);
                fixture.crash();
                let log = fixture.log();
                // The log start is checkpointed from time to time only.
                assert!(log.log_start_offset() <= model.start);
                log.set_high_watermark(log.log_end_offset());
                log.advance_log_start_offset(model.start).unwrap();
            }
        }
        let last = fixture
            .log()
            .active_producers()
            .first()
            .map(|p| p.last_sequence);
        if known {
            assert_eq!(last.map_or(0, |last| last + 1), sequence);
        }
        sequence = last.map_or(sequence, |last| last + 1);
        model.check(&fixture.log(), step as i64 * 97 + 13);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_log_does_what_its_model_does(ops in prop::collection::vec(op(), 1..80)) {
        run(ops);
    }
}
