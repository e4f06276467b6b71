//! A whole cluster in one thread: the brains of N brokers in a world of fakes, with time that does not
//! pass by itself and chance that can be repeated.
//!
//! - [`run`] draws a cluster, a workload and faults from a seed and lets them happen. After every
//!   step the oracle compares what brokers do with what must hold; after every phase of
//!   trouble everything is healed, and must be well again within a bounded time.
//! - The brains are the real ones: `ottla-controller`'s Controller and `ottla-partition`'s
//!   Partition. What drives them here mirrors `ottla-cluster` and `ottla-replication` thinly; the
//!   log's leader epochs are the real ones too.
//! - What is fake: network (`network`), ZooKeeper (`zookeeper`), disks (`disk`), clock and tasks
//!   (`world`, `port`).
//! - Checks: what is acknowledged is committed, and what is committed is on every stored in-sync
//!   replica and never vanishes, except where the rules permit it (unclean election, more power
//!   failures than replicas); one leader to an epoch; epochs only grow; high watermarks of a
//!   leadership too; logs agree below them; idempotent sends are committed once and in order; no
//!   deposed controller writes; no topic changes its id.
//!
//! The same seed gives the same run, event by event. `OTTLA_SIM_SEED=n cargo test -p
//! ottla-simulation replay -- --nocapture` prints its trace.

mod broker;
mod client;
mod disk;
mod driver;
mod fetcher;
mod isr;
mod message;
mod network;
mod operator;
mod options;
mod oracle;
mod outbox;
mod port;
mod random;
mod scenario;
mod session;
mod settled;
mod shutdown;
mod world;
mod zookeeper;

use std::fmt;
use std::panic::AssertUnwindSafe;

pub use options::{Faults, Mistakes, Options};
pub use oracle::Counts;
pub use scenario::{Scenario, Setup};

use crate::operator::Operator;
use crate::options::Cluster;
use crate::oracle::Oracle;
use crate::port::{MILLI, Micros};
use crate::world::{Event, Turn, World};

/// How often it is asked whether all is well again.
const LOOK_EVERY: Micros = 200 * MILLI;
/// A run with more events than that never comes to rest.
const MOST_EVENTS: u64 = 3_000_000;

/// What a run was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Virtual time that passed, in milliseconds.
    pub virtual_ms: i64,
    /// Events that happened.
    pub events: u64,
    /// Depends on every event and its time.
    pub fingerprint: u64,
    /// What happened.
    pub counts: Counts,
    /// What happened, line by line, if it was asked for.
    pub trace: Vec<String>,
}

/// A rule that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// When, in virtual microseconds.
    pub at: i64,
    /// The cluster that the seed draws.
    pub cluster: String,
    /// Which rule.
    pub what: String,
    /// What led to it, line by line.
    pub trace: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "{}", self.cluster)?;
        write!(
            f,
            "seed {} at {}.{:06} s: {}",
            self.seed,
            self.at / 1_000_000,
            self.at % 1_000_000,
            self.what
        )
    }
}

impl std::error::Error for Violation {}

/// Runs one seed.
///
/// # Errors
/// A rule was broken; a brain that panicked counts as one.
pub fn run(seed: u64, options: Options) -> Result<Report, Box<Violation>> {
    let first = attempt(seed, &options);
    match first {
        Err(violation) if !options.traced => {
            let again = Options {
                traced: true,
                ..options
            };
            Err(attempt(seed, &again).err().unwrap_or(violation))
        }
        result => result,
    }
}

fn attempt(seed: u64, options: &Options) -> Result<Report, Box<Violation>> {
    let cluster = Cluster::draw(seed, options);
    let described = format!("{cluster:?}");
    let oracle = Oracle::new(cluster.unclean, options.traced);
    let mut world = World::new(seed, cluster, oracle.clone());
    let played = std::panic::catch_unwind(AssertUnwindSafe(|| play(seed, options, &mut world)));
    let now = world.now;
    let broken = match played {
        Ok(()) => oracle.violation(),
        Err(panic) => Some(format!("a panic: {}", message(panic.as_ref()))),
    };
    match broken {
        Some(what) => Err(Box::new(Violation {
            seed,
            at: now,
            cluster: described,
            what,
            trace: oracle.take_trace(),
        })),
        None => Ok(Report {
            seed,
            virtual_ms: now / MILLI,
            events: world.events,
            fingerprint: oracle.fingerprint(),
            counts: oracle.counts(),
            trace: oracle.take_trace(),
        }),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "without words".to_owned())
}

fn play(seed: u64, options: &Options, world: &mut World) {
    let mut operator = Operator::new(seed);
    for id in world.broker_ids() {
        world.start_broker(id);
    }
    operator.create(world, None);
    operator.create(world, None);
    for _ in 0..options.rounds {
        operator.begin(world);
        let until = world.now + options.trouble_ms * MILLI;
        loop {
            match world.turn(until) {
                Turn::Idle => break,
                Turn::Done => {}
                Turn::Operator => {
                    operator.act(world);
                    let pause = operator.pause();
                    world.schedule(pause, Event::Operator);
                }
            }
            if is_over(world) {
                return;
            }
        }
        operator.heal(world);
        if !recovers(options, &mut operator, world) {
            return;
        }
    }
}

/// Waits until all is well; false if a rule was broken.
fn recovers(options: &Options, operator: &mut Operator, world: &mut World) -> bool {
    let deadline = world.now + options.healing_ms * MILLI;
    loop {
        let until = world.now + LOOK_EVERY;
        while world.turn(until) != Turn::Idle {
            if is_over(world) {
                return false;
            }
        }
        operator.restart(world);
        let Some(why) = settled::unsettled(world) else {
            world.oracle.note(|| "all is well".to_owned());
            return true;
        };
        if world.now >= deadline {
            world
                .oracle
                .broken(format!("not all is well after healing: {why}"));
            return false;
        }
    }
}

fn is_over(world: &World) -> bool {
    if world.events > MOST_EVENTS {
        world
            .oracle
            .broken("the cluster never comes to rest".to_owned());
    }
    world.oracle.violation().is_some()
}
