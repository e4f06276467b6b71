"""Large batches, as fast as they go."""
import floor
import machine
from cluster import Cluster
from loads import BATCH, SIZES, create_topic, performance


def measure(kind, bench):
    """One broker: sizes, acks and codecs; and what receiving and writing the same bytes costs at least."""
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        warm_up(cluster, bench)
        for size, name, full in SIZES:
            for acks in ("all", "1"):
                figures |= one(cluster, bench, f"{name} acks={acks}", size, full, 1, acks=acks)
            for codec in ("lz4", "zstd"):
                figures |= one(cluster, bench, f"{name} {codec}", size, full, 1, compression_type=codec)
        figures["peak memory"] = cluster.peak(), "MiB"
        rate = figures["1 KB acks=1: throughput"][0] * 1e6
        floors = floor.receive_and_write(cluster.home / "floor", BATCH, bench.scaled(500_000_000), rate)
        for name, least in zip(("the floor at best", "the floor at that rate"), floors):
            figures[f"receive and write: {name}"] = least, "s per GB"
            for load in ("1 KB acks=all", "1 KB acks=1"):
                figures[f"{load}: times {name}"] = figures[f"{load}: cpu per byte"][0] / least, "of its cpu"
    return figures


def measure_replicated(kind, bench):
    """Three brokers, three replicas, half as many records; the CPU is that of all three."""
    figures = {}
    with Cluster(kind, bench.zookeeper, size=3) as cluster:
        warm_up(cluster, bench)
        for size, name, full in SIZES:
            for acks in ("all", "1"):
                figures |= one(cluster, bench, f"{name} RF 3 acks={acks}", size, full // 2, 3, acks=acks)
            figures |= one(cluster, bench, f"{name} RF 3 lz4", size, full // 2, 3, compression_type="lz4")
        figures["peak memory of the three"] = cluster.peak(), "MiB"
    return figures


def warm_up(cluster, bench):
    create_topic(cluster, "warm-up")
    performance(cluster, "warm-up", bench.scaled(125_000), 1000)


def one(cluster, bench, name, size, full, replicas, **properties):
    topic = "".join(c if c.isalnum() else "-" for c in name)
    records = bench.scaled(full)
    create_topic(cluster, topic, 1, replicas)
    machine.touch_memory(cluster.home, int(records * size * replicas * 1.1))
    before = cluster.cpu()
    got = performance(cluster, topic, records, size, **properties)
    used = cluster.cpu() - before
    return {
        f"{name}: rate": (got["rate"], "records/s"),
        f"{name}: throughput": (got["rate"] * size / 1e6, "MB/s"),
        f"{name}: cpu per record": (used / (records / 1e6), "s per M records"),
        f"{name}: cpu per byte": (used / (records * size / 1e9), "s per GB"),
        f"{name}: generator": (got["effort"], "% of its limit"),
    }
