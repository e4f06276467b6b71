"""Fetches at random offsets of a partition of 1 GB, and of one of 100 GB whose values are holes. Each
answer carries the batch of a quarter of a megabyte that it finds. To bring that into the page cache
costs more than all else, so what counts is the second time that the same offsets are read."""
import pathlib
import random
import struct

from cluster import Cluster
from loads import create_topic, go_load

VALUE = 250_000
SEGMENT = 1 << 30
FETCHES = 500


def measure(kind, bench):
    figures, costs = {}, {}
    for gigabytes in (1, bench.scaled(100)):
        with Cluster(kind, bench.zookeeper) as cluster:
            broker = cluster.brokers[0]
            create_topic(cluster, "sparse")
            broker.terminate()
            records = gigabytes * 1_000_000_000 // VALUE
            write_log(broker.logs / "sparse-0", records)
            broker.start()
            broker.wait_for_a_record("second")
            chance = random.Random(gigabytes)
            offsets = [chance.randrange(records) for _ in range(FETCHES)]
            cold = go_load("reads", broker.address, "sparse", 1024, *offsets)
            before = cluster.cpu()
            got = go_load("reads", broker.address, "sparse", 1024, *offsets)
            cpu = (cluster.cpu() - before) / FETCHES * 1e6
            costs[gigabytes] = got["p50_ms"], cpu
            name = f"{gigabytes} GB"
            figures |= {f"{name}: p50, not in the page cache": (cold["p50_ms"], "ms"),
                        f"{name}: p50": (got["p50_ms"], "ms"), f"{name}: p99": (got["p99_ms"], "ms"),
                        f"{name}: cpu": (cpu, "µs per fetch")}
    for place, what in enumerate(("p50", "cpu")):
        share = max(costs.items())[1][place] / min(costs.items())[1][place]
        figures[f"{what} of the large to that of the small"] = share, "ratio"
    return figures


def write_log(folder, records):
    """Replaces the partition's files by a log of `records` batches of one record whose value is a
    quarter of a megabyte of zeros: a hole in the file. The checksum does not cover the offset, so it is one for all."""
    for old in folder.glob("0*"):
        old.unlink()
    head, size = batch(VALUE)
    per_segment = SEGMENT // size
    for first in range(0, records, per_segment):
        count = min(per_segment, records - first)
        name = folder / f"{first:020d}"
        with open(f"{name}.log", "wb") as log, open(f"{name}.index", "wb") as index:
            for n in range(count):
                log.seek(n * size)
                log.write(struct.pack(">q", first + n) + head[8:])
                if n:
                    index.write(struct.pack(">ii", n, n * size))
            log.truncate(count * size)
        pathlib.Path(f"{name}.timeindex").write_bytes(struct.pack(">qi", TIMESTAMP, count - 1))
    (folder / "leader-epoch-checkpoint").write_text("0\n1\n0 0\n")


TIMESTAMP = 1_700_000_000_000


def batch(value):
    """Everything of a batch of format v2 before the zeros of its only value, and its size with them."""
    body = b"\0" + varint(0) + varint(0) + varint(-1) + varint(value)
    record = varint(len(body) + value + 1) + body
    after_crc = (struct.pack(">hiqqqhii", 0, 0, TIMESTAMP, TIMESTAMP, -1, -1, -1, 1) + record)
    size = 21 + len(after_crc) + value + 1
    crc = crc32c(after_crc + bytes(value + 1))
    head = struct.pack(">qiibI", 0, size - 12, 0, 2, crc) + after_crc
    return head, size


def varint(number):
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def crc32c(data):
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
