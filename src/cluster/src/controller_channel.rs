//! The way from this broker to whoever is controller (`NodeToControllerChannelManager`).

use std::sync::Arc;
use std::time::Duration;

use ottla_client::{ClientError, Connection, ConnectionOptions, host_port};
use ottla_metadata::BrokerId;
use ottla_protocol::Request;
use ottla_protocol::layout::Guarded;
use parking_lot::Mutex;

use crate::convert::chain;
use crate::shared::Shared;

/// Pause before the controller is looked for again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may take to open. A controller on a machine that does not answer is soon
/// replaced, which the image says.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Something that a broker asks of the controller: over the network in the newest version that both
/// know, or in-process where this broker is the controller itself.
pub(crate) trait Ask: Sync {
    /// The request of the wire.
    type Request: Request<Response: Guarded + Send> + Guarded + Send + Sync;
    /// What the caller wants to know.
    type Answer: Send;

    /// The newest version that may be used; `None` while nothing can be asked.
    fn newest_version(&self) -> Option<i16>;

    /// The request in a version. It is made anew for each attempt.
    fn request(&self, version: i16) -> Self::Request;

    /// What a response in that version means; `None` if the broker says that it is not the
    /// controller.
    fn answer(
        &self,
        version: i16,
        response: <Self::Request as Request>::Response,
    ) -> Option<Self::Answer>;

    /// The same, asked of this broker; `None` if it is not the controller.
    fn ask_own(&self) -> impl Future<Output = Option<Self::Answer>> + Send;
}

/// A connection to the controller that the image names, for one use. Requests are not queued here:
/// whoever must have only one in flight asks for one at a time.
pub(crate) struct ControllerChannel {
    shared: Arc<Shared>,
    options: ConnectionOptions,
    open: Mutex<Option<(BrokerId, Connection)>>,
    /// What was in the way last, which is said once.
    trouble: Mutex<String>,
}

impl ControllerChannel {
    /// A channel; nothing is connected before the first question.
    pub(crate) fn new(shared: Arc<Shared>) -> ControllerChannel {
        let options = ConnectionOptions {
            client_id: shared.id().to_string(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: shared.settings.controller_socket_timeout,
            // A question that was given up and asked again must not be answered a second time when
            // the answer has been acted upon: in-sync replicas would be others than the leader thinks.
            discard_on_close: true,
            ..ConnectionOptions::default()
        };
        ControllerChannel {
            shared,
            options,
            open: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// Asks until a controller has answered. A request whose answer was lost is sent again, so it
    /// must be one that can be repeated. Who cannot wait for ever drops the future.
    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> A::Answer {
        loop {
            if let Some(answer) = self.try_ask(ask).await {
                return answer;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Asks once. `None` where no controller is known or reached, where the broker asked is not the
    /// controller, and where the answer was lost: then it may have been done all the same.
    pub(crate) async fn try_ask<A: Ask>(&self, ask: &A) -> Option<A::Answer> {
        let image = self.shared.image.load_full();
        let controller = image.controller?;
        let newest = ask.newest_version()?;
        if controller == self.shared.id() {
            return ask.ask_own().await;
        }
        let listener = &self.shared.settings.controller_listener;
        let endpoint = image.brokers.get(&controller)?.endpoint(listener)?;
        let address = host_port(&endpoint.host, i32::from(endpoint.port));
        let exchange = async {
            let connection = self.connection(controller, &address).await?;
            let version = connection.version_of::<A::Request>(newest)?;
            let request = ask.request(version);
            let response = connection.call_version(version, &request).await?;
            Ok::<_, ClientError>(ask.answer(version, response))
        };
        let exchanged = tokio::select! {
            biased;
            exchanged = exchange => Some(exchanged),
            // A controller that hangs would be waited for long after it has been replaced.
            () = self.replaced(controller) => None,
        };
        match exchanged {
            Some(Ok(Some(answer))) => {
                self.trouble.lock().clear();
                return Some(answer);
            }
            Some(Ok(None)) => self.report(controller, "it is not the controller".to_owned()),
            Some(Err(error)) => self.report(controller, chain(&error)),
            None => self.report(controller, "it was replaced".to_owned()),
        }
        self.open.lock().take();
        None
    }

    fn report(&self, controller: BrokerId, trouble: String) {
        let mut known = self.trouble.lock();
        if *known != trouble {
            tracing::info!(%controller, trouble, "cannot ask the controller; looking for it anew");
            *known = trouble;
        }
    }

    /// The open connection to that broker, or a new one.
    async fn connection(
        &self,
        controller: BrokerId,
        address: &str,
    ) -> Result<Connection, ClientError> {
        if let Some((to, connection)) = &*self.open.lock()
            && *to == controller
            && connection.address() == address
            && !connection.is_closed()
        {
            return Ok(connection.clone());
        }
        let connection = Connection::open(address, &self.options).await?;
        *self.open.lock() = Some((controller, connection.clone()));
        Ok(connection)
    }

    /// Returns when the image names another controller, or none.
    async fn replaced(&self, controller: BrokerId) {
        let mut version = self.shared.image_version.subscribe();
        let now = || self.shared.image.load().controller;
        if version
            .wait_for(|_| now() != Some(controller))
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}
