"""Reading: from the start out of the page cache and off the disk, and from the tail. kcat unpacks what
it reads; the program in load/ does not, so that the broker is the limit rather than its client."""
import functools

import floor
import machine
from cluster import Cluster
from loads import FETCH, SIZES, consume, create_topic, fetch, performance, start_consumer

READERS = (("kcat", consume), ("one connection", functools.partial(fetch, readers=1)), ("two connections", fetch))


def measure(kind, bench):
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        for size, name, full in SIZES:
            records, topic = bench.scaled(full), f"records-{size}"
            create_topic(cluster, topic)
            performance(cluster, topic, records, size)
            for client, read in READERS:
                # What is read twice is in the cache, and the broker is warm.
                read(cluster, topic, records)
                figures |= timed(cluster, f"{name} hot, {client}", topic, records, size, read)
        folder = cluster.brokers[0].logs / f"{topic}-0"
        least, fastest = floor.sendfile(sorted(folder.glob("*.log")), FETCH)
        figures["sendfile: the floor"] = least, "s per GB"
        # Sendfile to one connection is compared with one connection.
        for client in ("kcat", "one connection"):
            cost, _ = figures[f"{name} hot, {client}: cpu"]
            figures[f"{name} hot, {client}: times the floor"] = cost / least, "of its cpu"
        speed = figures[f"{name} hot, one connection: throughput"][0] * 1e6
        figures[f"{name} hot, one connection: share of sendfile's speed"] = speed / fastest, "of it"
        machine.forget_cached(folder)
        figures |= timed(cluster, f"{name} cold, one connection", topic, records, size,
                         functools.partial(fetch, readers=1, times=1))
        figures |= tail(cluster, bench)
        figures["peak memory"] = cluster.peak(), "MiB"
    return figures


def timed(cluster, name, topic, records, size, read):
    before = cluster.cpu()
    got = read(cluster, topic, records)
    used = cluster.cpu() - before
    return {
        f"{name}: rate": (got["rate"], "records/s"),
        f"{name}: throughput": (got["rate"] * size / 1e6, "MB/s"),
        f"{name}: cpu": (used / (got["records"] * size / 1e9), "s per GB"),
        f"{name}: cpu per record": (used / (got["records"] / 1e6), "s per M records"),
        f"{name}: generator": (got["effort"], "% of its limit"),
    }


def tail(cluster, bench):
    """A consumer at the tail of a producer at a fixed rate: the broker's CPU for both."""
    records = bench.scaled(500_000)
    create_topic(cluster, "tail")
    before = cluster.cpu()
    reader = start_consumer(cluster, "tail", records)
    performance(cluster, "tail", records, 1000, 50_000)
    if reader.wait(60):
        raise SystemExit(f"{cluster.kind}: the consumer at the tail failed")
    return {"tail: cpu, produced and consumed": ((cluster.cpu() - before) / (records * 1000 / 1e9), "s per GB")}
