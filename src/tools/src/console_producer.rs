//! `kafka-console-producer`.

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use ottla_client::{ClientError, Delivery, Idempotence, Producer, ProducerOptions};
use ottla_records::Compression;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cli::{self, Properties, Stopped};

mod reader;

use reader::LineReader;

/// Lines that may wait between standard input and the producer.
const LINES: usize = 1024;
/// Records whose fate may be awaited at once; the producer's buffer is the bound that counts.
const AWAITED: usize = 1 << 18;

/// Failures that are told one by one; more of them are only counted.
const TOLD_FAILURES: usize = 10;

/// Send each line of standard input to a topic.
#[derive(Debug, Parser)]
#[command(name = "kafka-console-producer", version)]
struct Args {
    /// The topic to send to.
    #[arg(long)]
    topic: String,
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(
        long,
        value_name = "server to connect to",
        required_unless_present = "broker_list"
    )]
    bootstrap_server: Option<String>,
    /// The old name of --bootstrap-server.
    #[arg(long, value_name = "broker-list")]
    broker_list: Option<String>,
    /// Wait for each record's acknowledgement before the next is sent.
    #[arg(long)]
    sync: bool,
    /// The codec: none, gzip, snappy, lz4 or zstd; gzip if no name is given.
    #[arg(long, value_name = "compression-codec", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,
    /// Bytes of records that go into one batch.
    #[arg(long, value_name = "size")]
    batch_size: Option<usize>,
    /// The same as --batch-size, which it overrides.
    #[arg(long, value_name = "memory in bytes per partition")]
    max_partition_memory_bytes: Option<usize>,
    /// How often a failed request is repeated [default: 3].
    #[arg(long, value_name = "count")]
    message_send_max_retries: Option<u32>,
    /// The pause before a repetition, in ms [default: 100].
    #[arg(long, value_name = "ms")]
    retry_backoff_ms: Option<u64>,
    /// How long a record may wait for others to fill a batch, in ms [default: 1000].
    #[arg(long, value_name = "timeout_ms")]
    timeout: Option<u64>,
    /// Who must have a record before it counts as sent: 0, 1, or -1 or all [default: -1].
    #[arg(long, value_name = "request required acks", allow_hyphen_values = true)]
    request_required_acks: Option<String>,
    /// How long a request may take, in ms [default: 1500].
    #[arg(long, value_name = "request timeout ms")]
    request_timeout_ms: Option<u64>,
    /// Accepted for the sake of scripts; metadata is asked for when it proves wrong.
    #[arg(long, value_name = "metadata expiration interval")]
    metadata_expiry_ms: Option<u64>,
    /// How long to wait for metadata or buffer space, in ms [default: 60000].
    #[arg(long, value_name = "max block on send")]
    max_block_ms: Option<u64>,
    /// Bytes of records that may wait [default: 33554432].
    #[arg(long, value_name = "total memory in bytes")]
    max_memory_bytes: Option<usize>,
    /// Accepted for the sake of scripts; the system sizes the buffer.
    #[arg(long, value_name = "size", allow_hyphen_values = true)]
    socket_buffer_size: Option<i32>,
    /// Only the reader of lines is built in.
    #[arg(long, value_name = "reader_class")]
    line_reader: Option<String>,
    /// How lines are read, may be repeated: parse.key=false, parse.headers=false,
    /// key.separator=\t, headers.delimiter=\t, headers.separator=`,`, headers.key.separator=`:`,
    /// null.marker= (a field that equals it is null), ignore.error=false. With all of them a line
    /// is `h1:v1,h2:v2\tkey\tvalue`.
    #[arg(long, value_name = "prop")]
    property: Vec<String>,
    /// A properties file with the same keys as --property, which goes before it.
    #[arg(long, value_name = "config file")]
    reader_config: Option<PathBuf>,
    /// A setting of the producer, may be repeated: acks, linger.ms, batch.size, ...
    #[arg(long, value_name = "producer_prop")]
    producer_property: Vec<String>,
    /// A properties file with settings of the producer.
    #[arg(long = "producer.config", value_name = "config file")]
    producer_config: Option<PathBuf>,
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, cli::report_to_stderr)
}

async fn run(args: Args) -> Result<()> {
    if let Some(class) = &args.line_reader
        && !class.ends_with("LineMessageReader")
    {
        bail!("--line-reader {class}: only the LineMessageReader is built in");
    }
    let properties = args.properties()?;
    let options = options(&properties)?;
    let mut reader_properties = match &args.reader_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    reader_properties.extend(cli::key_values(&args.property));
    let reader = LineReader::new(&args.topic, &reader_properties)?;
    let servers = args.bootstrap_server.as_ref().or(args.broker_list.as_ref());
    let cluster = cli::connect(servers.map_or("", |s| s), &properties).await?;
    let producer = Producer::new(cluster, options);
    let outcome = send_lines(&producer, reader, args.sync).await;
    producer.close().await;
    let (counting, stopped) = outcome?;
    let failures = counting.await.unwrap_or_default();
    match failures {
        0 => stopped.map_or(Ok(()), |stopped| Err(stopped.into())),
        1 => bail!("1 record was not sent"),
        n => bail!("{n} records were not sent"),
    }
}

/// A record's fate, and its length for the message about it.
type Awaited = (oneshot::Receiver<Result<Delivery, ClientError>>, usize);

/// Sends every line, until a signal says to stop. What comes back tells, once the producer is
/// closed, how many failed.
async fn send_lines(
    producer: &Producer,
    mut reader: LineReader,
    sync: bool,
) -> Result<(JoinHandle<usize>, Option<Stopped>)> {
    let topic = reader.topic().to_owned();
    let mut lines = read_stdin();
    let (fates, mut awaited) = mpsc::channel::<Awaited>(AWAITED);
    let counting = tokio::spawn(async move {
        let mut failures = 0;
        while let Some((fate, length)) = awaited.recv().await {
            if let Err(error) = fate.await.unwrap_or(Err(ClientError::Closed)) {
                failures += 1;
                if failures <= TOLD_FAILURES {
                    eprintln!(
                        "ERROR Error when sending message to topic {topic}, value: {length} bytes with error: {error}"
                    );
                }
            }
        }
        failures
    });
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let line = tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok((counting, Some(Stopped(130)))),
            _ = terminate.recv() => return Ok((counting, Some(Stopped(143)))),
            line = lines.recv() => match line {
                Some(line) => line,
                None => return Ok((counting, None)),
            },
        };
        let record = reader.record(&line.context("cannot read standard input")?)?;
        let length = record.value.as_ref().map_or(0, |value| value.len());
        let fate = producer.send(record).await?;
        if sync {
            producer.flush().await;
            fate.await.map_err(|_| anyhow!(ClientError::Closed))??;
        } else {
            // The counter lives as long as this sender of it.
            drop(fates.send((fate, length)).await);
        }
    }
}

/// The lines of standard input, without their ends, read by a thread of its own.
fn read_stdin() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        let prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
        let mut input = io::stdin().lock();
        loop {
            if prompt {
                cli::print(">");
            }
            let mut line = Vec::new();
            let read = match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    Ok(line)
                }
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    lines
}

impl Args {
    /// The settings of the producer. An option given goes before a property, a property before an
    /// option's default.
    fn properties(&self) -> Result<Properties> {
        let mut properties = match &self.producer_config {
            Some(path) => cli::load_properties(path)?,
            None => Properties::new(),
        };
        properties.extend(cli::key_values(&self.producer_property));
        let text = |value: Option<u64>| value.map(|v| v.to_string());
        let size = |value: Option<usize>| value.map(|v| v.to_string());
        let batch = self.max_partition_memory_bytes.or(self.batch_size);
        for (key, given, default) in [
            ("linger.ms", text(self.timeout), "1000"),
            ("acks", self.request_required_acks.clone(), "-1"),
            ("request.timeout.ms", text(self.request_timeout_ms), "1500"),
            (
                "retries",
                self.message_send_max_retries.map(|v| v.to_string()),
                "3",
            ),
            ("retry.backoff.ms", text(self.retry_backoff_ms), "100"),
            ("buffer.memory", size(self.max_memory_bytes), "33554432"),
            ("batch.size", size(batch), "16384"),
            ("max.block.ms", text(self.max_block_ms), "60000"),
            ("compression.type", self.compression_codec.clone(), "none"),
            ("client.id", None, "console-producer"),
        ] {
            match given {
                Some(value) => drop(properties.insert(key.to_owned(), value)),
                None => {
                    let default = || default.to_owned();
                    properties.entry(key.to_owned()).or_insert_with(default);
                }
            }
        }
        Ok(properties)
    }
}

fn options(properties: &Properties) -> Result<ProducerOptions> {
    let defaults = ProducerOptions::default();
    let codec = properties.get("compression.type").map_or("none", |c| c);
    let acks = properties.get("acks").map_or("-1", |a| a.trim());
    let size = |key: &str, default: usize| -> Result<usize> {
        Ok(cli::property(properties, key)?.unwrap_or(default))
    };
    let time = |key: &str, default: Duration| -> Result<Duration> {
        Ok(cli::property_ms(properties, key)?.unwrap_or(default))
    };
    let compression = Compression::from_name(codec).ok_or_else(|| {
        anyhow!("Unknown compression name: {codec}; none, gzip, snappy, lz4 and zstd are known")
    })?;
    let level = format!("compression.{codec}.level");
    let acks = match acks {
        "all" => -1,
        number => match number.parse() {
            Ok(acks @ -1..=1) => acks,
            Ok(_) | Err(_) => bail!(
                "Invalid value {number} for configuration acks: String must be one of: all, -1, 0, 1"
            ),
        },
    };
    let retries = cli::property(properties, "retries")?.unwrap_or(defaults.retries);
    Ok(ProducerOptions {
        acks,
        linger: time("linger.ms", defaults.linger)?,
        batch_bytes: size("batch.size", defaults.batch_bytes)?,
        max_request_bytes: size("max.request.size", defaults.max_request_bytes)?,
        buffer_bytes: size("buffer.memory", defaults.buffer_bytes)?,
        max_block: time("max.block.ms", defaults.max_block)?,
        request_timeout: time("request.timeout.ms", defaults.request_timeout)?,
        delivery_timeout: time("delivery.timeout.ms", defaults.delivery_timeout)?,
        retries,
        compression,
        compression_level: cli::property(properties, &level)?,
        idempotence: idempotence(properties, acks, retries)?,
    })
}

/// Idempotence is on as in Kafka's producer: with acks all, unless it is switched off. If it is not
/// asked for, brokers and topics that have none do without.
fn idempotence(properties: &Properties, acks: i16, retries: u32) -> Result<Idempotence> {
    let possible = acks == -1 && retries > 0;
    match properties.get("enable.idempotence").map(|v| v.trim()) {
        Some("true") if !possible => {
            bail!("enable.idempotence=true needs acks=all and retries above 0")
        }
        Some("true") => Ok(Idempotence::Required),
        None if possible => Ok(Idempotence::IfPossible),
        Some(_) | None => Ok(Idempotence::Off),
    }
}
