//! The crash watchdog: a second, small process of this program that outlives the first one.
//!
//! ZooKeeper notices a killed broker when its session times out. The watchdog notices it at once: it
//! has the reading end of a pipe whose other end only the broker has, so the pipe ends when the
//! broker does, however it dies. Unless the broker has said before that it stops, the watchdog then
//! takes over the lock of the first log directory, which proves the death a second time and keeps a
//! successor waiting for a moment, and removes the nodes of the sessions that are recorded there.
//! Apart from that it holds nothing of the broker's: no socket, no file.
//!
//! A broker that is only stopped or slow keeps its pipe, and its nodes. When the watchdog dies the
//! broker starts another. When both die, as in a container whose first process is the broker, the
//! session timeout decides.

mod keeper;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use keeper::Watchdog;
pub(crate) use process::run_if_asked;

/// The hidden first argument.
const ARGUMENT: &str = "--crash-watchdog";
/// How the process is called in lists of processes.
const NAME: &str = "ottla-watchdog";
/// What the broker writes when it stops by itself; without it, it has crashed.
const STOPS: u8 = b's';

/// What the watchdog has to know, which it is told by its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    /// The process to watch.
    pub(crate) process: u32,
    /// `broker.id`.
    pub(crate) broker: i32,
    /// `zookeeper.session.timeout.ms`: after that there is nothing left to remove.
    pub(crate) session_timeout: Duration,
    /// `zookeeper.connect`.
    pub(crate) connect: String,
    /// The first log directory, which has the lock and the record of sessions.
    pub(crate) dir: PathBuf,
}

impl Orders {
    fn to_arguments(&self) -> [OsString; 6] {
        [
            ARGUMENT.into(),
            self.process.to_string().into(),
            self.broker.to_string().into(),
            self.session_timeout.as_millis().to_string().into(),
            self.connect.clone().into(),
            self.dir.clone().into(),
        ]
    }

    /// The arguments behind the program's name; `None` if they are not a watchdog's.
    fn from_arguments(mut arguments: impl Iterator<Item = OsString>) -> Option<Orders> {
        let mut text = || arguments.next()?.into_string().ok();
        if text()? != ARGUMENT {
            return None;
        }
        Some(Orders {
            process: text()?.parse().ok()?,
            broker: text()?.parse().ok()?,
            session_timeout: Duration::from_millis(text()?.parse().ok()?),
            connect: text()?,
            dir: arguments.next()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_pass_through_the_arguments() {
        let orders = Orders {
            process: 4711,
            broker: 3,
            session_timeout: Duration::from_millis(18_000),
            connect: "a:2181,b:2181/kafka".to_owned(),
            dir: "/data/a directory".into(),
        };
        let arguments = orders.to_arguments();
        assert_eq!(
            Orders::from_arguments(arguments.clone().into_iter()),
            Some(orders)
        );
        let fewer = arguments.into_iter().take(5);
        assert_eq!(Orders::from_arguments(fewer), None);
        let of_a_broker = ["server.properties".into()].into_iter();
        assert_eq!(Orders::from_arguments(of_a_broker), None);
    }
}
