//! What a dead broker leaves behind, and who may remove it.

use std::sync::Arc;

use ottla_zk::testing::MemoryRecord;
use ottla_zk::{Election, Remains, Watch};

use crate::{ONE, TWO, broker, chroot, generation, registration};

const BOTH: Remains = Remains {
    registration: true,
    controller: true,
};
const NOTHING: Remains = Remains {
    registration: false,
    controller: false,
};

#[tokio::test]
async fn a_dead_brokers_nodes_are_removed_once() {
    let (connect, record) = (chroot(), Arc::default());
    // As after kill -9: the session lives on, the process does not.
    let dead = broker(&connect, &record).await;
    dead.register_broker(ONE, &registration(1)).await.unwrap();
    let won = dead.elect(ONE, 0).await.unwrap();
    assert!(matches!(won, Election::Won(_)));
    let watchdog = broker(&connect, &record).await;
    assert!(!watchdog.remove_remains(TWO).await.unwrap().registration);
    let state = watchdog.controller(Watch::No).await.unwrap();
    assert!(
        state.holder.is_none(),
        "/controller is the session's, whatever the id"
    );
    assert_eq!(
        watchdog.remove_remains(ONE).await.unwrap(),
        Remains {
            controller: false,
            ..BOTH
        }
    );
    assert!(watchdog.broker_ids(Watch::No).await.unwrap().is_empty());
    assert_eq!(watchdog.remove_remains(ONE).await.unwrap(), NOTHING);
}

#[tokio::test]
async fn both_nodes_go_in_one_step_and_the_epoch_stays() {
    let (connect, record) = (chroot(), Arc::default());
    let dead = broker(&connect, &record).await;
    dead.register_broker(ONE, &registration(1)).await.unwrap();
    dead.elect(ONE, 0).await.unwrap();
    let watchdog = broker(&connect, &record).await;
    assert_eq!(watchdog.remove_remains(ONE).await.unwrap(), BOTH);
    assert_eq!(watchdog.controller(Watch::No).await.unwrap().epoch, 1);
}

#[tokio::test]
async fn the_living_keep_their_nodes() {
    let connect = chroot();
    let holder = broker(&connect, &Arc::new(MemoryRecord::default())).await;
    holder.register_broker(ONE, &registration(1)).await.unwrap();
    holder.elect(ONE, 0).await.unwrap();
    // Another record, as of a broker that has the same id by mistake.
    let other = broker(&connect, &Arc::new(MemoryRecord::default())).await;
    assert_eq!(other.remove_remains(ONE).await.unwrap(), NOTHING);
    // One's own session is not a dead one.
    assert_eq!(holder.remove_remains(ONE).await.unwrap(), NOTHING);
    assert_eq!(holder.broker_ids(Watch::No).await.unwrap(), [ONE]);
    assert!(holder.controller(Watch::No).await.unwrap().holder.is_some());
    generation(&holder, 1).await;
}
