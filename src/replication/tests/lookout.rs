//! Partitions that a follower's session does not look at before they have news.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::{BrokerId, TopicId};
use ottla_replication::{FetchOrigin, FetchSpec, Known, Lookout, RequiredAcks};
use support::{Broker, batch, pending, ready, spec};

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);

/// A follower that has both records and was told so.
const UP_TO_DATE: Known<'_> = Known {
    topic: "t",
    topic_id: TopicId::ZERO,
    partition: 0,
    leader_epoch: Some(1),
    at: 2,
    log_start: 0,
    high_watermark: 2,
    leader_log_start: 0,
};

/// A leader of two records, with follower 1 in sync and follower 2 not.
fn broker() -> Broker {
    let broker = Broker::start(&[]);
    broker.assign(1, Some(0), &[0, 1, 2], &[0, 1]).unwrap();
    ready(broker.begin(RequiredAcks::Leader, batch(2, 10)));
    for id in [ONE, TWO] {
        ready(broker.fetch(follower(id, 2)));
    }
    // Follower 2 is about to come in.
    let proposal = broker.proposals.0.lock().pop().unwrap();
    let refused = ottla_replication::StoreOutcome::Refused;
    broker.replicas.isr_stored(&proposal, refused);
    broker
}

fn follower(id: BrokerId, at: i64) -> FetchSpec {
    FetchSpec {
        origin: FetchOrigin::Follower(id),
        ..spec(at)
    }
}

/// A fetch of nothing but what the lookout tells.
fn waiting(lookout: &Arc<Lookout>) -> FetchSpec {
    FetchSpec {
        max_wait: Duration::from_secs(60),
        partitions: Vec::new(),
        lookout: Some(Arc::clone(lookout)),
        ..follower(ONE, 0)
    }
}

#[tokio::test]
async fn only_who_has_everything_need_not_look() {
    let broker = broker();
    let check = |from, known: Known<'_>, expected| {
        let watch = broker.replicas.watch(&Arc::default(), 0, from, &known);
        assert_eq!(watch.is_some(), expected, "{known:?}");
    };
    let known = UP_TO_DATE;
    check(ONE, known, true);
    check(TWO, known, false);
    check(BrokerId(3), known, false);
    check(ONE, Known { at: 1, ..known }, false);
    let unaware = Known {
        high_watermark: 0,
        ..known
    };
    check(ONE, unaware, false);
    let earlier = Known {
        leader_epoch: Some(0),
        ..known
    };
    check(ONE, earlier, false);
    let elsewhere = Known {
        partition: 1,
        ..known
    };
    check(ONE, elsewhere, false);
    let another = Known {
        topic_id: TopicId([8; 16]),
        ..known
    };
    check(ONE, another, false);
    let unaware = Known {
        leader_log_start: -1,
        ..known
    };
    check(ONE, unaware, false);
}

#[tokio::test]
async fn what_comes_is_told_once() {
    let broker = broker();
    let lookout: Arc<Lookout> = Arc::default();
    let watch = |place| broker.replicas.watch(&lookout, place, ONE, &UP_TO_DATE);
    broker.replicas.heard(&lookout);
    let (given_up, kept) = (watch(6), watch(7));
    drop(given_up);
    assert!(lookout.take_news().is_empty());
    for _ in 0..2 {
        ready(broker.begin(RequiredAcks::Leader, batch(1, 10)));
    }
    assert_eq!(lookout.take_news(), [7]);
    drop(kept);
    assert!(watch(8).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_ends_when_there_is_news() {
    for led_elsewhere in [false, true] {
        let broker = broker();
        let lookout: Arc<Lookout> = Arc::default();
        let watch = broker.replicas.watch(&lookout, 7, ONE, &UP_TO_DATE);
        assert!(watch.is_some());
        let fetch = tokio::spawn(pending(broker.fetch(waiting(&lookout))));
        tokio::task::yield_now().await;
        assert!(!fetch.is_finished());
        match led_elsewhere {
            true => broker.assign(2, Some(1), &[0, 1, 2], &[0, 1]).unwrap(),
            false => drop(ready(broker.begin(RequiredAcks::Leader, batch(1, 10)))),
        }
        let (read, results) = fetch.await.unwrap();
        assert!(results.is_empty());
        assert_eq!(lookout.take_news(), [7]);
        let news = FetchSpec {
            partitions: follower(ONE, 2).partitions,
            ..read
        };
        let (_, results) = broker.replicas.fetch_news(news);
        let read = results.into_iter().next().unwrap();
        assert_eq!(read.is_err(), led_elsewhere);
        assert!(led_elsewhere || read.unwrap().records.is_some());
        // What was told is no news any more.
        let again = pending(broker.fetch(waiting(&lookout)));
        let nothing = tokio::time::timeout(Duration::from_secs(59), again).await;
        assert!(nothing.is_err());
    }
}
