//! ElectLeaders.

use ottla_protocol::messages::elect_leaders_request::TopicPartitions;
use ottla_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::testing::TestBroker;
use crate::words::topic_name;

fn request(kind: i8, partitions: Option<&[(&str, i32)]>) -> ElectLeadersRequest {
    let topics = partitions.map(|partitions| {
        let topics = partitions.iter().map(|(topic, number)| {
            TopicPartitions::default()
                .with_topic(topic_name(topic))
                .with_partitions(vec![*number])
        });
        topics.collect()
    });
    ElectLeadersRequest::default()
        .with_election_type(kind)
        .with_topic_partitions(topics)
        .with_timeout_ms(1000)
}

/// `code | topic-partition:code:has-text ...`
fn show(response: &ElectLeadersResponse) -> String {
    let results = response.replica_election_results.iter();
    let partitions = results.flat_map(|topic| {
        topic.partition_result.iter().map(|result| {
            format!(
                " {}-{}:{}:{}",
                topic.topic.as_str(),
                result.partition_id,
                result.error_code,
                result.error_message.is_some()
            )
        })
    });
    format!(
        "{} |{}",
        response.error_code,
        partitions.collect::<String>()
    )
}

#[tokio::test]
async fn elections_are_answered_per_partition() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("fine", 1, Some(0), &[0, 1]);
    broker.cluster.put("moved", 2, Some(1), &[0, 1]);
    broker.cluster.put("none", 3, None, &[0]);
    let named = [
        ("none", 0),
        ("moved", 0),
        ("fine", 0),
        ("fine", 7),
        ("fine", 0),
    ];
    for version in 0..=2 {
        let preferred = broker.ask(version, &request(0, Some(&named))).await;
        assert_eq!(
            show(&preferred),
            "0 | fine-0:84:true fine-7:3:true moved-0:0:false none-0:80:true"
        );
        // Of all partitions, those that are led as they should be are not named.
        let all = broker.ask(version, &request(0, None)).await;
        assert_eq!(show(&all), "0 | moved-0:0:false none-0:80:true");
        let late = request(0, None).with_timeout_ms(-1);
        let late = broker.ask(version, &late).await;
        assert_eq!(
            show(&late),
            "0 | fine-0:7:false moved-0:7:false none-0:7:false"
        );
    }
    for version in 1..=2 {
        let unclean = broker.ask(version, &request(1, None)).await;
        assert_eq!(show(&unclean), "0 | none-0:83:true");
        let nonsense = broker.ask(version, &request(7, None)).await;
        assert_eq!(show(&nonsense), "42 |");
    }
    *broker.cluster.is_controller.lock() = false;
    let elsewhere = broker.ask(2, &request(0, Some(&[("fine", 0)]))).await;
    assert_eq!(show(&elsewhere), "0 | fine-0:41:false");
}
