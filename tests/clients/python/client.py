"""kafka-python behind the contract of tests/clients/README.md."""
import json
import signal
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, RebalanceInProgressError


def produce(brokers, topic, path, compression="none"):
    producer = KafkaProducer(
        bootstrap_servers=brokers,
        acks="all",
        compression_type=None if compression == "none" else compression,
        linger_ms=5,
    )
    waiting = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            waiting.append(producer.send(
                topic,
                key=None if record["key"] is None else record["key"].encode(),
                value=None if record["value"] is None else record["value"].encode(),
                headers=[(k, v.encode()) for k, v in record.get("headers", {}).items()],
                partition=record.get("partition"),
                timestamp_ms=record.get("timestamp"),
            ))
    producer.flush()
    for future in waiting:
        future.get(timeout=30)
    producer.close()


def line_of(m):
    record = {
        "partition": m.partition,
        "offset": m.offset,
        "key": None if m.key is None else m.key.decode(),
        "value": None if m.value is None else m.value.decode(),
        "timestamp": m.timestamp,
    }
    if m.headers:
        record["headers"] = {k: v.decode() for k, v in m.headers}
    return json.dumps(record)


def consume(brokers, topic, partition, count):
    consumer = KafkaConsumer(
        bootstrap_servers=brokers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
    )
    consumer.assign([TopicPartition(topic, int(partition))])
    consumer.seek_to_beginning()
    left = int(count)
    while left:
        for messages in consumer.poll(timeout_ms=1000).values():
            for m in messages[:left]:
                print(line_of(m))
                left -= 1
    consumer.close()


def group(brokers, topic, group_id, count):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=brokers,
        group_id=group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        metadata_max_age_ms=5000,
    )
    left = int(count)
    while left > 0 and not stopped:
        for messages in consumer.poll(timeout_ms=200, max_records=min(left, 20)).values():
            for m in messages:
                print(line_of(m), flush=True)
                left -= 1
        try:
            consumer.commit()
        except (CommitFailedError, RebalanceInProgressError):
            pass  # the partitions have moved, or are about to: others read these records again
    consumer.close()


if __name__ == "__main__":
    {"produce": produce, "consume": consume, "group": group}[sys.argv[1]](*sys.argv[2:])
