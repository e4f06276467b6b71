//! Commits offsets while coordinators fall: what was acknowledged is there in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ottla_client::{Admin, Cluster};
use ottla_metadata::TopicPartition;
use tokio::runtime::Handle;

/// Commits of one group, one after the other.
#[derive(Default)]
struct Commits {
    acked: i64,
    /// Those without an answer: they may arrive at any time.
    open: BTreeSet<i64>,
}

/// Groups over all partitions of `__consumer_offsets`.
pub(super) struct Committer {
    stop: Arc<AtomicBool>,
    threads: Vec<(String, JoinHandle<Commits>)>,
    partition: TopicPartition,
}

impl Committer {
    /// Begins to commit for so many groups. Has to be called within a runtime.
    ///
    /// The clients have to make one attempt only, so that it is known what is open.
    pub(super) fn start(
        one_attempt: impl Fn() -> Cluster,
        topic: &str,
        groups: usize,
    ) -> Committer {
        let stop = Arc::new(AtomicBool::new(false));
        let partition = TopicPartition::new(topic, 0);
        let threads = (0..groups)
            .map(|number| {
                let group = format!("group-{number}");
                let admin = Admin::new(one_attempt());
                let (runtime, name) = (Handle::current(), group.clone());
                let (partition, stop) = (partition.clone(), Arc::clone(&stop));
                let thread = std::thread::spawn(move || {
                    runtime.block_on(commit(admin, name, partition, stop))
                });
                (group, thread)
            })
            .collect();
        Committer {
            stop,
            threads,
            partition,
        }
    }

    /// Commits no more, and answers what is wrong with the offsets that the groups have now.
    pub(super) async fn finish(self, client: Cluster) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let admin = Admin::new(client);
        let mut wrong = Vec::new();
        for (group, thread) in self.threads {
            let Ok(commits) = thread.join() else {
                wrong.push(format!("the committer of {group} ended"));
                continue;
            };
            if commits.acked == 0 {
                wrong.push(format!("{group} never committed anything"));
            }
            match admin.group_offsets(&group).await {
                Ok(offsets) => {
                    let offset = offsets.get(&self.partition).map_or(0, |c| c.offset);
                    if offset != commits.acked && !commits.open.contains(&offset) {
                        wrong.push(format!(
                            "LOST: {group} committed {} and has {offset}",
                            commits.acked
                        ));
                    }
                }
                Err(error) => wrong.push(format!("the offsets of {group}: {error}")),
            }
        }
        wrong
    }
}

async fn commit(
    admin: Admin,
    group: String,
    partition: TopicPartition,
    stop: Arc<AtomicBool>,
) -> Commits {
    let mut commits = Commits::default();
    let mut next = 1;
    while !stop.load(Ordering::Relaxed) {
        let offsets = BTreeMap::from([(partition.clone(), next)]);
        match admin.alter_group_offsets(&group, &offsets).await {
            Ok(()) => commits.acked = next,
            Err(_) => drop(commits.open.insert(next)),
        }
        next += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    commits
}
