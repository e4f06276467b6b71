//! `kafka-dump-log` (`DumpLogSegments`).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::cli::{self, usage};

mod faults;
mod index;
mod log_file;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod time_index;
mod transaction_index;

use faults::Faults;

/// Print the content of log segments (.log), indexes (.index, .timeindex, .txnindex) and producer
/// snapshots (.snapshot), and check the indexes against the log.
#[derive(Debug, Parser)]
#[command(name = "kafka-dump-log", version)]
struct Args {
    /// The files, separated by commas.
    #[arg(long, value_name = "file1, file2, ...")]
    files: Option<String>,
    /// Print each record, not only each batch.
    #[arg(long)]
    deep_iteration: bool,
    /// Print the keys and values of the records.
    #[arg(long)]
    print_data_log: bool,
    /// Check indexes against the log, without printing them.
    #[arg(long)]
    verify_index_only: bool,
    /// Do only the check that decides at a broker's start whether an index is rebuilt.
    #[arg(long)]
    index_sanity_check: bool,
    /// Leave out what is known of each record besides its content.
    #[arg(long)]
    skip_record_metadata: bool,
    /// Read only so much of each .log file.
    #[arg(long, value_name = "size", default_value_t = i32::MAX as u64)]
    max_bytes: u64,
    /// Accepted for the sake of scripts; messages of any size are read.
    #[arg(long, value_name = "size")]
    max_message_size: Option<u64>,
    /// Accepted for the sake of scripts, with a note: values are always printed as text.
    #[arg(long, value_name = "class", num_args = 0..=1)]
    value_decoder_class: Option<Option<String>>,
    /// Accepted for the sake of scripts, with a note: keys are always printed as text.
    #[arg(long, value_name = "class", num_args = 0..=1)]
    key_decoder_class: Option<Option<String>>,
    /// Not supported yet.
    #[arg(long)]
    offsets_decoder: bool,
    /// Not supported yet.
    #[arg(long)]
    transaction_log_decoder: bool,
}

/// What is printed, and where.
struct Dump<'a> {
    deep: bool,
    content: bool,
    metadata: bool,
    sanity_only: bool,
    verify_only: bool,
    max_bytes: u64,
    faults: Faults,
    out: &'a mut dyn Write,
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, async |args: Args| run(&args), cli::report_to_stderr)
}

fn run(args: &Args) -> Result<()> {
    let Some(files) = &args.files else {
        bail!(usage("Missing required argument \"[files]\""));
    };
    if args.offsets_decoder || args.transaction_log_decoder {
        bail!(usage(
            "--offsets-decoder and --transaction-log-decoder are not supported yet: groups and transactions come \
             with a later version"
        ));
    }
    let decoder = args.value_decoder_class.is_some() || args.key_decoder_class.is_some();
    if decoder {
        eprintln!("Decoder classes are not loaded; keys and values are printed as text.");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let content = args.print_data_log || decoder;
    let mut dump = Dump {
        deep: args.deep_iteration || content,
        content,
        metadata: !args.skip_record_metadata,
        sanity_only: args.index_sanity_check,
        verify_only: args.verify_index_only,
        max_bytes: args.max_bytes,
        faults: Faults::default(),
        out: &mut out,
    };
    for file in files.split(',') {
        let path = PathBuf::from(file.trim());
        let outcome = dump.file(&path);
        dump.out.flush()?;
        outcome.with_context(|| path.display().to_string())?;
    }
    eprint!("{}", dump.faults);
    Ok(())
}

impl Dump<'_> {
    fn file(&mut self, path: &Path) -> Result<()> {
        writeln!(self.out, "Dumping {}", path.display())?;
        match path.extension().and_then(|e| e.to_str()) {
            Some("log") => log_file::dump(self, path),
            Some("index") => index::dump(self, path),
            Some("timeindex") => time_index::dump(self, path),
            Some("snapshot") => snapshot::dump(self, path),
            Some("txnindex") => transaction_index::dump(self, path),
            _ => {
                eprintln!("Ignoring unknown file {}", path.display());
                Ok(())
            }
        }
    }
}

/// The offset that a segment file's name begins with.
fn base_offset(path: &Path) -> Result<i64> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let digits = name.split('.').next().unwrap_or("");
    digits
        .parse()
        .with_context(|| format!("the file's name does not begin with an offset: {name}"))
}

/// The file of the same segment with another ending.
fn sibling(path: &Path, ending: &str) -> Result<PathBuf> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let digits = name.split('.').next().unwrap_or("");
    Ok(std::path::absolute(path)?.with_file_name(format!("{digits}.{ending}")))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}
