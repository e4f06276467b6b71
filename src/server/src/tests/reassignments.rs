//! AlterPartitionReassignments and ListPartitionReassignments.

use ottla_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use ottla_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::testing::TestBroker;
use crate::words::topic_name;

fn alter(partitions: &[(&str, i32, Option<&[i32]>)]) -> AlterPartitionReassignmentsRequest {
    let topics = partitions.iter().map(|(topic, number, replicas)| {
        let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect();
        let partition = ReassignablePartition::default()
            .with_partition_index(*number)
            .with_replicas(replicas.map(ids));
        ReassignableTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition])
    });
    AlterPartitionReassignmentsRequest::default()
        .with_topics(topics.collect())
        .with_timeout_ms(1000)
}

fn list(partitions: Option<&[(&str, i32)]>) -> ListPartitionReassignmentsRequest {
    let topics = partitions.map(|partitions| {
        let topics = partitions.iter().map(|(topic, number)| {
            ListPartitionReassignmentsTopics::default()
                .with_name(topic_name(topic))
                .with_partition_indexes(vec![*number])
        });
        topics.collect()
    });
    ListPartitionReassignmentsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(1000)
}

/// `code | topic-partition:code:text ...`
fn altered(response: &AlterPartitionReassignmentsResponse) -> String {
    let mut shown = format!("{} |", response.error_code);
    for topic in &response.responses {
        for partition in &topic.partitions {
            let text = partition.error_message.as_ref();
            shown += &format!(
                " {}-{}:{}:{}",
                topic.name.as_str(),
                partition.partition_index,
                partition.error_code,
                text.map_or("", |text| text.as_str())
            );
        }
    }
    shown
}

/// `code | topic-partition:replicas+adding-removing ...`
fn listed(response: &ListPartitionReassignmentsResponse) -> String {
    let ids = |ids: &[BrokerId]| {
        let ids: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
        ids.join(",")
    };
    let mut shown = format!("{} |", response.error_code);
    for topic in &response.topics {
        for partition in &topic.partitions {
            shown += &format!(
                " {}-{}:{}+{}-{}",
                topic.name.as_str(),
                partition.partition_index,
                ids(&partition.replicas),
                ids(&partition.adding_replicas),
                ids(&partition.removing_replicas)
            );
        }
    }
    shown
}

#[tokio::test]
async fn reassignments_are_answered_per_partition() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("t", 1, Some(0), &[0, 1]);
    broker.cluster.put("u", 2, Some(0), &[0]);
    let response = broker
        .ask(
            0,
            &alter(&[
                ("u", 0, None),
                ("t", 0, Some(&[2, 1])),
                ("t", 9, Some(&[1])),
                ("u", 0, Some(&[])),
            ]),
        )
        .await;
    assert_eq!(
        altered(&response),
        "0 | t-0:0: t-9:3:The partition does not exist. u-0:39:The list of replicas is empty."
    );
    let response = broker.ask(0, &alter(&[("u", 0, None)])).await;
    assert_eq!(
        altered(&response),
        "0 | u-0:85:No partition reassignment is in progress."
    );
    for (asked, want) in [
        (None, "0 | t-0:2,1,0+2-0"),
        (
            Some(&[("t", 0), ("u", 0), ("x", 7)][..]),
            "0 | t-0:2,1,0+2-0",
        ),
        (Some(&[("u", 0)]), "0 |"),
        (Some(&[]), "0 |"),
    ] {
        assert_eq!(listed(&broker.ask(0, &list(asked)).await), want);
    }
    let response = broker.ask(0, &alter(&[("t", 0, None)])).await;
    assert_eq!(altered(&response), "0 | t-0:0:");
    assert_eq!(listed(&broker.ask(0, &list(None)).await), "0 |");
    let late = broker.ask(0, &alter(&[]).with_timeout_ms(-1)).await;
    assert_eq!(altered(&late), "7 |");
    let late = broker.ask(0, &list(None).with_timeout_ms(0)).await;
    assert_eq!(listed(&late), "7 |");
    *broker.cluster.is_controller.lock() = false;
    let elsewhere = broker.ask(0, &alter(&[("t", 0, None)])).await;
    assert_eq!(altered(&elsewhere), "41 |");
    assert!(elsewhere.error_message.is_some());
    let elsewhere = broker.ask(0, &list(None)).await;
    assert_eq!(listed(&elsewhere), "41 |");
}
