//! AlterReplicaLogDirs.

use ottla_metadata::TopicPartition;
use ottla_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};

use crate::testing::TestBroker;
use crate::words::{text, topic_name};

fn request(moves: &[(&str, &str)]) -> AlterReplicaLogDirsRequest {
    let dirs = moves.iter().map(|(topic, dir)| {
        let topic = AlterReplicaLogDirTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![0]);
        AlterReplicaLogDir::default()
            .with_path(text(*dir))
            .with_topics(vec![topic])
    });
    AlterReplicaLogDirsRequest::default().with_dirs(dirs.collect())
}

#[tokio::test]
async fn every_partition_is_answered() {
    let broker = TestBroker::new(&[]);
    broker.lead("here", 1);
    let logs = broker.server.context.replicas.logs();
    let log = logs.get(&TopicPartition::new("here", 0)).unwrap();
    let dir = log.parent_dir().to_str().unwrap().to_owned();
    let long = "x".repeat(240);
    for version in 0..=2 {
        let moves = [
            ("here", dir.as_str()),
            ("elsewhere", dir.as_str()),
            ("nowhere", "/no/such/dir"),
            (long.as_str(), dir.as_str()),
        ];
        let response = broker.ask(version, &request(&moves)).await;
        let codes: Vec<_> = response
            .results
            .iter()
            .map(|topic| {
                (
                    &topic.topic_name.as_str()[..4],
                    topic.partitions[0].error_code,
                )
            })
            .collect();
        assert_eq!(
            codes,
            [("else", 9), ("here", 0), ("nowh", 57), ("xxxx", 17)]
        );
    }
}
