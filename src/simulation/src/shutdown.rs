//! Leaving in good order (`KafkaServer.controlledShutdown`).

use std::cell::RefCell;
use std::rc::Rc;

use crate::broker::Broker;
use crate::message::Body;
use crate::network::Place;

/// `controlled.shutdown.max.retries`.
const TRIES: usize = 3;
/// How long the controller may take to answer, and the pause after a failure, in milliseconds.
const PATIENCE: i64 = 1_000;
const PAUSE: i64 = 300;

/// Asks the controller to move leaders away, then ends the process, whatever the answer.
pub(crate) async fn leave(broker: Rc<RefCell<Broker>>) {
    let port = broker.borrow().port.clone();
    for _ in 0..TRIES {
        let (id, epoch, controller) = {
            let broker = broker.borrow();
            (broker.id, broker.epoch, broker.image.controller)
        };
        if let Some(controller) = controller {
            let through = port.connection();
            let body = Body::Shutdown(id, epoch);
            let answer = port.call_within(PATIENCE, through, Place::Broker(controller), body);
            let answer = answer.await;
            port.close(through);
            if matches!(answer, Ok(Body::ShutDown(Ok(left))) if left.is_empty()) {
                break;
            }
        }
        let _ = port.sleep(PAUSE).await;
    }
    port.exit();
    std::future::pending().await
}
