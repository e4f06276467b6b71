//! Topics that are stored in the old message formats.

use ottla_records::{
    AppendRules, AppendSource, BatchBuilder, BatchOptions, Compression, Magic, validate,
};

use super::support::*;
use crate::{Log, LogConfig};

fn append_old(log: &Log, magic: Magic, compression: Compression, count: i64, timestamp: i64) {
    let mut builder = BatchBuilder::new(BatchOptions {
        magic,
        compression,
        level: compression.default_level(),
        ..BatchOptions::default()
    })
    .unwrap();
    for i in 0..count {
        let timestamp = if magic == Magic::V0 {
            -1
        } else {
            timestamp + i
        };
        builder
            .append(timestamp, None, Some(b"some value"), &[])
            .unwrap();
    }
    let rules = AppendRules {
        target_magic: magic,
        require_single_v2_batch: false,
        ..rules(AppendSource::Client)
    };
    let set = validate(builder.build().unwrap().into(), &rules).unwrap();
    log.append_as_leader(set, 3, NOW).unwrap();
}

fn check(magic: Magic, compression: Compression) {
    let mut fixture = Fixture::new(LogConfig {
        segment_bytes: 1500,
        index_interval_bytes: 100,
        ..LogConfig::default()
    });
    let log = fixture.log();
    append(&log, &Spec::default());
    assert_eq!(log.latest_epoch(), Some(0));
    for i in 0..60 {
        append_old(&log, magic, compression, 3, NOW + i * 10);
    }
    assert_eq!(log.latest_epoch(), None, "old formats have no epochs");
    assert!(log.segment_count() > 2);
    drop(log);
    for round in 0..3 {
        match round {
            1 => fixture.restart(),
            2 => fixture.crash(),
            _ => {}
        }
        let log = fixture.log();
        assert_eq!(log.log_end_offset(), 181, "{magic:?} {compression:?}");
        for from in [0, 1, 2, 3, 90, 91, 92, 180] {
            let found = read_all(&log, from, 181, 400);
            let offsets: Vec<i64> = found.iter().map(|r| r.offset).collect();
            assert_eq!(
                offsets,
                (from..181).collect::<Vec<i64>>(),
                "{magic:?} {compression:?}"
            );
        }
        let found = log.offset_for_timestamp(NOW + 301, 181).unwrap();
        match magic {
            // Segments without timestamps count as old as their files, and nothing is in them.
            Magic::V0 => assert_eq!(found, None),
            Magic::V1 | Magic::V2 => {
                let found = found.unwrap();
                assert_eq!((found.offset, found.timestamp), (92, NOW + 301));
                assert_eq!(found.leader_epoch, None);
            }
        }
    }
    let log = fixture.log();
    log.truncate_to(91).unwrap();
    assert_eq!(log.log_end_offset(), 91);
    append_old(&log, magic, compression, 3, NOW);
    assert_eq!(read_all(&log, 0, 94, 400).len(), 94);
}

#[test]
fn old_formats() {
    for magic in [Magic::V0, Magic::V1] {
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
        ] {
            check(magic, compression);
        }
    }
}
