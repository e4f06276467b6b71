//! Replicas that move between log directories while they are in use.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_metadata::TopicPartition;
use ottla_replication::MoveRefused;
use support::*;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

impl Broker {
    /// Where the replica is, and where it could go.
    fn dirs(&self) -> (PathBuf, PathBuf) {
        let here = self
            .replicas
            .logs()
            .get(&tp())
            .unwrap()
            .parent_dir()
            .to_owned();
        let dirs = self.replicas.logs().dirs().paths();
        let other = dirs
            .into_iter()
            .find(|dir| *dir != here)
            .unwrap()
            .to_owned();
        (here, other)
    }

    fn move_to(&self, dir: &std::path::Path) -> Result<(), MoveRefused> {
        let moves = vec![(tp(), dir.to_owned())];
        self.replicas.alter_log_dirs(moves).pop().unwrap().1
    }

    /// Polled: it is the test that looks.
    async fn until(&self, what: &str, holds: impl Fn(&Broker) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// How many records can be read, one after the other.
    fn count(&self) -> i64 {
        let mut next = 0;
        loop {
            let offsets = self.read(next);
            let Some(last) = offsets.last() else {
                return next;
            };
            assert_eq!(offsets, (next..=*last).collect::<Vec<_>>());
            next = last + 1;
        }
    }

    fn is_in(&self, dir: &std::path::Path) -> bool {
        self.replicas.logs().get(&tp()).unwrap().parent_dir() == dir
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_moves_while_it_is_written() {
    let broker = Broker::start_in_dirs(TempDir::new().unwrap(), 2, &[("segment.bytes", "20000")]);
    broker.lead();
    for _ in 0..100 {
        broker.produce(batch(1, 20)).unwrap();
    }
    let (here, there) = broker.dirs();
    broker.move_to(&there).unwrap();
    broker.move_to(&there).unwrap();
    let mut sent = 100;
    while !broker.is_in(&there) || sent < 200 {
        broker.produce(batch(1, 20)).unwrap();
        sent += 1;
        tokio::task::yield_now().await;
        assert!(sent < 1_000_000, "the move never ends");
    }
    broker.produce(batch(1, 20)).unwrap();
    let log = broker.replicas.logs().get(&tp()).unwrap();
    assert_eq!(log.log_end_offset(), sent + 1);
    assert_eq!(log.high_watermark(), sent + 1);
    assert_eq!(broker.count(), sent + 1);
    assert!(broker.replicas.logs().moving().is_empty());
    assert!(!here.join("t-0").exists());
    // And back.
    broker.move_to(&here).unwrap();
    broker.until("back", |broker| broker.is_in(&here)).await;
    assert_eq!(broker.count(), sent + 1);
}

/// More than is copied in one step.
fn large() -> Bytes {
    batch(1, 700_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_move_can_be_changed_given_up_and_resumed() {
    let broker = Broker::start_in_dirs(TempDir::new().unwrap(), 3, &[]);
    broker.lead();
    for _ in 0..4 {
        broker.produce(large()).unwrap();
    }
    let (here, there) = broker.dirs();
    broker.replicas.limit_moves(Some(1));
    broker.move_to(&there).unwrap();
    let behind = |broker: &Broker| {
        let future = broker.replicas.logs().future(&tp());
        future.is_some_and(|future| (1..4).contains(&future.log_end_offset()))
    };
    broker.until("a piece is copied", behind).await;
    // Asking for where it is gives the move up.
    broker.move_to(&here).unwrap();
    assert!(broker.replicas.logs().future(&tp()).is_none() && broker.is_in(&here));
    // Asking for a third directory begins anew.
    let third = broker.replicas.logs().dirs().paths();
    let third = third.into_iter().find(|dir| *dir != here && *dir != there);
    let third = third.unwrap().to_owned();
    broker.move_to(&there).unwrap();
    broker.move_to(&third).unwrap();
    let future = broker.replicas.logs().future(&tp()).unwrap();
    assert_eq!(future.parent_dir(), third);
    drop(future);
    // Leaders come and go, and records are deleted, meanwhile.
    broker.assign(2, Some(1), &[0, 1], &[0, 1]).unwrap();
    broker.assign(3, Some(0), &[0], &[0]).unwrap();
    broker.produce(large()).unwrap();
    broker.replicas.limit_moves(None);
    broker.until("moved", |broker| broker.is_in(&third)).await;
    let log = broker.replicas.logs().get(&tp()).unwrap();
    assert_eq!((log.log_end_offset(), log.latest_epoch()), (5, Some(3)));
    assert_eq!(broker.count(), 5);
}

#[tokio::test]
async fn a_move_goes_on_after_a_restart() {
    let broker = Broker::start_in_dirs(TempDir::new().unwrap(), 2, &[]);
    broker.lead();
    for _ in 0..4 {
        broker.produce(large()).unwrap();
    }
    let (_, there) = broker.dirs();
    broker.replicas.limit_moves(Some(0));
    broker.move_to(&there).unwrap();
    let Broker { dir, replicas, .. } = broker;
    replicas.stop_moving();
    replicas.logs().shutdown(0).unwrap();
    drop(replicas);
    let broker = Broker::start_in_dirs(dir, 2, &[]);
    assert_eq!(broker.replicas.logs().moving(), [tp()]);
    broker.assign(2, Some(0), &[0], &[0]).unwrap();
    broker.until("moved", |broker| broker.is_in(&there)).await;
    assert_eq!(broker.count(), 4);
}

#[tokio::test]
async fn what_cannot_be_moved() {
    let broker = Broker::start_in_dirs(TempDir::new().unwrap(), 2, &[]);
    let nowhere = broker.dir.path().join("nowhere");
    assert_eq!(broker.move_to(&nowhere), Err(MoveRefused::UnknownDir));
    // Not here yet: it will be created where it was asked to be.
    let dirs = broker.replicas.logs().dirs().paths();
    let wanted = dirs[1].to_owned();
    assert_eq!(broker.move_to(&wanted), Err(MoveRefused::NoReplica));
    broker.lead();
    assert!(broker.is_in(&wanted));
    assert_eq!(broker.move_to(&wanted), Ok(()));
    assert!(broker.replicas.logs().moving().is_empty());
}
