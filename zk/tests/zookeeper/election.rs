//! Standing for controller.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::BrokerId;
use ottla_zk::testing;
use ottla_zk::{Conflict, ControllerFence, Election, FencedWrite, Watch, WatchEvent, Zk};

use crate::{ONE, PATIENCE, TWO, broker, chroot, connect, fresh, generation};

async fn win(zk: &Zk, id: BrokerId) -> ControllerFence {
    match zk.elect(id, 1).await.unwrap() {
        Election::Won(fence) => fence,
        lost => panic!("{lost:?}"),
    }
}

#[tokio::test]
async fn the_first_controller_has_epoch_one() {
    let zk = fresh().await;
    let state = zk.controller(Watch::No).await.unwrap();
    assert_eq!((state.holder, state.epoch), (None, 0));
    let fence = win(&zk, ONE).await;
    assert_eq!(
        fence,
        ControllerFence {
            epoch: 1,
            zk_version: 1
        }
    );
    let state = zk.controller(Watch::No).await.unwrap();
    assert_eq!((state.holder.unwrap().value.broker, state.epoch), (ONE, 1));
}

#[tokio::test]
async fn of_five_contenders_one_wins_and_all_agree() {
    let connect_string = chroot();
    let mut contenders = Vec::new();
    for id in 1..=5 {
        contenders.push((BrokerId(id), connect(&connect_string).await));
    }
    for round in 1..=5 {
        let elections = contenders.iter().map(|(id, zk)| zk.elect(*id, 7));
        let outcomes = futures::future::join_all(elections).await;
        let mut winners = BTreeSet::new();
        let mut believed = BTreeSet::new();
        for ((id, _), outcome) in contenders.iter().zip(outcomes) {
            match outcome.unwrap() {
                Election::Won(fence) => {
                    assert_eq!(fence.epoch, round);
                    winners.insert(*id);
                    believed.insert(*id);
                }
                Election::Lost { controller } => {
                    believed.insert(controller);
                }
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(believed, winners);
        let (id, winner) = contenders
            .iter()
            .find(|(id, _)| winners.contains(id))
            .unwrap();
        assert_eq!(
            winner
                .controller(Watch::No)
                .await
                .unwrap()
                .holder
                .unwrap()
                .value
                .broker,
            *id
        );
        let state = winner.controller(Watch::No).await.unwrap();
        let fence = ControllerFence {
            epoch: round,
            zk_version: round,
        };
        assert_eq!(state.epoch, round);
        let resigned = winner.write_fenced(&fence, vec![FencedWrite::Resign]).await;
        assert!(resigned.into_iter().all(|outcome| outcome.is_ok()));
    }
}

#[tokio::test]
async fn losers_hear_of_the_end_of_the_winner() {
    let connect_string = chroot();
    let (one, two) = (
        connect(&connect_string).await,
        connect(&connect_string).await,
    );
    let mut events = two.watch_events();
    win(&one, ONE).await;
    assert_eq!(
        two.elect(TWO, 1).await.unwrap(),
        Election::Lost { controller: ONE }
    );
    one.close().await;
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(event, WatchEvent::ControllerChanged);
    assert_eq!(win(&two, TWO).await.epoch, 2);
}

#[tokio::test]
async fn a_killed_controllers_node_is_taken_over_by_its_successor_only() {
    let (connect_string, record) = (chroot(), Arc::default());
    let dead = broker(&connect_string, &record).await;
    let old = win(&dead, ONE).await;
    let stranger = connect(&connect_string).await;
    assert_eq!(
        stranger.elect(TWO, 1).await.unwrap(),
        Election::Lost { controller: ONE }
    );
    let successor = broker(&connect_string, &record).await;
    let new = win(&successor, ONE).await;
    assert_eq!(new.epoch, old.epoch + 1);
    // The dead one, if it lived, could write no more.
    let fenced = dead
        .write_fenced(&old, vec![FencedWrite::DeleteReassignment])
        .await;
    let error = fenced.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.conflict(), Some(Conflict::ControllerMoved));
}

#[tokio::test]
async fn a_controller_stands_again_after_its_session() {
    let zk = fresh().await;
    assert_eq!(win(&zk, ONE).await.epoch, 1);
    testing::expire_session(&zk).await;
    generation(&zk, 2).await;
    assert_eq!(win(&zk, ONE).await.epoch, 2);
}
