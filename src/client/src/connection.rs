//! One TCP connection to a broker: frames, correlation ids, pipelining, version negotiation.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ottla_protocol::layout::Guarded;
use ottla_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_protocol::{
    ApiKey, ApiVersionRange, ErrorCode, Request, StrBytes, decode_response, decode_response_header,
    encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::{BrokerVersions, ClientError};

/// Requests that may wait to be written, and requests that may wait for their answers. Both are
/// far above what a producer has in flight; whoever sends more waits.
const QUEUE: usize = 256;

/// How a connection is opened and used.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// The name that brokers log and count by.
    pub client_id: String,
    /// How long a connection may take to open, name resolution included.
    pub connect_timeout: Duration,
    /// How long an answer may take. A connection that failed to answer is closed.
    pub request_timeout: Duration,
    /// The largest answer that is accepted, in bytes.
    pub max_response_bytes: usize,
    /// Whether what has not arrived when the connection is closed is to be thrown away. Else the
    /// system goes on to deliver it, perhaps after what is sent on a later connection.
    pub discard_on_close: bool,
}

impl Default for ConnectionOptions {
    fn default() -> ConnectionOptions {
        ConnectionOptions {
            client_id: "ottla".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_response_bytes: 256 << 20,
            discard_on_close: false,
        }
    }
}

/// A connection to one broker. Clones share it; it closes when the last one is dropped.
///
/// Requests are written in the order of the calls, without waiting for each other's answers.
#[derive(Clone, Debug)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: String,
    options: ConnectionOptions,
    versions: BrokerVersions,
    link: Link,
}

/// The two tasks of an open socket and the way to them.
#[derive(Debug)]
struct Link {
    outgoing: mpsc::Sender<Outgoing>,
    next_correlation_id: AtomicI32,
    tasks: [AbortHandle; 2],
}

#[derive(Debug)]
struct Outgoing {
    frame: Bytes,
    then: Then,
}

/// What a request waits for.
#[derive(Debug)]
enum Then {
    Answer(Awaited),
    /// Having been given to the operating system.
    Written(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Awaited {
    correlation_id: i32,
    api: ApiKey,
    version: i16,
    reply: oneshot::Sender<Bytes>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

impl Connection {
    /// Connects to `host:port` and asks for the broker's versions. A broker that does not know the
    /// question closes the connection: it is then connected to once more and taken for a 0.8 one.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when no connection comes about; what a request may meet.
    pub async fn open(
        address: &str,
        options: &ConnectionOptions,
    ) -> Result<Connection, ClientError> {
        let link = Link::open(address, options).await?;
        let (link, versions) = match negotiate(&link, address, options).await {
            Ok(versions) => (link, versions),
            Err(ClientError::Disconnected { .. }) => (
                Link::open(address, options).await?,
                BrokerVersions::oldest(),
            ),
            Err(error) => return Err(error),
        };
        Ok(Connection {
            inner: Arc::new(Inner {
                address: address.to_owned(),
                options: options.clone(),
                versions,
                link,
            }),
        })
    }

    /// Connects to `host:port` and asks nothing: for those who know what the other side speaks, as
    /// controllers and followers do. Requests go out with [`Connection::call_version`].
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when no connection comes about.
    pub async fn open_unasked(
        address: &str,
        options: &ConnectionOptions,
    ) -> Result<Connection, ClientError> {
        let link = Link::open(address, options).await?;
        Ok(Connection {
            inner: Arc::new(Inner {
                address: address.to_owned(),
                options: options.clone(),
                versions: BrokerVersions::unknown(),
                link,
            }),
        })
    }

    /// `host:port` as it was given.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// What the broker speaks.
    pub fn versions(&self) -> &BrokerVersions {
        &self.inner.versions
    }

    /// Whether the connection has ended. It does not come back.
    pub fn is_closed(&self) -> bool {
        self.inner.link.outgoing.is_closed()
    }

    /// The newest version of `R` that both sides have, none above `newest`.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] if there is none.
    pub fn version_of<R: Request>(&self, newest: i16) -> Result<i16, ClientError> {
        let api = api_of::<R>();
        let ours = ApiVersionRange {
            min: R::VERSIONS.min,
            max: R::VERSIONS.max.min(newest),
        };
        api.and_then(|api| self.inner.versions.common(api, ours))
            .ok_or_else(|| ClientError::Unsupported {
                address: self.inner.address.clone(),
                api: api.unwrap_or(ApiKey::ApiVersions),
            })
    }

    /// Sends a request in the newest version that both sides have and waits for its answer.
    ///
    /// # Errors
    /// What [`Connection::call_version`] may meet.
    pub async fn call<R>(&self, request: &R) -> Result<R::Response, ClientError>
    where
        R: Request + Guarded,
        R::Response: Guarded,
    {
        self.call_version(self.version_of::<R>(i16::MAX)?, request)
            .await
    }

    /// Sends a request in this version and waits for its answer, at most as long as the
    /// connection's `request_timeout`.
    ///
    /// # Errors
    /// Every way in which there may be no answer; never [`ClientError::Broker`], whose code stands
    /// inside the answer.
    pub async fn call_version<R>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, ClientError>
    where
        R: Request + Guarded,
        R::Response: Guarded,
    {
        let Inner {
            address,
            options,
            link,
            ..
        } = &*self.inner;
        link.call(address, options, version, request).await
    }

    /// Sends a request that has no answer: `Produce` with acks 0. Waits until it was given to the
    /// operating system.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`] when the connection has ended; no error does not mean that
    /// the request arrived.
    pub async fn send<R: Request + Guarded>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<(), ClientError> {
        let inner = &*self.inner;
        let id = inner.link.next_correlation_id();
        let frame = encode_request(version, id, Some(&inner.options.client_id), request)?;
        let (written, done) = oneshot::channel();
        inner
            .link
            .write(&inner.address, frame, Then::Written(written))
            .await?;
        done.await.map_err(|_| ClientError::Disconnected {
            address: inner.address.clone(),
        })
    }

    /// Ends the connection; what is still awaited fails with [`ClientError::Disconnected`].
    pub fn close(&self) {
        self.inner.link.close();
    }
}

/// The API of a request type; `None` for one that the protocol crate does not list.
fn api_of<R: Request>() -> Option<ApiKey> {
    ApiKey::from_key(R::KEY)
}

async fn negotiate(
    link: &Link,
    address: &str,
    options: &ConnectionOptions,
) -> Result<BrokerVersions, ClientError> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("ottla"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let newest: ApiVersionsResponse = link.call(address, options, 3, &request).await?;
    let response = if newest.error_code == ErrorCode::UnsupportedVersion.code() {
        link.call(address, options, 0, &ApiVersionsRequest::default())
            .await?
    } else {
        newest
    };
    ClientError::check(response.error_code, None)?;
    Ok(BrokerVersions::announced(&response))
}

impl Link {
    async fn open(address: &str, options: &ConnectionOptions) -> Result<Link, ClientError> {
        let stream = timeout(options.connect_timeout, TcpStream::connect(address))
            .await
            .map_err(|_| ClientError::Unreachable {
                address: address.to_owned(),
                reason: format!(
                    "no answer within {} ms",
                    options.connect_timeout.as_millis()
                ),
            })?
            .map_err(|error| ClientError::unreachable(address, &error))?;
        stream
            .set_nodelay(true)
            .map_err(|error| ClientError::unreachable(address, &error))?;
        if options.discard_on_close {
            let discarded = stream.set_zero_linger();
            discarded.map_err(|error| ClientError::unreachable(address, &error))?;
        }
        let (reader, writer) = stream.into_split();
        let (outgoing, outgoing_queue) = mpsc::channel(QUEUE);
        let (awaited, awaited_queue) = mpsc::channel(QUEUE);
        let write = tokio::spawn(write_frames(writer, outgoing_queue, awaited));
        let stop_writing = write.abort_handle();
        let max_bytes = options.max_response_bytes;
        let read = tokio::spawn(async move {
            read_frames(reader, awaited_queue, max_bytes).await;
            // Nobody would hear the answer of anything written from here on.
            stop_writing.abort();
        });
        Ok(Link {
            outgoing,
            next_correlation_id: AtomicI32::new(0),
            tasks: [write.abort_handle(), read.abort_handle()],
        })
    }

    fn close(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }

    fn next_correlation_id(&self) -> i32 {
        self.next_correlation_id.fetch_add(1, Ordering::Relaxed)
    }

    async fn call<R>(
        &self,
        address: &str,
        options: &ConnectionOptions,
        version: i16,
        request: &R,
    ) -> Result<R::Response, ClientError>
    where
        R: Request + Guarded,
        R::Response: Guarded,
    {
        let Some(api) = api_of::<R>() else {
            return Err(ClientError::UnknownCode(R::KEY));
        };
        let correlation_id = self.next_correlation_id();
        let frame = encode_request(version, correlation_id, Some(&options.client_id), request)?;
        let (reply, answer) = oneshot::channel();
        let awaited = Awaited {
            correlation_id,
            api,
            version,
            reply,
        };
        let exchange = async {
            self.write(address, frame, Then::Answer(awaited)).await?;
            answer.await.map_err(|_| ClientError::Disconnected {
                address: address.to_owned(),
            })
        };
        let Ok(body) = timeout(options.request_timeout, exchange).await else {
            // The order of answers is lost with this one; so is the connection.
            self.close();
            return Err(ClientError::TimedOut {
                address: address.to_owned(),
                api,
                timeout: options.request_timeout,
            });
        };
        let body = body?;
        // A broker that does not speak the version of an ApiVersions request answers in version 0.
        let version = match api {
            ApiKey::ApiVersions if is_unsupported(&body) => 0,
            _ => version,
        };
        decode_response::<R::Response>(version, body).map_err(|source| ClientError::Undecodable {
            address: address.to_owned(),
            api,
            source,
        })
    }

    async fn write(&self, address: &str, frame: Bytes, then: Then) -> Result<(), ClientError> {
        self.outgoing
            .send(Outgoing { frame, then })
            .await
            .map_err(|_| ClientError::Disconnected {
                address: address.to_owned(),
            })
    }
}

/// Whether a response of any version of `ApiVersions` carries the error "unsupported version".
fn is_unsupported(body: &Bytes) -> bool {
    body.first_chunk::<2>()
        .is_some_and(|code| i16::from_be_bytes(*code) == ErrorCode::UnsupportedVersion.code())
}

/// Writes frames until the connection or its owner goes away. An answer is announced to the reader
/// before its request is written.
async fn write_frames(
    mut writer: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Outgoing>,
    awaited: mpsc::Sender<Awaited>,
) {
    while let Some(next) = outgoing.recv().await {
        let mut waiting = None;
        match next.then {
            Then::Answer(answer) => {
                if awaited.send(answer).await.is_err() {
                    return;
                }
            }
            Then::Written(written) => waiting = Some(written),
        }
        if writer.write_all(&next.frame).await.is_err() {
            return;
        }
        if let Some(written) = waiting {
            // Whoever waited may have gone.
            let _ = written.send(());
        }
    }
}

/// Reads answers and hands them to whoever awaits them, in order. Ends at the first answer that
/// cannot be the awaited one.
async fn read_frames(
    mut reader: OwnedReadHalf,
    mut awaited: mpsc::Receiver<Awaited>,
    max_bytes: usize,
) {
    let mut buffer = BytesMut::new();
    while let Some(mut frame) = read_frame(&mut reader, &mut buffer, max_bytes).await {
        let Ok(next) = awaited.try_recv() else {
            return;
        };
        match decode_response_header(next.api, next.version, &mut frame) {
            // Whoever waited may have gone; the answer still counts.
            Ok(id) if id == next.correlation_id => drop(next.reply.send(frame)),
            Ok(_) | Err(_) => return,
        }
    }
}

/// The next frame without its size. `None` when the connection has ended or announces a size that
/// cannot be. The buffer grows with the bytes that arrive, not with what is announced.
async fn read_frame(
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    max_bytes: usize,
) -> Option<Bytes> {
    loop {
        if let Some(prefix) = buffer.first_chunk::<4>() {
            let size = usize::try_from(i32::from_be_bytes(*prefix)).ok()?;
            if size > max_bytes {
                return None;
            }
            if buffer.len() - 4 >= size {
                buffer.advance(4);
                return Some(buffer.split_to(size).freeze());
            }
        }
        buffer.reserve(64 << 10);
        if reader.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
