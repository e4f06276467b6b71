//! Admitting a v2 batch that can stay as it is costs no allocation, once a thread's scratch is
//! warm; hostile batches cost little.
#![allow(clippy::unwrap_used)] // In tests a panic is the report.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use ottla_records::{
    AppendRules, AppendSource, BatchBuilder, BatchOptions, Compression, Magic, TargetCompression,
    TimestampType, validate,
};

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged; the counters neither allocate
// nor unwind.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: the caller keeps the contract, and it is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator, by `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn rules(timestamp_type: TimestampType) -> AppendRules {
    AppendRules {
        target_magic: Magic::V2,
        compression: TargetCompression::Producer,
        timestamp_type,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        max_batch_bytes: 1 << 20,
        max_set_bytes: 1 << 30,
        compacted: false,
        now_ms: 1000,
        source: AppendSource::Client,
        zstd_allowed: true,
        require_single_v2_batch: true,
    }
}

fn batch(compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        compression,
        level: compression.default_level(),
        ..BatchOptions::default()
    })
    .unwrap();
    for index in 0..1000_u16 {
        let value = index.to_be_bytes().repeat(usize::from(index % 90));
        builder
            .append(i64::from(index), None, Some(&value), &[("h", None)])
            .unwrap();
    }
    builder.build().unwrap().into()
}

#[test]
fn admission_in_place_does_not_allocate() {
    for compression in Compression::ALL {
        for timestamp_type in [TimestampType::Create, TimestampType::LogAppend] {
            let (bytes, rules) = (batch(compression), rules(timestamp_type));
            // The first time the thread's scratch is made, and the shared part of `Bytes`.
            let _held = bytes.clone();
            validate(bytes.clone(), &rules).unwrap();
            let before = CALLS.get();
            let mut set = validate(bytes.clone(), &rules).unwrap();
            set.assign_offsets(7, 1).unwrap();
            assert_eq!(set.io_slices().len(), 2);
            assert_eq!(
                CALLS.get() - before,
                0,
                "{compression:?} {timestamp_type:?}"
            );
        }
    }
}

#[test]
fn a_record_that_claims_much_gets_no_buffer_for_it() {
    let mut bytes = batch(Compression::None)[..61].to_vec();
    // Snappy: a block of four bytes as they are, the length of a record of 128 MiB.
    bytes[22] = Compression::Snappy.id();
    bytes.extend_from_slice(&[4, 0x0c, 0xfe, 0xff, 0xff, 0x7f]);
    for record in ottla_records::records(&bytes).unwrap() {
        record.unwrap_err();
    }
    assert!(LARGEST.get() < 1 << 20);
}
