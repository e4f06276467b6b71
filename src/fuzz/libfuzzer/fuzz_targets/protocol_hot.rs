#![no_main]
//! The request header and our own decoders of Produce and Fetch.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_protocol::fetch::FetchRequest;
use ottla_protocol::produce::ProduceRequestView;
use ottla_protocol::{ApiKey, decode_header};

fuzz_target!(|data: &[u8]| {
    let mut frame = Bytes::copy_from_slice(data);
    let Ok(header) = decode_header(&mut frame) else {
        return;
    };
    match header.api {
        ApiKey::Fetch => {
            let _ = FetchRequest::decode(header.api_version, frame);
        }
        ApiKey::Produce => produce(header.api_version, frame),
        _ => {}
    }
});

/// What was checked once is there when it is iterated.
fn produce(version: i16, frame: Bytes) {
    let Ok(view) = ProduceRequestView::decode(version, frame) else {
        return;
    };
    let promised = view.topics().size_hint().0;
    let found = view.topics().count();
    assert_eq!(found, promised);
    let partitions: usize = view.topics().map(|t| t.partitions().count()).sum();
    assert_eq!(partitions, view.partition_count());
}
