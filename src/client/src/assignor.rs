//! The range assignor (`org.apache.kafka.clients.consumer.RangeAssignor`, without racks).

use std::collections::BTreeMap;

use ottla_metadata::{TopicName, TopicPartition};

/// A member as the leader of its group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    /// The id that the coordinator gave it.
    pub(crate) member: String,
    /// `group.instance.id` of a static member.
    pub(crate) instance: Option<String>,
    /// What it wants to read.
    pub(crate) topics: Vec<TopicName>,
}

/// Gives each member, of each topic it wants, a range of the partitions: the members in order, the
/// first ones one more where it does not come out even. Static members come first, by their
/// instance ids, so that they keep what they had under a new member id. Every member is in the
/// answer.
pub(crate) fn range(
    subscribers: &[Subscriber],
    partitions: &BTreeMap<TopicName, i32>,
) -> BTreeMap<String, Vec<TopicPartition>> {
    let mut sorted: Vec<&Subscriber> = subscribers.iter().collect();
    sorted.sort_by_key(|s| (s.instance.is_none(), &s.instance, &s.member));
    let mut shares: BTreeMap<String, Vec<TopicPartition>> = BTreeMap::new();
    for subscriber in &sorted {
        shares.entry(subscriber.member.clone()).or_default();
    }
    for (topic, count) in partitions {
        let readers: Vec<&&Subscriber> =
            sorted.iter().filter(|s| s.topics.contains(topic)).collect();
        let Ok(number) = i32::try_from(readers.len()) else {
            continue;
        };
        if number == 0 {
            continue;
        }
        let (each, more) = (count / number, count % number);
        let mut next = 0;
        for (index, reader) in (0..).zip(&readers) {
            let end = next + each + i32::from(index < more);
            let share = shares.entry(reader.member.clone()).or_default();
            share.extend((next..end).map(|p| TopicPartition {
                topic: topic.clone(),
                partition: p,
            }));
            next = end;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(member: &str, instance: Option<&str>, topics: &[&str]) -> Subscriber {
        Subscriber {
            member: member.to_owned(),
            instance: instance.map(str::to_owned),
            topics: topics.iter().map(|t| TopicName::from(*t)).collect(),
        }
    }

    fn check(subscribers: &[Subscriber], counts: &[(&str, i32)], expected: &[(&str, &str)]) {
        let counts = counts
            .iter()
            .map(|(t, n)| (TopicName::from(*t), *n))
            .collect();
        let found: Vec<(String, String)> = range(subscribers, &counts)
            .into_iter()
            .map(|(member, share)| {
                let share: Vec<String> = share.iter().map(ToString::to_string).collect();
                (member, share.join(" "))
            })
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(m, s)| (&**m, &**s)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn ranges() {
        let one = |name| subscriber(name, None, &["t"]);
        check(&[one("a")], &[("t", 2)], &[("a", "t-0 t-1")]);
        check(
            &[one("b"), one("a")],
            &[("t", 3)],
            &[("a", "t-0 t-1"), ("b", "t-2")],
        );
        check(
            &[one("a"), one("b"), one("c")],
            &[("t", 2)],
            &[("a", "t-0"), ("b", "t-1"), ("c", "")],
        );
        check(&[one("a")], &[("t", 0)], &[("a", "")]);
        check(&[], &[("t", 1)], &[]);
    }

    #[test]
    fn members_get_what_they_want() {
        check(
            &[
                subscriber("a", None, &["t", "u"]),
                subscriber("b", None, &["u"]),
                subscriber("c", None, &["v"]),
            ],
            &[("t", 2), ("u", 2)],
            &[("a", "t-0 t-1 u-0"), ("b", "u-1"), ("c", "")],
        );
    }

    #[test]
    fn static_members_keep_their_place() {
        check(
            &[
                subscriber("a", None, &["t"]),
                subscriber("y", Some("1"), &["t"]),
                subscriber("x", Some("2"), &["t"]),
            ],
            &[("t", 3)],
            &[("a", "t-2"), ("x", "t-1"), ("y", "t-0")],
        );
    }
}
