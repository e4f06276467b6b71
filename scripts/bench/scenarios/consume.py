"""Reading: from the start out of the page cache and off the disk, and from the tail."""
import machine
from cluster import Cluster
from loads import SIZES, consume, create_topic, performance, start_consumer


def measure(kind, bench):
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        for size, name, full in SIZES:
            records, topic = bench.scaled(full), f"records-{size}"
            create_topic(cluster, topic)
            performance(cluster, topic, records, size)
            consume(cluster, topic, records)
            figures |= timed(cluster, f"{name} hot", records, size, lambda: consume(cluster, topic, records))
        broker = cluster.brokers[0]
        machine.forget_cached(broker.logs / f"{topic}-0")
        figures |= timed(cluster, f"{name} cold", records, size, lambda: consume(cluster, topic, records))
        figures |= tail(cluster, bench)
        if kind == "ottla":
            # What is read twice is in the cache.
            files = sorted((broker.logs / f"{topic}-0").glob("*.log"))
            machine.sendfile_floor(files)
            floor, _ = machine.sendfile_floor(files)
            figures["floor: sendfile, cpu"] = floor, "s per GB"
    return figures


def timed(cluster, name, records, size, work):
    before = cluster.cpu()
    rate = work()
    used = cluster.cpu() - before
    return {
        f"{name}: rate": (rate, "records/s"),
        f"{name}: throughput": (rate * size / 1e6, "MB/s"),
        f"{name}: cpu": (used / (records * size / 1e9), "s per GB"),
    }


def tail(cluster, bench):
    """A consumer at the tail of a producer at half speed: the broker's CPU for both."""
    records = bench.scaled(500_000)
    create_topic(cluster, "tail")
    before = cluster.cpu()
    reader = start_consumer(cluster, "tail", records)
    performance(cluster, "tail", records, 1000, records // 10)
    if reader.wait(60):
        raise SystemExit(f"{cluster.kind}: the consumer at the tail failed")
    return {"tail: cpu, produced and consumed": ((cluster.cpu() - before) / (records * 1000 / 1e9), "s per GB")}
