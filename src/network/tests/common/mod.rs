//! A service whose requests say how they want to be answered, and a client that checks.
// Each test file uses a part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ottla_metadata::SecurityProtocol;
use ottla_network::{
    Answer, CloseReason, ListenerSpec, Listeners, Network, NetworkConfig, Request, Service,
};
use ottla_protocol::{ApiKey, Part, ResponseBody};
use smallvec::smallvec;
use tokio::sync::oneshot;

/// The body's first byte says what to do with the request.
pub const ECHO: u8 = b'e';
/// Answered when the test calls [`TestService::release`] with the correlation id.
pub const LATER: u8 = b'l';
pub const NOTHING: u8 = b'n';
pub const CLOSE: u8 = b'c';
/// Answered with `Part`s of the service's file.
pub const FILE: u8 = b'f';

#[derive(Default)]
pub struct TestService {
    pub calls: AtomicUsize,
    held: Mutex<HashMap<i32, oneshot::Sender<()>>>,
    pub file: Mutex<Option<(Arc<File>, u64, u64)>>,
    pub seen: Mutex<Vec<i32>>,
}

impl Service for TestService {
    fn call(&self, request: Request) -> Answer {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let id = request.header.correlation_id;
        self.seen.lock().unwrap().push(id);
        let response = |rest: &[u8]| -> ResponseBody {
            let mut bytes = id.to_be_bytes().to_vec();
            bytes.extend_from_slice(rest);
            Bytes::from(bytes).into()
        };
        match request.body.first().copied() {
            Some(ECHO) => Answer::Now(response(&request.body[1..])),
            Some(LATER) => {
                let (release, released) = oneshot::channel();
                self.held.lock().unwrap().insert(id, release);
                let body = response(&[]);
                Answer::Later(Box::pin(async move {
                    // Held on to, as a handler holds its request.
                    let _request = request;
                    released.await.ok().map(|()| body)
                }))
            }
            Some(FILE) => {
                let (file, position, len) = self.file.lock().unwrap().clone().unwrap();
                Answer::Now(ResponseBody {
                    parts: smallvec![
                        Part::Bytes(Bytes::copy_from_slice(&id.to_be_bytes())),
                        Part::File {
                            file,
                            position,
                            len
                        },
                        Part::Bytes(Bytes::from_static(b"tail")),
                    ],
                })
            }
            Some(NOTHING) => Answer::None,
            _ => Answer::Close(CloseReason("the test wants it".to_owned())),
        }
    }
}

impl TestService {
    /// Lets the answer to this request go; waits until the request is there.
    pub fn release(&self, id: i32) {
        wait_until(|| self.held.lock().unwrap().contains_key(&id));
        let _ = self.held.lock().unwrap().remove(&id).unwrap().send(());
    }

    /// Lets the handler of this request fail.
    pub fn give_up(&self, id: i32) {
        wait_until(|| self.held.lock().unwrap().contains_key(&id));
        drop(self.held.lock().unwrap().remove(&id));
    }

    pub fn wait_for_calls(&self, calls: usize) {
        wait_until(|| self.calls.load(Ordering::SeqCst) >= calls);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Polls for something that must come about soon.
pub fn wait_until(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub struct Server {
    pub runtime: tokio::runtime::Runtime,
    pub service: Arc<TestService>,
    pub network: Option<Network>,
    pub addresses: Vec<SocketAddr>,
}

pub fn plaintext(name: &str, inter_broker: bool) -> ListenerSpec {
    ListenerSpec {
        name: name.into(),
        security_protocol: SecurityProtocol::Plaintext,
        host: "127.0.0.1".to_owned(),
        port: 0,
        inter_broker,
        max_connections: None,
    }
}

impl Server {
    pub fn start(config: NetworkConfig) -> Server {
        Server::with_listeners(config, vec![plaintext("PLAINTEXT", false)])
    }

    pub fn with_listeners(config: NetworkConfig, specs: Vec<ListenerSpec>) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let service = Arc::new(TestService::default());
        let listeners = Listeners::bind(specs, config).unwrap();
        let addresses = listeners.bound().iter().map(|b| b.address).collect();
        let guard = runtime.enter();
        let network = listeners.serve(service.clone()).unwrap();
        drop(guard);
        Server {
            runtime,
            service,
            network: Some(network),
            addresses,
        }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.addresses[0])
    }

    pub fn connections(&self) -> usize {
        self.network.as_ref().unwrap().connections()
    }
}

pub struct Client(pub TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Client(stream)
    }

    pub fn send(&mut self, id: i32, body: &[u8]) {
        self.0.write_all(&frame(id, body)).unwrap();
    }

    /// The next response: its correlation id and what follows.
    pub fn receive(&mut self) -> (i32, Vec<u8>) {
        let mut size = [0; 4];
        self.0.read_exact(&mut size).unwrap();
        let mut bytes = vec![0; i32::from_be_bytes(size) as usize];
        self.0.read_exact(&mut bytes).unwrap();
        let rest = bytes.split_off(4);
        (i32::from_be_bytes(bytes.try_into().unwrap()), rest)
    }

    pub fn echo(&mut self, id: i32) {
        self.send(id, &[ECHO]);
        assert_eq!(self.receive().0, id);
    }

    /// Whether the broker closed the connection, as opposed to sending something.
    pub fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0; 1]) {
            Ok(n) => n == 0,
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => true,
            Err(e) => panic!("{e}"),
        }
    }
}

/// A frame with size and header (Metadata version 0, no client id).
pub fn frame(id: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((10 + body.len()) as i32).to_be_bytes().to_vec();
    bytes.extend(ApiKey::Metadata.key().to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(id.to_be_bytes());
    bytes.extend([255, 255]);
    bytes.extend_from_slice(body);
    bytes
}

/// A config for tests.
pub fn config() -> NetworkConfig {
    NetworkConfig {
        frame_budget_bytes: 64 << 20,
        ..NetworkConfig::default()
    }
}
