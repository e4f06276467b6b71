//! Where records come from: partitions that were named, or a group's share.

use std::collections::VecDeque;

use anyhow::{Result, bail};
use ottla_client::{
    ClientError, Cluster, Consumer, ConsumerOptions, ConsumerRecord, GroupConsumer, GroupOptions,
    Subscription,
};

use crate::cli::{self, Properties, usage};

#[derive(Debug)]
pub(super) enum Source {
    Assigned(Box<Consumer>),
    Member(Box<GroupConsumer>),
}

impl Source {
    pub(super) fn member(
        cluster: Cluster,
        subscription: Subscription,
        group: GroupOptions,
        options: ConsumerOptions,
    ) -> Source {
        let member = GroupConsumer::new(cluster, subscription, group, options);
        Source::Member(Box::new(member))
    }

    /// Waits for records. May be dropped while it waits.
    pub(super) async fn poll(&mut self) -> Result<VecDeque<ConsumerRecord>, ClientError> {
        match self {
            Source::Assigned(consumer) => consumer.poll().await,
            Source::Member(member) => member.poll().await,
        }
    }

    /// The record was printed, or skipped on purpose.
    pub(super) fn consumed(&mut self, record: &ConsumerRecord) {
        if let Source::Member(member) = self {
            member.consumed(record);
        }
    }

    /// Commits and leaves the group, if there is one.
    pub(super) async fn close(self) {
        if let Source::Member(member) = self
            && let Err(error) = member.close().await
        {
            eprintln!("The group could not be left properly: {error}");
        }
    }
}

/// How to take part in the group that --group or the properties name; none if neither does.
pub(super) fn group_options(
    group: Option<&str>,
    properties: &Properties,
) -> Result<Option<GroupOptions>> {
    let configured = properties.get("group.id").map(|id| id.trim());
    let group = match (group, configured) {
        (Some(group), Some(other)) if group != other => bail!(usage(format!(
            "The group ids of --group and of the consumer's properties do not match: '{group}', '{other}'"
        ))),
        (Some(group), _) | (None, Some(group)) => group,
        (None, None) => return Ok(None),
    };
    let mut options = GroupOptions::new(group);
    options.instance = properties.get("group.instance.id").cloned();
    for (key, target) in [
        ("session.timeout.ms", &mut options.session_timeout),
        ("max.poll.interval.ms", &mut options.rebalance_timeout),
        ("heartbeat.interval.ms", &mut options.heartbeat_interval),
        ("metadata.max.age.ms", &mut options.metadata_max_age),
    ] {
        if let Some(duration) = cli::property_ms(properties, key)? {
            *target = duration;
        }
    }
    if let Some(interval) = cli::property_ms(properties, "auto.commit.interval.ms")? {
        options.auto_commit = Some(interval);
    }
    let commits = properties.get("enable.auto.commit").map(|v| v.trim());
    if commits == Some("false") {
        options.auto_commit = None;
    }
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn groups_by_option_and_property() {
        let options = |group: Option<&str>, properties: &[&str]| {
            let properties: Vec<String> = properties.iter().map(|p| (*p).to_owned()).collect();
            group_options(group, &cli::key_values(&properties))
        };
        assert!(options(None, &[]).unwrap().is_none());
        let plain = options(Some("g"), &[]).unwrap().unwrap();
        assert_eq!((plain.group.as_str(), plain.instance), ("g", None));
        assert_eq!(plain.auto_commit, Some(Duration::from_secs(5)));
        let set = [
            "group.id=g",
            "session.timeout.ms=6000",
            "enable.auto.commit=false",
        ];
        let set = options(None, &set).unwrap().unwrap();
        assert_eq!(set.session_timeout, Duration::from_secs(6));
        assert_eq!(set.auto_commit, None);
        assert!(options(Some("g"), &["group.id=g"]).unwrap().is_some());
        assert!(options(Some("g"), &["group.id=h"]).is_err());
        assert!(options(Some("g"), &["session.timeout.ms=x"]).is_err());
    }
}
