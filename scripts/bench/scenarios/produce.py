"""Large batches, as fast as they go."""
import machine
from cluster import Cluster
from loads import SIZES, create_topic, performance


def measure(kind, bench):
    """One broker: sizes, acks and codecs."""
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        warm_up(cluster, bench)
        for size, name, full in SIZES:
            for acks in ("all", "1"):
                figures |= one(cluster, bench, f"{name} acks={acks}", size, full, 1, acks=acks)
            for codec in ("lz4", "zstd"):
                figures |= one(cluster, bench, f"{name} {codec}", size, full, 1, compression_type=codec)
        if kind == "ottla":
            floor = machine.receive_floor(cluster.home / "floor", bench.scaled(1000) / 1000)
            figures["floor: receive and write, cpu"] = floor, "s per GB"
    return figures


def measure_replicated(kind, bench):
    """Three brokers, three replicas, acks=all."""
    figures = {}
    with Cluster(kind, bench.zookeeper, size=3) as cluster:
        warm_up(cluster, bench)
        for size, name, full in SIZES:
            figures |= one(cluster, bench, f"{name} RF 3", size, full, 3)
    return figures


def warm_up(cluster, bench):
    create_topic(cluster, "warm-up")
    performance(cluster, "warm-up", bench.scaled(125_000), 1000)


def one(cluster, bench, name, size, full, replicas, **properties):
    topic = "".join(c if c.isalnum() else "-" for c in name)
    records = bench.scaled(full)
    create_topic(cluster, topic, 1, replicas)
    before = cluster.cpu()
    rate = performance(cluster, topic, records, size, **properties)["rate"]
    used = cluster.cpu() - before
    return {
        f"{name}: rate": (rate, "records/s"),
        f"{name}: throughput": (rate * size / 1e6, "MB/s"),
        f"{name}: cpu per record": (used / (records / 1e6), "s per M records"),
        f"{name}: cpu per byte": (used / (records * size / 1e9), "s per GB"),
    }
