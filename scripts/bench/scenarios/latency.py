"""End-to-end latency at a fixed rate, alone and while somebody catches up on cold data; and that of a
program that only sends back what comes, for what the machine itself adds."""
import threading

import floor
import machine
from cluster import Cluster
from loads import create_topic, end_to_end, go_load, performance, start_consumer, steady

RATE = 2000


def measure(kind, bench):
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        create_topic(cluster, "steady")
        steady(cluster, "steady", RATE, 2, 100)
        figures |= at_fixed_rate("alone", cluster, bench)
        with floor.echo() as address:
            figures |= percentiles("echo, the floor", go_load("echo", address, "-", RATE, bench.seconds(10), 100))
        # Java's program tells whole milliseconds.
        for share, value in zip(("p50", "p99", "p99.9"), end_to_end(cluster, "one-by-one", bench.scaled(10_000), 100)):
            figures[f"one by one: {share}"] = value, "whole ms"
        records = bench.scaled(1_000_000)
        create_topic(cluster, "cold")
        performance(cluster, "cold", records, 1000)
        over = threading.Event()
        reader = threading.Thread(target=read_cold, args=(cluster, "cold", records, over))
        reader.start()
        try:
            figures |= at_fixed_rate("beside a cold reader", cluster, bench)
        finally:
            over.set()
            reader.join()
    return figures


def read_cold(cluster, topic, records, over):
    """Reads the topic off the disk from its start, again and again."""
    while not over.is_set():
        machine.forget_cached(cluster.brokers[0].logs / f"{topic}-0")
        reader = start_consumer(cluster, topic, records)
        while reader.poll() is None and not over.wait(0.02):
            pass
        reader.kill()
        reader.wait()


def at_fixed_rate(name, cluster, bench):
    return percentiles(name, steady(cluster, "steady", RATE, bench.seconds(10), 100))


def percentiles(name, got):
    return {f"{name}: p50": (got["p50_ms"], "ms"), f"{name}: p99": (got["p99_ms"], "ms"),
            f"{name}: p99.9": (got["p999_ms"], "ms")}
