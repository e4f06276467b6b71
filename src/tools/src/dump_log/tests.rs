//! What is printed of files made here. That Kafka's tool prints the same of Kafka's files was seen
//! by running both.

use std::path::PathBuf;

use ottla_records::{BatchBuilder, BatchOptions, Compression, ControlRecord, Magic};

use super::*;

/// A directory with the files of one segment.
struct Files(tempfile::TempDir);

impl Files {
    fn new(log: &[u8]) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.write("log", log);
        files
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.0.path().join(format!("00000000000000000005.{ending}"))
    }

    fn write(&self, ending: &str, bytes: &[u8]) {
        std::fs::write(self.path(ending), bytes).unwrap();
    }

    /// Prints one file; the directory's name is left out of the text.
    fn dump(
        &self,
        ending: &str,
        change: impl Fn(&mut Dump<'_>),
    ) -> Result<(String, String), String> {
        let mut out = Vec::new();
        let mut dump = Dump {
            deep: false,
            content: false,
            metadata: true,
            sanity_only: false,
            verify_only: false,
            max_bytes: i32::MAX as u64,
            faults: Faults::default(),
            out: &mut out,
        };
        change(&mut dump);
        let outcome = dump.file(&self.path(ending));
        let faults = dump.faults.to_string();
        let bare = |text: String| text.replace(&format!("{}/", self.0.path().display()), "");
        match outcome {
            Ok(()) => Ok((bare(String::from_utf8(out).unwrap()), bare(faults))),
            Err(error) => Err(bare(format!("{error:#}"))),
        }
    }
}

/// A batch of these values; those that begin with an `h` get headers.
fn batch(options: BatchOptions, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options).unwrap();
    for value in values {
        let headers: &[(&str, Option<&[u8]>)] = match value.starts_with('h') {
            true => &[("h", None), ("i", Some(b"x"))],
            false => &[],
        };
        builder
            .append(1000, Some(b"k"), Some(value.as_bytes()), headers)
            .unwrap();
    }
    builder.build().unwrap()
}

fn at(base_offset: i64) -> BatchOptions {
    BatchOptions {
        base_offset,
        ..BatchOptions::default()
    }
}

#[test]
fn batches_and_records() {
    let producer = BatchOptions {
        producer_id: 7,
        producer_epoch: 1,
        base_sequence: 3,
        leader_epoch: 2,
        transactional: true,
        ..at(5)
    };
    let commit = ControlRecord::Commit {
        coordinator_epoch: 4,
    };
    let log = [
        batch(producer, &["hello", "v"]),
        BatchBuilder::end_transaction(7, 1001, 7, 1, commit),
        b"torn".to_vec(),
    ]
    .concat();
    let files = Files::new(&log);
    let (text, faults) = files
        .dump("log", |d| (d.deep, d.content) = (true, true))
        .unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let begins = |line: usize, expected: &str| {
        assert!(lines[line].starts_with(expected), "{}", lines[line]);
    };
    begins(0, "Dumping 00000000000000000005.log");
    begins(1, "Log starting offset: 5");
    begins(
        2,
        "baseOffset: 5 lastOffset: 6 count: 2 baseSequence: 3 lastSequence: 4 producerId: 7 producerEpoch: 1 \
         partitionLeaderEpoch: 2 isTransactional: true isControl: false deleteHorizonMs: OptionalLong.empty \
         position: 0 CreateTime: 1000 size: ",
    );
    assert!(
        lines[2].ends_with(" isvalid: true")
            && lines[2].contains(" magic: 2 compresscodec: none crc: ")
    );
    begins(
        3,
        "| offset: 5 CreateTime: 1000 keySize: 1 valueSize: 5 sequence: 3 headerKeys: [h,i] key: k payload: hello",
    );
    begins(
        4,
        "| offset: 6 CreateTime: 1000 keySize: 1 valueSize: 1 sequence: 4 headerKeys: [] key: k payload: v",
    );
    begins(
        5,
        "baseOffset: 7 lastOffset: 7 count: 1 baseSequence: -1 lastSequence: -1 producerId: 7",
    );
    assert_eq!(
        lines[6],
        "| offset: 7 CreateTime: 1001 keySize: 4 valueSize: 6 sequence: -1 headerKeys: [] endTxnMarker: COMMIT \
         coordinatorEpoch: 4"
    );
    assert_eq!(
        lines[7],
        "Found 4 invalid bytes at the end of 00000000000000000005.log"
    );
    assert_eq!((lines.len(), faults.as_str()), (8, ""));
    let (text, _) = files
        .dump("log", |d| {
            (d.deep, d.content, d.metadata) = (true, true, false)
        })
        .unwrap();
    assert_eq!(text.lines().nth(3), Some("| key: k payload: hello"));
}

#[test]
fn messages_of_old_formats() {
    let old = |magic, compression, base_offset| BatchOptions {
        magic,
        compression,
        ..at(base_offset)
    };
    let log = [
        batch(old(Magic::V0, Compression::None, 5), &["a"]),
        batch(old(Magic::V1, Compression::Gzip, 9), &["b", "c"]),
    ]
    .concat();
    let (text, faults) = Files::new(&log).dump("log", |d| d.deep = true).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].starts_with(
        "offset: 5 position: 0 NoTimestampType: -1 size: 28 magic: 0 compresscodec: none"
    ));
    assert!(lines[3].starts_with(
        "| offset: 5 NoTimestampType: -1 keySize: 1 valueSize: 1 isValid: true crc: "
    ));
    assert!(lines[4].starts_with("offset: 10 position: 28 CreateTime: 1000 size: "));
    assert_eq!(
        lines[5],
        "| offset: 9 CreateTime: 1000 keySize: 1 valueSize: 1"
    );
    assert_eq!(
        faults,
        "Non-consecutive offsets in 00000000000000000005.log\n  5 is followed by 9\n"
    );
}

#[test]
fn indexes_are_compared_with_the_log() {
    let first = batch(at(5), &["a", "b"]);
    let log = [first.clone(), batch(at(7), &["c"])].concat();
    let files = Files::new(&log);
    let entry = |offset: i32, position: usize| {
        [offset.to_be_bytes(), (position as i32).to_be_bytes()].concat()
    };
    let time = |timestamp: i64, offset: i32| {
        [&timestamp.to_be_bytes()[..], &offset.to_be_bytes()].concat()
    };
    // The last offsets of both batches are indexed; space is set aside behind them.
    files.write(
        "index",
        &[entry(1, 0), entry(2, first.len()), vec![0; 16]].concat(),
    );
    files.write("timeindex", &[time(1000, 1), vec![0; 24]].concat());
    let good = format!(
        "Dumping 00000000000000000005.index\noffset: 6 position: 0\noffset: 7 position: {}\n",
        first.len()
    );
    assert_eq!(files.dump("index", |_| ()), Ok((good, String::new())));
    let good = "Dumping 00000000000000000005.timeindex\ntimestamp: 1000 offset: 6\n".to_owned();
    assert_eq!(files.dump("timeindex", |_| ()), Ok((good, String::new())));

    files.write("index", &[entry(1, 0), entry(9, 0)].concat());
    let (text, faults) = files.dump("index", |d| d.verify_only = true).unwrap();
    assert_eq!(text, "Dumping 00000000000000000005.index\n");
    assert_eq!(
        faults,
        "Mismatches in :00000000000000000005.index\n  Index offset: 14, log offset: 6\n"
    );
    files.write(
        "timeindex",
        &[time(999, 1), time(998, 2), time(2000, 3)].concat(),
    );
    let (_, faults) = files.dump("timeindex", |_| ()).unwrap();
    assert_eq!(
        faults,
        "Found timestamp mismatch in :00000000000000000005.timeindex\n\
         \x20 Index timestamp: 999, log timestamp: 1000\n\
         \x20 Index timestamp: 998, log timestamp: 1000\n\
         Found out of order timestamp in :00000000000000000005.timeindex\n\
         \x20 Index timestamp: 998, Previously indexed timestamp: 999\n\
         The following indexed offsets are not found in the log.\n\
         Indexed offset: 8, found log offset: -1\n"
    );
}

#[test]
fn sanity_is_checked() {
    let files = Files::new(&[]);
    files.write("index", &[]);
    let sane = |d: &mut Dump<'_>| d.sanity_only = true;
    let (text, _) = files.dump("index", sane).unwrap();
    assert!(text.ends_with("00000000000000000005.index is empty.\n"));
    files.write("index", &[0; 9]);
    assert_eq!(
        files.dump("index", sane),
        Err(
            "Index file 00000000000000000005.index is corrupt, found 9 bytes which is neither positive nor a \
             multiple of 8."
                .to_owned()
        )
    );
    files.write("timeindex", &[0; 24]);
    let (text, _) = files.dump("timeindex", sane).unwrap();
    assert!(text.ends_with("00000000000000000005.timeindex passed sanity check.\n"));
}

#[test]
fn aborted_transactions() {
    let files = Files::new(&[]);
    let entry = [
        &[0, 0][..],
        &[7_i64, 5, 9, 10].map(i64::to_be_bytes).concat(),
    ]
    .concat();
    files.write("txnindex", &entry);
    let (text, _) = files.dump("txnindex", |_| ()).unwrap();
    assert!(
        text.ends_with(
            "version: 0 producerId: 7 firstOffset: 5 lastOffset: 9 lastStableOffset: 10\n"
        )
    );
    files.write("txnindex", &entry[..20]);
    assert_eq!(
        files.dump("txnindex", |_| ()),
        Err("a torn entry at the end".to_owned())
    );
}
