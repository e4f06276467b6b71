//! `--zookeeper`: the consumer of 0.8 to 1.1, whose group and offsets are in ZooKeeper.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use ottla_zk::Zk;
use ottla_zk::znode::Subscription;
use ottla_zookeeper_consumer::{ConsumerConfig, Reset, TopicFilter, ZookeeperConsumer};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::{Args, format::Formatter};
use crate::cli::{self, Properties, usage};
use crate::zookeeper;

/// Reads as a member of a group until told to end.
pub(super) async fn run(args: &Args, servers: &str) -> Result<()> {
    let settings = Settings::new(args, servers)?;
    let mut formatter = Formatter::new(args.formatter.as_deref(), &args.formatting()?)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    settings.prepare(args, servers).await?;

    let mut count = 0;
    let mut consumer = ZookeeperConsumer::connect(settings.config.clone()).await?;
    let outcome = tokio::select! {
        biased;
        _ = interrupt.recv() => Err(cli::Stopped(130).into()),
        _ = terminate.recv() => Err(cli::Stopped(143).into()),
        outcome = print_records(&mut consumer, args, &mut formatter, &mut count) => outcome,
    };
    let closed = consumer.close().await;
    eprintln!("Processed a total of {count} messages");
    if settings.group_is_generated {
        let zk = zookeeper::connect(servers).await?;
        let deleted = zk.delete_consumer_group(&settings.config.group).await;
        zk.close().await;
        deleted?;
    }
    // What ended the reading weighs more.
    outcome?;
    Ok(closed?)
}

async fn print_records(
    consumer: &mut ZookeeperConsumer,
    args: &Args,
    formatter: &mut Formatter,
    count: &mut i64,
) -> Result<()> {
    let max = args.max_messages.filter(|max| *max >= 0);
    let max = max.unwrap_or(i64::MAX);
    let mut out = BufWriter::new(io::stdout().lock());
    while *count < max {
        let records = match args.patience() {
            None => consumer.poll().await?,
            Some(patience) => match timeout(patience, consumer.poll()).await {
                Ok(records) => records?,
                Err(_) => return Ok(()),
            },
        };
        let mut printed = Vec::with_capacity(records.len());
        for record in records {
            if *count >= max {
                break;
            }
            *count += 1;
            match formatter.write(&record, &mut out) {
                Err(error) if error.is::<io::Error>() => {
                    eprintln!("Unable to write to standard out, closing consumer.");
                    return Ok(());
                }
                Err(error) if args.skip_message_on_error => {
                    eprintln!("Error processing message, skipping this message: {error:#}");
                }
                written => written?,
            }
            printed.push(record);
        }
        if out.flush().is_err() {
            eprintln!("Unable to write to standard out, closing consumer.");
            return Ok(());
        }
        // Only what has left counts as consumed.
        for record in &printed {
            consumer.consumed(record);
        }
    }
    Ok(())
}

/// What the options mean.
struct Settings {
    config: ConsumerConfig,
    /// Nobody else will use the group.
    group_is_generated: bool,
}

impl Settings {
    fn new(args: &Args, servers: &str) -> Result<Settings> {
        args.check_for_zookeeper()?;
        let mut properties = match &args.consumer_config {
            Some(path) => cli::load_properties(path)?,
            None => Properties::new(),
        };
        properties.extend(cli::key_values(&args.consumer_property));
        let named = properties.get("group.id").map(|group| group.trim());
        if let (Some(named), Some(group)) = (named, args.group.as_deref())
            && named != group
        {
            bail!(usage(format!(
                "The group ids provided in different places (--group, --consumer-property, --consumer.config) do not \
                 match: {group}, {named}"
            )));
        }
        let (group, group_is_generated) = match args.group.as_deref().or(named) {
            Some(group) => (group.to_owned(), false),
            None => {
                let number = rand::random_range(0..100_000);
                (format!("console-consumer-{number}"), true)
            }
        };
        let mut config = ConsumerConfig::new(servers, &group, args.subscription()?);
        configure(&mut config, &properties)?;
        if args.from_beginning {
            let other = properties.get("auto.offset.reset");
            if let Some(other) = other.filter(|_| config.reset != Reset::Smallest) {
                bail!(usage(format!(
                    "Can't simultaneously specify --from-beginning and 'auto.offset.reset={other}', please remove one \
                     option"
                )));
            }
            config.reset = Reset::Smallest;
        }
        Ok(Settings {
            config,
            group_is_generated,
        })
    }

    /// Looks whether there is a cluster, and what the group has left behind.
    async fn prepare(&self, args: &Args, servers: &str) -> Result<()> {
        let zk = zookeeper::connect(servers).await?;
        let prepared = self.prepare_in(&zk, args).await;
        zk.close().await;
        prepared
    }

    async fn prepare_in(&self, zk: &Zk, args: &Args) -> Result<()> {
        let group = &self.config.group;
        if !zk.has_brokers().await? {
            bail!("No brokers found in ZK.");
        }
        if args.delete_consumer_offsets {
            zk.delete_consumer_group(group).await?;
        } else if self.config.reset == Reset::Smallest && zk.has_consumer_offsets(group).await? {
            bail!(
                "Found previous offset information for this group {group}. Please use --delete-consumer-offsets to \
                 delete previous offsets metadata"
            );
        }
        Ok(())
    }
}

/// The old consumer's settings, by its names.
fn configure(config: &mut ConsumerConfig, properties: &Properties) -> Result<()> {
    let ms = |key: &str, default: Duration| -> Result<Duration> {
        Ok(cli::property_ms(properties, key)?.unwrap_or(default))
    };
    let number = |key: &str, default: i32| -> Result<i32> {
        Ok(cli::property(properties, key)?.unwrap_or(default))
    };
    let text = |key: &str| properties.get(key).map(|value| value.trim());
    let zookeeper = &mut config.zookeeper;
    zookeeper.session_timeout = ms("zookeeper.session.timeout.ms", zookeeper.session_timeout)?;
    zookeeper.connection_timeout =
        ms("zookeeper.connection.timeout.ms", zookeeper.session_timeout)?;
    // As in Kafka, the pause between two tries is by default what followers of the ensemble may
    // be behind.
    let backoff = ms("zookeeper.sync.time.ms", config.rebalance_backoff)?;
    config.rebalance_backoff = ms("rebalance.backoff.ms", backoff)?;
    config.rebalance_tries =
        cli::property(properties, "rebalance.max.retries")?.unwrap_or(config.rebalance_tries);
    if let Some(id) = text("client.id") {
        config.client_id = id.to_owned();
    }
    config.reset = match text("auto.offset.reset") {
        Some("smallest") => Reset::Smallest,
        Some("largest") => Reset::Largest,
        None => config.reset,
        Some(other) => bail!(
            "Wrong value {other} of auto.offset.reset in ConsumerConfig; Valid values are smallest and largest"
        ),
    };
    config.auto_commit = match text("auto.commit.enable") {
        None | Some("true") => {
            let default = config.auto_commit.unwrap_or(Duration::from_secs(60));
            Some(ms("auto.commit.interval.ms", default)?)
        }
        Some("false") => None,
        Some(other) => bail!("auto.commit.enable={other}: true or false is expected"),
    };
    if let Some(name) = text("partition.assignment.strategy") {
        config.strategy = match name.parse() {
            Ok(strategy) => strategy,
            Err(()) => bail!(
                "Wrong value {name} of partition.assignment.strategy in consumer config; Valid values are range and \
                 roundrobin"
            ),
        };
    }
    if let Some(storage) = text("offsets.storage")
        && storage != "zookeeper"
    {
        bail!("offsets.storage={storage} is not supported; zookeeper is");
    }
    let fetch = &mut config.fetch;
    fetch.min_bytes = number("fetch.min.bytes", fetch.min_bytes)?;
    fetch.partition_max_bytes = number("fetch.message.max.bytes", fetch.partition_max_bytes)?;
    fetch.max_wait = ms("fetch.wait.max.ms", fetch.max_wait)?;
    Ok(())
}

impl Args {
    fn check_for_zookeeper(&self) -> Result<()> {
        if self.bootstrap_server.is_some() {
            bail!(usage(
                "Option [bootstrap-server] is not valid with [zookeeper]."
            ));
        }
        if self.partition.is_some() || self.offset.is_some() {
            bail!(usage(
                "Partition-offset based consumption is supported in the new consumer only."
            ));
        }
        if self.isolation_level.is_some() {
            bail!(usage(
                "Option [isolation-level] is not valid with [zookeeper]."
            ));
        }
        Ok(())
    }

    /// Even a single topic is a pattern to the console consumer, so its group sees it come.
    fn subscription(&self) -> Result<Subscription> {
        let include = self.include.as_ref().or(self.whitelist.as_ref());
        let given = [self.topic.as_ref(), include, self.blacklist.as_ref()];
        let mut given = given.into_iter().flatten();
        let (Some(list), None) = (given.next(), given.next()) else {
            bail!(usage(
                "Exactly one of whitelist/blacklist/topic is required."
            ));
        };
        let pattern = TopicFilter::pattern_of(list);
        Ok(match self.blacklist {
            Some(_) => Subscription::BlackList {
                pattern,
                streams: 1,
            },
            None => Subscription::WhiteList {
                pattern,
                streams: 1,
            },
        })
    }
}
