//! Elections by request (KIP-183, KIP-460; `ReplicaManager.electLeaders`, `DelayedElectLeader`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_controller::{ElectionKind, ElectionRefused};
use ottla_metadata::{BrokerId, TopicPartition};
use tokio::time::Instant;

use crate::ElectLeaderError;
use crate::commands::{Command, client_command};
use crate::shared::Shared;
use crate::wait::until;

/// What became of each partition.
pub type ElectedLeaders = BTreeMap<TopicPartition, Result<(), ElectLeaderError>>;

/// Has the controller elect, then waits until the image of this broker shows the new leaders.
pub(crate) async fn elect_leaders(
    shared: &Shared,
    kind: ElectionKind,
    partitions: BTreeSet<TopicPartition>,
    timeout: Duration,
) -> ElectedLeaders {
    let deadline = Instant::now() + timeout;
    let wanted = partitions.clone();
    let answers = client_command(shared, timeout, |answer| Command::ElectLeaders {
        kind,
        partitions: wanted,
        answer,
    });
    let Ok(answers) = answers.await else {
        let late = |tp| (tp, Err(ElectLeaderError::TimedOut));
        return partitions.into_iter().map(late).collect();
    };
    let answers = answers.unwrap_or_else(|| {
        let refused = |tp| (tp, Err(ElectionRefused::NotController));
        partitions.into_iter().map(refused).collect()
    });
    let leads = |tp: &TopicPartition, leader: BrokerId| {
        let image = shared.image.load();
        let partition = image.partition(&tp.topic, tp.partition);
        partition.and_then(|partition| partition.leader) == Some(leader)
    };
    // Whoever does not show in time is found below.
    until(shared.image_version.subscribe(), deadline, || {
        let elected = answers
            .iter()
            .filter_map(|(tp, answer)| Some((tp, answer.ok()?)));
        elected.into_iter().all(|(tp, leader)| leads(tp, leader))
    })
    .await;
    let outcome = |(tp, answer): (TopicPartition, Result<BrokerId, ElectionRefused>)| {
        let shown = match answer {
            Ok(leader) if leads(&tp, leader) => Ok(()),
            Ok(_) => Err(ElectLeaderError::TimedOut),
            Err(refused) => Err(ElectLeaderError::Refused(refused)),
        };
        (tp, shown)
    };
    answers.into_iter().map(outcome).collect()
}
