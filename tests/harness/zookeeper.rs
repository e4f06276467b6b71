//! The ZooKeeper of a test, and what the znodes hold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ottla_zk::testing::{ZooKeeperServer, shared};
use zookeeper_client::{Client, Error};

use crate::Place;

/// The server that the tests of one process share; use a `fresh_chroot` each.
pub fn zookeeper() -> &'static ZooKeeperServer {
    shared().unwrap_or_else(|e| panic!("{e}"))
}

/// A server of the test's own, to stop and start.
pub fn own_zookeeper() -> ZooKeeperServer {
    ZooKeeperServer::start().unwrap_or_else(|e| panic!("{e}"))
}

/// A server of the test's own that runs at a place.
pub fn zookeeper_at(place: &Place) -> ZooKeeperServer {
    match place {
        Place::Loopback => own_zookeeper(),
        Place::Namespace { name, host } => {
            let prefix = ["ip", "netns", "exec", name];
            ZooKeeperServer::start_behind(&prefix, host).unwrap_or_else(|e| panic!("{e}"))
        }
    }
}

fn with_client<T>(connect: &str, ask: impl AsyncFn(&Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let client = Client::connect(connect)
            .await
            .unwrap_or_else(|e| panic!("{connect}: {e}"));
        ask(&client).await
    })
}

/// The text of the znode at `path` below the chroot of `connect`, if there is one.
pub fn znode(connect: &str, path: &str) -> Option<String> {
    with_client(connect, async |client| match client.get_data(path).await {
        Ok((data, _)) => Some(String::from_utf8_lossy(&data).into_owned()),
        Err(Error::NoNode) => None,
        Err(e) => panic!("{path}: {e}"),
    })
}

/// A znode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Znode {
    /// Its data, if it has any.
    pub text: Option<String>,
    /// How often it was written.
    pub version: i32,
    /// Whether it goes with a session.
    pub ephemeral: bool,
}

/// All znodes below the chroot of `connect`, by path.
pub fn znodes(connect: &str) -> BTreeMap<String, Znode> {
    with_client(connect, async |client| {
        let mut found = BTreeMap::new();
        let mut open = vec!["/".to_owned()];
        while let Some(path) = open.pop() {
            let (data, stat) = match client.get_data(&path).await {
                Ok(read) => read,
                Err(Error::NoNode) => continue,
                Err(e) => panic!("{path}: {e}"),
            };
            let children = client.list_children(&path).await.unwrap_or_default();
            let below = path.trim_end_matches('/');
            open.extend(children.iter().map(|child| format!("{below}/{child}")));
            let text = String::from_utf8_lossy(&data).into_owned();
            let node = Znode {
                text: Some(text).filter(|text| !text.is_empty()),
                version: stat.version,
                ephemeral: stat.ephemeral_owner != 0,
            };
            found.insert(path, node);
        }
        found
    })
}

/// The names of a znode's children; none if it is not there.
pub fn children(connect: &str, path: &str) -> Vec<String> {
    with_client(connect, async |client| {
        match client.list_children(path).await {
            Ok(names) => names,
            Err(Error::NoNode) => Vec::new(),
            Err(e) => panic!("{path}: {e}"),
        }
    })
}

/// What a test waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The znode is there.
    There,
    /// It is not.
    Gone,
}

/// Waits until the znode at `path` is there, or gone.
pub fn wait_for_znode(connect: &str, path: &str, presence: Presence, bound: Duration) {
    with_client(connect, async |client| {
        let start = Instant::now();
        loop {
            let stat = client.check_stat(path).await;
            let stat = stat.unwrap_or_else(|e| panic!("{path}: {e}"));
            if stat.is_some() == (presence == Presence::There) {
                return;
            }
            assert!(
                start.elapsed() < bound,
                "{path}: not {presence:?} after {bound:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}
