//! `kafka-console-consumer`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::Parser;
use ottla_client::{
    Cluster, ClusterView, Consumer, ConsumerOptions, Isolation, OffsetSpec, Subscription, Topics,
};
use ottla_metadata::{TopicName, TopicPartition};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::cli::{self, Properties, usage};
use crate::topic_filter::TopicFilter;

mod format;
mod internal;
mod source;
mod zookeeper;

use format::Formatter;
use source::Source;

/// Print the records of a topic.
#[derive(Debug, Parser)]
#[command(name = "kafka-console-consumer", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// The topic to read.
    #[arg(long)]
    topic: Option<String>,
    /// Read all topics that this regular expression matches.
    #[arg(long, value_name = "regex", conflicts_with = "topic")]
    include: Option<String>,
    /// The old name of --include.
    #[arg(long, value_name = "regex", conflicts_with = "topic")]
    whitelist: Option<String>,
    /// With --zookeeper: read all topics that this regular expression does not match.
    #[arg(
        long,
        value_name = "regex",
        requires = "zookeeper",
        conflicts_with = "topic"
    )]
    blacklist: Option<String>,
    /// Read as the consumers of 0.8 to 1.1 do, with the group and its offsets in ZooKeeper:
    /// host:port,host:port/chroot. Takes the settings of those consumers.
    #[arg(long, value_name = "urls")]
    zookeeper: Option<String>,
    /// With --zookeeper: first remove what is stored of the group.
    #[arg(long, requires = "zookeeper")]
    delete_consumer_offsets: bool,
    /// Read only this partition, from its end unless --offset or --from-beginning says otherwise.
    #[arg(long, value_name = "partition")]
    partition: Option<i32>,
    /// Where to begin in the partition: a number, 'earliest' or 'latest'.
    #[arg(long, value_name = "consume offset", allow_hyphen_values = true)]
    offset: Option<String>,
    /// Begin with the first record that is still there instead of the next one.
    #[arg(long)]
    from_beginning: bool,
    /// End after this many records.
    #[arg(long, value_name = "num_messages", allow_hyphen_values = true)]
    max_messages: Option<i64>,
    /// End when no record has come for this long.
    #[arg(long, value_name = "timeout_ms", allow_hyphen_values = true)]
    timeout_ms: Option<i64>,
    /// Go on when a record cannot be printed.
    #[arg(long)]
    skip_message_on_error: bool,
    /// read_uncommitted, or read_committed to leave out what transactions did not commit.
    #[arg(long, value_name = "level")]
    isolation_level: Option<String>,
    /// How records are printed, may be repeated: print.timestamp=, print.key=, print.offset=,
    /// print.partition=, print.headers=, print.value=true|false, key.separator=, line.separator=,
    /// headers.separator=, null.literal=, key.deserializer=, value.deserializer=,
    /// headers.deserializer=.
    #[arg(long, value_name = "prop")]
    property: Vec<String>,
    /// A properties file with the same keys as --property, which goes before it.
    #[arg(long, value_name = "config file")]
    formatter_config: Option<PathBuf>,
    /// How records are printed: DefaultMessageFormatter or NoOpMessageFormatter; for
    /// __consumer_offsets OffsetsMessageFormatter or GroupMetadataMessageFormatter. With or
    /// without the package.
    #[arg(long, value_name = "class")]
    formatter: Option<String>,
    /// The same as --property key.deserializer=.
    #[arg(long, value_name = "deserializer for key")]
    key_deserializer: Option<String>,
    /// The same as --property value.deserializer=.
    #[arg(long, value_name = "deserializer for values")]
    value_deserializer: Option<String>,
    /// A setting of the consumer, may be repeated.
    #[arg(long, value_name = "consumer_prop")]
    consumer_property: Vec<String>,
    /// A properties file with settings of the consumer.
    #[arg(long = "consumer.config", value_name = "config file")]
    consumer_config: Option<PathBuf>,
    /// Read as a member of this group: share the partitions with its other members, begin where
    /// it stands, and commit.
    #[arg(long, value_name = "consumer group id")]
    group: Option<String>,
    /// Accepted for the sake of scripts.
    #[arg(long)]
    enable_systest_events: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    At(OffsetSpec),
    Offset(i64),
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, cli::report_to_stderr)
}

async fn run(args: Args) -> Result<()> {
    if let Some(servers) = &args.zookeeper {
        return zookeeper::run(&args, servers).await;
    }
    let begin = args.check()?;
    let properties = args.properties()?;
    let mut formatter = Formatter::new(args.formatter.as_deref(), &args.formatting()?)?;
    let options = options(&properties, begin)?;
    let group = source::group_options(args.group.as_deref(), &properties)?;
    if group.is_some() && args.partition.is_some() {
        bail!(usage(
            "A group and --partition cannot be specified together: in a group, partitions are assigned."
        ));
    }
    let servers = args.bootstrap_server.as_deref().unwrap_or_default();
    let cluster = cli::connect(servers, &properties).await?;
    let mut consumer = match group {
        Some(group) => Source::member(cluster.clone(), args.wanted_topics()?, group, options),
        None => Source::Assigned(Box::new(Consumer::new(cluster.clone(), options))),
    };
    let mut count = 0;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let outcome = tokio::select! {
        biased;
        _ = interrupt.recv() => Err(cli::Stopped(130).into()),
        _ = terminate.recv() => Err(cli::Stopped(143).into()),
        outcome = consume(&cluster, &mut consumer, begin, &args, &mut formatter, &mut count) => outcome,
    };
    consumer.close().await;
    eprintln!("Processed a total of {count} messages");
    outcome
}

async fn consume(
    cluster: &Cluster,
    source: &mut Source,
    begin: Begin,
    args: &Args,
    formatter: &mut Formatter,
    count: &mut i64,
) -> Result<()> {
    if let Source::Assigned(consumer) = source
        && !assign(cluster, consumer, begin, args).await?
    {
        return Ok(());
    }
    print_records(source, args, formatter, count).await
}

/// Begins with the partitions that the options name. Answers false if they did not come in time.
async fn assign(
    cluster: &Cluster,
    consumer: &mut Consumer,
    begin: Begin,
    args: &Args,
) -> Result<bool> {
    match (begin, args.partition, &args.topic) {
        (Begin::Offset(offset), Some(partition), Some(topic)) => {
            consumer.assign(TopicPartition::new(topic.as_str(), partition), offset);
        }
        (Begin::Offset(_), _, _) => {}
        (Begin::At(spec), _, _) => {
            let waiting = partitions(cluster, args);
            let partitions = match args.patience() {
                None => waiting.await?,
                Some(patience) => match timeout(patience, waiting).await {
                    Ok(partitions) => partitions?,
                    Err(_) => return Ok(false),
                },
            };
            let begins = partitions.into_iter().map(|p| (p, spec)).collect();
            consumer.assign_at(&begins).await?;
        }
    }
    Ok(true)
}

async fn print_records(
    source: &mut Source,
    args: &Args,
    formatter: &mut Formatter,
    count: &mut i64,
) -> Result<()> {
    let max = args
        .max_messages
        .filter(|max| *max >= 0)
        .unwrap_or(i64::MAX);
    let patience = args.patience();
    let mut out = BufWriter::new(io::stdout().lock());
    while *count < max {
        let records = match patience {
            None => source.poll().await?,
            Some(patience) => match timeout(patience, source.poll()).await {
                Ok(records) => records?,
                Err(_) => return Ok(()),
            },
        };
        let mut printed = 0;
        for record in &records {
            if *count >= max {
                break;
            }
            *count += 1;
            printed += 1;
            match formatter.write(record, &mut out) {
                Err(error) if error.is::<io::Error>() => {
                    // Whoever read has had enough; as in Kafka, not a failure.
                    eprintln!("Unable to write to standard out, closing consumer.");
                    return Ok(());
                }
                Err(error) if args.skip_message_on_error => {
                    eprintln!("Error processing message, skipping this message: {error:#}");
                }
                written => written?,
            }
        }
        if out.flush().is_err() {
            eprintln!("Unable to write to standard out, closing consumer.");
            return Ok(());
        }
        for record in records.iter().take(printed) {
            source.consumed(record);
        }
    }
    Ok(())
}

/// All partitions to read, once there are any: a topic that is not there yet is waited for, and
/// the broker may create it.
async fn partitions(cluster: &Cluster, args: &Args) -> Result<Vec<TopicPartition>> {
    let pattern = args.include.as_ref().or(args.whitelist.as_ref());
    let filter = pattern.map(|p| TopicFilter::new(p)).transpose()?;
    let mut told = false;
    loop {
        let view = match &args.topic {
            Some(topic) => {
                let names = [TopicName::from(topic.as_str())];
                let wanted = Topics::NamedOrCreated(&names);
                cluster
                    .retry(async || cluster.refresh(wanted).await)
                    .await?
            }
            None => {
                cluster
                    .retry(async || cluster.refresh(Topics::All).await)
                    .await?
            }
        };
        let mut found = all_partitions(&view);
        if let Some(filter) = &filter {
            // Kafka's consumer leaves internal topics out of what it subscribes to by pattern.
            found.retain(|p| filter.allows(&p.topic, true));
        }
        if let Some(only) = args.partition {
            found.retain(|p| p.partition == only);
        }
        if !found.is_empty() {
            return Ok(found);
        }
        for (name, topic) in &view.topics {
            if let Err(error) = ottla_client::ClientError::check(topic.error, None)
                && !error.is_retriable()
            {
                return Err(anyhow!(error).context(format!("topic {name}")));
            }
        }
        if !told {
            eprintln!("There is nothing to read yet; waiting for the topic to come.");
            told = true;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn all_partitions(view: &ClusterView) -> Vec<TopicPartition> {
    let of_topic = view.topics.iter().flat_map(|(name, topic)| {
        let partitions = topic.partitions.keys();
        partitions.map(|p| TopicPartition {
            topic: name.clone(),
            partition: *p,
        })
    });
    of_topic.collect()
}

impl Args {
    /// Where to begin, if the options go together.
    fn check(&self) -> Result<Begin> {
        if self.topic.is_none() && self.include.is_none() && self.whitelist.is_none() {
            bail!(usage("Exactly one of --include/--topic is required."));
        }
        if self.bootstrap_server.is_none() {
            bail!(usage("Missing required argument \"[bootstrap-server]\""));
        }
        if self.partition.is_some() && self.topic.is_none() {
            bail!(usage("The topic is required when partition is specified."));
        }
        if self.partition.is_none() && self.offset.is_some() {
            bail!(usage("The partition is required when offset is specified."));
        }
        if self.from_beginning && self.offset.is_some() {
            bail!(usage(
                "Options from-beginning and offset cannot be specified together."
            ));
        }
        let Some(offset) = &self.offset else {
            return Ok(Begin::At(if self.from_beginning {
                OffsetSpec::Earliest
            } else {
                OffsetSpec::Latest
            }));
        };
        match offset.to_lowercase().as_str() {
            "earliest" => Ok(Begin::At(OffsetSpec::Earliest)),
            "latest" => Ok(Begin::At(OffsetSpec::Latest)),
            number => match number.parse() {
                Ok(number @ 0..) => Ok(Begin::Offset(number)),
                Ok(_) | Err(_) => bail!(usage(format!(
                    "The provided offset value '{offset}' is incorrect. Valid values are 'earliest', 'latest', or a \
                     non-negative long."
                ))),
            },
        }
    }

    /// What a member of a group wants to read.
    fn wanted_topics(&self) -> Result<Subscription> {
        if let Some(topic) = &self.topic {
            return Ok(Subscription::Topics(vec![TopicName::from(topic.as_str())]));
        }
        let pattern = self.include.as_ref().or(self.whitelist.as_ref());
        let filter = TopicFilter::new(pattern.map_or("", |p| p))?;
        Ok(Subscription::Matching(Arc::new(move |topic: &str| {
            filter.allows(topic, true)
        })))
    }

    /// How long to wait for something to print; without end if none.
    fn patience(&self) -> Option<Duration> {
        let ms = u64::try_from(self.timeout_ms?).ok()?;
        Some(Duration::from_millis(ms))
    }

    fn properties(&self) -> Result<Properties> {
        let mut properties = match &self.consumer_config {
            Some(path) => cli::load_properties(path)?,
            None => Properties::new(),
        };
        properties.extend(cli::key_values(&self.consumer_property));
        if let Some(level) = &self.isolation_level {
            properties.insert("isolation.level".to_owned(), level.clone());
        }
        properties
            .entry("client.id".to_owned())
            .or_insert_with(|| "console-consumer".to_owned());
        let reset = properties.get("auto.offset.reset");
        if self.from_beginning && reset.is_some_and(|reset| reset != "earliest") {
            bail!(usage(
                "Can't simultaneously specify --from-beginning and another auto.offset.reset, please remove one option"
            ));
        }
        Ok(properties)
    }

    fn formatting(&self) -> Result<Properties> {
        let mut properties = match &self.formatter_config {
            Some(path) => cli::load_properties(path)?,
            None => Properties::new(),
        };
        properties.extend(cli::key_values(&self.property));
        for (key, class) in [
            ("key.deserializer", &self.key_deserializer),
            ("value.deserializer", &self.value_deserializer),
        ] {
            if let Some(class) = class {
                properties.insert(key.to_owned(), class.clone());
            }
        }
        Ok(properties)
    }
}

fn options(properties: &Properties, begin: Begin) -> Result<ConsumerOptions> {
    let defaults = ConsumerOptions::default();
    let number = |key: &str, default: i32| -> Result<i32> {
        Ok(cli::property(properties, key)?.unwrap_or(default))
    };
    let isolation = match properties.get("isolation.level").map(|l| l.trim()) {
        None | Some("read_uncommitted") => Isolation::ReadUncommitted,
        Some("read_committed") => Isolation::ReadCommitted,
        Some(other) => bail!(
            "Invalid value {other} for configuration isolation.level: String must be one of: read_committed, \
             read_uncommitted"
        ),
    };
    let reset = match properties.get("auto.offset.reset").map(|r| r.trim()) {
        Some("earliest") => Some(OffsetSpec::Earliest),
        Some("latest") => Some(OffsetSpec::Latest),
        Some("none") => None,
        Some(other) => bail!("auto.offset.reset={other}: earliest, latest or none is expected"),
        None if begin == Begin::At(OffsetSpec::Earliest) => Some(OffsetSpec::Earliest),
        None => Some(OffsetSpec::Latest),
    };
    Ok(ConsumerOptions {
        isolation,
        min_bytes: number("fetch.min.bytes", defaults.min_bytes)?,
        max_bytes: number("fetch.max.bytes", defaults.max_bytes)?,
        partition_max_bytes: number("max.partition.fetch.bytes", defaults.partition_max_bytes)?,
        max_wait: cli::property_ms(properties, "fetch.max.wait.ms")?.unwrap_or(defaults.max_wait),
        check_crcs: properties
            .get("check.crcs")
            .is_none_or(|v| v.trim() != "false"),
        reset,
    })
}
