//! Connections to all brokers of a cluster, and the latest metadata.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_metadata::{BrokerId, TopicName};
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::{MetadataRequest, MetadataResponse};
use ottla_protocol::{ErrorCode, StrBytes};
use tokio::time::{Instant, sleep};

use crate::{ClientError, ClusterView, Connection, ConnectionOptions, parse_bootstrap};

/// How a cluster is reached.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Where to ask first, `host:port`.
    pub bootstrap: Vec<String>,
    /// How connections are made and used.
    pub connection: ConnectionOptions,
    /// The pause before a failed request is repeated (`retry.backoff.ms`).
    pub retry_backoff: Duration,
    /// How long a call may take with all its repetitions (`default.api.timeout.ms`).
    pub api_timeout: Duration,
}

impl ClusterOptions {
    /// Kafka's defaults for this list of brokers (as in `bootstrap.servers`).
    ///
    /// # Errors
    /// [`ClientError::BadAddress`].
    pub fn new(bootstrap: &str) -> Result<ClusterOptions, ClientError> {
        Ok(ClusterOptions {
            bootstrap: parse_bootstrap(bootstrap)?,
            connection: ConnectionOptions::default(),
            retry_backoff: Duration::from_millis(100),
            api_timeout: Duration::from_secs(60),
        })
    }
}

/// Which topics a `Metadata` request is about.
#[derive(Clone, Copy, Debug)]
pub enum Topics<'a> {
    /// All of them.
    All,
    /// None: only brokers and controller. A broker older than 0.10 answers with all of them.
    None,
    /// Those named; they are not created.
    Named(&'a [TopicName]),
    /// Those named; the broker may create them if it is set up to.
    NamedOrCreated(&'a [TopicName]),
}

/// A cluster. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: ClusterOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Open connections by address.
    connections: HashMap<String, Connection>,
    /// The latest answer, with the topics of earlier ones.
    view: Arc<ClusterView>,
}

impl Cluster {
    /// A cluster to which nothing is connected yet.
    pub fn new(options: ClusterOptions) -> Cluster {
        Cluster {
            inner: Arc::new(Inner {
                options,
                state: Mutex::default(),
            }),
        }
    }

    /// How the cluster is reached.
    pub fn options(&self) -> &ClusterOptions {
        &self.inner.options
    }

    /// What is known. Empty before the first [`Cluster::refresh`].
    pub fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&self.state().view)
    }

    /// An open connection to this address, an old one where there is one.
    ///
    /// # Errors
    /// What [`Connection::open`] may meet.
    pub async fn connect(&self, address: &str) -> Result<Connection, ClientError> {
        let open = self.state().connections.get(address).cloned();
        if let Some(connection) = open.filter(|c| !c.is_closed()) {
            return Ok(connection);
        }
        let connection = Connection::open(address, &self.inner.options.connection).await?;
        // Two callers may have connected at once; the later one's connection is kept by whoever
        // uses it and closes after that.
        self.state()
            .connections
            .insert(address.to_owned(), connection.clone());
        Ok(connection)
    }

    /// A connection to any broker: the bootstrap list is tried in order, then all known brokers.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when none of them can be connected to.
    pub async fn any(&self) -> Result<Connection, ClientError> {
        let mut addresses = self.inner.options.bootstrap.clone();
        for node in self.view().brokers.values() {
            let address = node.address();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut last_error = None;
        for address in &addresses {
            match self.connect(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last_error = Some(error),
            }
        }
        Err(match last_error {
            Some(error) if addresses.len() == 1 => error,
            error => ClientError::Unreachable {
                address: addresses.join(","),
                reason: error.map_or_else(String::new, |e| e.to_string()),
            },
        })
    }

    /// A connection to this broker.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` when no such broker is known; what [`Connection::open`] may meet.
    pub async fn broker(&self, id: BrokerId) -> Result<Connection, ClientError> {
        let address = self.view().brokers.get(&id).map(|node| node.address());
        match address {
            Some(address) => self.connect(&address).await,
            None => Err(ClientError::Broker {
                code: ErrorCode::BrokerNotAvailable,
                message: Some(format!("broker {id} is not alive")),
            }),
        }
    }

    /// A connection to the controller. Asks for metadata if none is known.
    ///
    /// # Errors
    /// `NOT_CONTROLLER`, which is retriable, while the cluster has none.
    pub async fn controller(&self) -> Result<Connection, ClientError> {
        let mut view = self.view();
        if view.controller.is_none() {
            view = self.refresh(Topics::None).await?;
        }
        match view.controller {
            Some(id) => self.broker(id).await,
            None => Err(ClientError::from_code(
                ErrorCode::NotController.code(),
                Some("the cluster has no controller"),
            )),
        }
    }

    /// Asks a broker for metadata, remembers and returns the answer. Topics that were not asked
    /// for are remembered from before, but are not in the returned view.
    ///
    /// # Errors
    /// Why no broker answered. Errors of topics stand in the view.
    pub async fn refresh(&self, topics: Topics<'_>) -> Result<Arc<ClusterView>, ClientError> {
        let connection = self.any().await?;
        let version = connection.version_of::<MetadataRequest>(12)?;
        let request = metadata_request(topics, version);
        let response: MetadataResponse = connection.call_version(version, &request).await?;
        let view = Arc::new(ClusterView::new(&response));
        let mut state = self.state();
        let mut merged = ClusterView::clone(&view);
        if !matches!(topics, Topics::All) {
            for (name, topic) in &state.view.topics {
                merged
                    .topics
                    .entry(Arc::clone(name))
                    .or_insert_with(|| topic.clone());
            }
        }
        state.view = Arc::new(merged);
        Ok(view)
    }

    /// Runs `attempt` until it succeeds, fails for good, or `api_timeout` is over; between two
    /// attempts all metadata is asked for anew.
    ///
    /// # Errors
    /// The last one.
    pub async fn retry<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let deadline = Instant::now() + self.inner.options.api_timeout;
        loop {
            let error = match attempt().await {
                Err(error) if error.is_retriable() => error,
                settled => return settled,
            };
            if Instant::now() + self.inner.options.retry_backoff >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, "request failed, to be repeated");
            sleep(self.inner.options.retry_backoff).await;
            // Whatever this may fail for, the next attempt meets it too.
            drop(self.refresh(Topics::None).await);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; its content is whole at any time.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn metadata_request(topics: Topics<'_>, version: i16) -> MetadataRequest {
    let named = |names: &[TopicName]| {
        let topic = |name: &TopicName| {
            let name = StrBytes::from_string(name.to_string());
            MetadataRequestTopic::default().with_name(Some(name.into()))
        };
        Some(names.iter().map(topic).collect())
    };
    let (topics, create) = match topics {
        Topics::All if version == 0 => (Some(Vec::new()), false),
        Topics::All => (None, false),
        Topics::None => (Some(Vec::new()), false),
        Topics::Named(names) => (named(names), false),
        Topics::NamedOrCreated(names) => (named(names), true),
    };
    MetadataRequest::default()
        .with_topics(topics)
        // Before version 4 every request may create topics.
        .with_allow_auto_topic_creation(create || version < 4)
}
