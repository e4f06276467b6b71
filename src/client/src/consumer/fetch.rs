//! One fetch: the request, and the records in the answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::StrBytes;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use ottla_protocol::messages::{FetchRequest, FetchResponse};
use ottla_records::{BatchHeader, ControlRecord, batches, control_record, records, verify};

use super::{ConsumerOptions, ConsumerRecord, Isolation};
use crate::{ClientError, Cluster};

/// The last version that names topics by name.
const NEWEST: i16 = 12;

pub(super) async fn fetch(
    cluster: &Cluster,
    leader: BrokerId,
    positions: &BTreeMap<TopicPartition, i64>,
    options: &ConsumerOptions,
) -> Result<FetchResponse, ClientError> {
    let connection = cluster.broker(leader).await?;
    let version = connection.version_of::<FetchRequest>(NEWEST)?;
    let response = connection
        .call_version(version, &request(positions, options, version))
        .await?;
    ClientError::check(response.error_code, None)?;
    Ok(response)
}

/// Whether anything failed, so that the next fetch should not follow at once.
pub(super) fn has_errors(response: &Result<FetchResponse, ClientError>) -> bool {
    match response {
        Ok(response) => {
            let mut partitions = response.responses.iter().flat_map(|t| &t.partitions);
            partitions.any(|p| p.error_code != 0)
        }
        Err(_) => true,
    }
}

fn request(
    positions: &BTreeMap<TopicPartition, i64>,
    options: &ConsumerOptions,
    version: i16,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (partition, offset) in positions {
        let entry = FetchPartition::default()
            .with_partition(partition.partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(options.partition_max_bytes);
        match topics.last_mut() {
            Some(last) if last.topic.as_str() == &*partition.topic => last.partitions.push(entry),
            _ => {
                let name = StrBytes::from_string(partition.topic.to_string());
                topics.push(
                    FetchTopic::default()
                        .with_topic(name.into())
                        .with_partitions(vec![entry]),
                );
            }
        }
    }
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(i32::try_from(options.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(options.min_bytes)
        .with_max_bytes(options.max_bytes)
        .with_isolation_level(if version >= 4 {
            options.isolation.code()
        } else {
            0
        })
        // No incremental session (KIP-227): every fetch names all that it wants.
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(topics)
}

/// Appends the records from `position` on to `out` and returns the next position.
pub(super) fn read(
    partition: &TopicPartition,
    position: i64,
    data: &PartitionData,
    options: &ConsumerOptions,
    out: &mut VecDeque<ConsumerRecord>,
) -> Result<i64, ClientError> {
    let bad = |reason: String| ClientError::BadRecords {
        partition: partition.clone(),
        reason,
    };
    let bytes = data.records.as_deref().unwrap_or_default();
    let mut aborted = Aborted::new(data, options.isolation);
    let mut next = position;
    let mut whole = 0;
    for batch in batches(bytes) {
        let batch = batch.map_err(|e| bad(format!("corrupt batch after offset {next}: {e}")))?;
        whole += 1;
        let header = if options.check_crcs {
            verify(batch).map(Some)
        } else {
            BatchHeader::parse(batch)
        };
        let header = header
            .map_err(|e| bad(format!("corrupt batch after offset {next}: {e}")))?
            .ok_or_else(|| bad(format!("truncated batch after offset {next}")))?;
        if !header.is_control() && !aborted.contains(&header) {
            for record in records(batch).map_err(|e| bad(e.to_string()))? {
                let record = record.map_err(|e| bad(e.to_string()))?;
                if record.offset >= position {
                    out.push_back(ConsumerRecord {
                        partition: partition.clone(),
                        leader_epoch: header.leader_epoch(),
                        record,
                    });
                }
            }
        } else if header.is_control() {
            aborted.control(&header, batch);
        }
        next = next.max(header.next_offset());
    }
    if whole == 0 && !bytes.is_empty() {
        return Err(bad(format!(
            "the record at offset {position} is larger than max.partition.fetch.bytes={}",
            options.partition_max_bytes
        )));
    }
    Ok(next)
}

/// The aborted transactions among the records of one answer.
struct Aborted<'a> {
    /// Those that have not begun yet, by first offset.
    coming: VecDeque<&'a AbortedTransaction>,
    /// Producers whose records are being skipped.
    open: BTreeSet<i64>,
}

impl<'a> Aborted<'a> {
    fn new(data: &'a PartitionData, isolation: Isolation) -> Aborted<'a> {
        let mut coming: Vec<_> = match isolation {
            Isolation::ReadUncommitted => Vec::new(),
            Isolation::ReadCommitted => data.aborted_transactions.iter().flatten().collect(),
        };
        coming.sort_by_key(|t| t.first_offset);
        Aborted {
            coming: coming.into(),
            open: BTreeSet::new(),
        }
    }

    /// Whether the batch belongs to an aborted transaction.
    fn contains(&mut self, header: &BatchHeader) -> bool {
        while let Some(next) = self.coming.front()
            && next.first_offset <= header.last_offset()
        {
            self.open.insert(next.producer_id.0);
            self.coming.pop_front();
        }
        header.is_transactional() && header.producer().is_some_and(|p| self.open.contains(&p.id))
    }

    /// A marker ends its producer's transaction.
    fn control(&mut self, header: &BatchHeader, batch: &[u8]) {
        if let (Some(producer), Ok(Some(ControlRecord::Abort { .. }))) =
            (header.producer(), control_record(batch))
        {
            self.open.remove(&producer.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ottla_records::{BatchBuilder, BatchOptions, Compression, Magic};

    /// A batch of the producer with one record per value, from this offset on.
    fn batch(options: BatchOptions, values: &[&str]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(options).unwrap();
        for value in values {
            builder
                .append(1, None, Some(value.as_bytes()), &[])
                .unwrap();
        }
        builder.build().unwrap()
    }

    fn of_producer(base_offset: i64, producer_id: i64, values: &[&str]) -> Vec<u8> {
        let options = BatchOptions {
            base_offset,
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            transactional: producer_id >= 0,
            ..BatchOptions::default()
        };
        batch(options, values)
    }

    fn marker(base_offset: i64, producer_id: i64, marker: ControlRecord) -> Vec<u8> {
        BatchBuilder::end_transaction(base_offset, 1, producer_id, 0, marker)
    }

    fn check(
        bytes: Vec<u8>,
        aborted: &[(i64, i64)],
        isolation: Isolation,
        position: i64,
        expected: Result<(&[&str], i64), &str>,
    ) {
        let partition = TopicPartition::new("t", 0);
        let aborted = aborted.iter().map(|(producer, first)| {
            AbortedTransaction::default()
                .with_producer_id((*producer).into())
                .with_first_offset(*first)
        });
        let data = PartitionData::default()
            .with_records(Some(Bytes::from(bytes)))
            .with_aborted_transactions(Some(aborted.collect()));
        let options = ConsumerOptions {
            isolation,
            ..ConsumerOptions::default()
        };
        let mut out = VecDeque::new();
        let found = read(&partition, position, &data, &options, &mut out);
        let values: Vec<String> = out
            .iter()
            .map(|r| String::from_utf8(r.record.value.clone().unwrap().to_vec()).unwrap())
            .collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        match (found, expected) {
            (Ok(next), Ok(expected)) => assert_eq!((&values[..], next), expected),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn records_before_the_position_are_left_out() {
        let bytes = [of_producer(5, -1, &["a", "b"]), of_producer(7, -1, &["c"])].concat();
        let all = Isolation::ReadUncommitted;
        check(bytes.clone(), &[], all, 5, Ok((&["a", "b", "c"], 8)));
        check(bytes.clone(), &[], all, 6, Ok((&["b", "c"], 8)));
        // A batch of which only a part came is fetched again.
        let cut = bytes[..bytes.len() - 1].to_vec();
        check(cut, &[], all, 5, Ok((&["a", "b"], 7)));
        check(Vec::new(), &[], all, 5, Ok((&[], 5)));
        let legacy = BatchOptions {
            magic: Magic::V0,
            compression: Compression::Gzip,
            ..BatchOptions::default()
        };
        check(batch(legacy, &["a", "b"]), &[], all, 1, Ok((&["b"], 2)));
    }

    #[test]
    fn aborted_records_are_left_out() {
        let abort = ControlRecord::Abort {
            coordinator_epoch: 0,
        };
        let commit = ControlRecord::Commit {
            coordinator_epoch: 0,
        };
        let bytes = [
            of_producer(0, 1, &["aborted"]),
            of_producer(1, 2, &["committed"]),
            of_producer(2, -1, &["plain"]),
            marker(3, 1, abort),
            marker(4, 2, commit),
            of_producer(5, 1, &["later"]),
        ]
        .concat();
        check(
            bytes.clone(),
            &[(1, 0)],
            Isolation::ReadCommitted,
            0,
            Ok((&["committed", "plain", "later"], 6)),
        );
        check(
            bytes,
            &[],
            Isolation::ReadUncommitted,
            0,
            Ok((&["aborted", "committed", "plain", "later"], 6)),
        );
    }

    #[test]
    fn damage_is_told() {
        let good = of_producer(0, -1, &["a"]);
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        let all = Isolation::ReadUncommitted;
        check(bad, &[], all, 0, Err("t-0: corrupt batch"));
        let part = good[..good.len() - 1].to_vec();
        check(
            part,
            &[],
            all,
            0,
            Err("larger than max.partition.fetch.bytes"),
        );
    }
}
