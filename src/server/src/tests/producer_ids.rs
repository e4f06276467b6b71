//! InitProducerId.

use std::collections::BTreeSet;

use ottla_protocol::StrBytes;
use ottla_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use ottla_protocol::messages::{ProducerId, TransactionalId};

use crate::testing::TestBroker;

#[tokio::test]
async fn every_version_gets_an_id_of_its_own() {
    let broker = TestBroker::new(&[]);
    for (version, expected) in (0..=5).zip(0..) {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let response = broker.ask(version, &request).await;
        let answer = (
            response.error_code,
            response.producer_id.0,
            response.producer_epoch,
        );
        assert_eq!(answer, (0, expected, 0), "version {version}");
    }
}

#[tokio::test]
async fn refusals() {
    let broker = TestBroker::new(&[]);
    let check = async |request: InitProducerIdRequest, expected: i16| {
        let response = broker.ask(4, &request).await;
        let answer = (
            response.error_code,
            response.producer_id.0,
            response.producer_epoch,
        );
        assert_eq!(answer, (expected, -1, -1));
    };
    let with_id = |id: &str| {
        let id = TransactionalId(StrBytes::from_string(id.to_owned()));
        InitProducerIdRequest::default().with_transactional_id(Some(id))
    };
    check(with_id(""), 42).await;
    check(with_id("mine"), 35).await;
    let without = InitProducerIdRequest::default().with_transactional_id(None);
    check(without.with_producer_id(ProducerId(3)), 42).await;
}

#[tokio::test]
async fn ids_are_unique_over_blocks() {
    let broker = TestBroker::new(&[]);
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    let asked = (0..2500).map(|_| broker.ask(4, &request));
    let responses = futures::future::join_all(asked).await;
    let ids: BTreeSet<i64> = responses.iter().map(|r| r.producer_id.0).collect();
    assert_eq!((ids.len(), ids.first()), (2500, Some(&0)));
    assert!(responses.iter().all(|r| r.error_code == 0));
}
