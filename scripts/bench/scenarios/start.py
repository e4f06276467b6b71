"""Start, stop and memory: empty, with 2,000 partitions that hold data, after kill -9."""
import time

from cluster import Cluster
from loads import create_topic, performance

PARTITIONS = 2000


def measure(kind, bench):
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        broker = cluster.brokers[0]
        time.sleep(2)
        figures["empty: start to first record"] = cluster.start_seconds, "s"
        figures["empty: memory"] = broker.memory(), "MiB"
        figures["empty: stop"] = broker.terminate(), "s"
        figures["empty: restart"] = again(broker), "s"
        partitions = bench.scaled(PARTITIONS)
        create_topic(cluster, "many", partitions)
        performance(cluster, "many", bench.scaled(1_000_000), 100, batch_size="16384", linger_ms="0")
        time.sleep(2)
        name = f"{partitions} partitions"
        figures[f"{name}: memory after load"] = broker.memory(), "MiB"
        figures[f"{name}: stop"] = broker.terminate(), "s"
        figures[f"{name}: restart after clean stop"] = again(broker), "s"
        time.sleep(2)
        figures[f"{name}: memory after restart"] = broker.memory(), "MiB"
        broker.kill()
        figures[f"{name}: restart after kill -9"] = after_kill(broker), "s"
    return figures


def again(broker):
    """Seconds from the start of the process to its first acknowledged record."""
    began = time.monotonic()
    broker.start()
    broker.wait_for_a_record()
    return time.monotonic() - began


def after_kill(broker):
    """The same when the old session may still be alive: Apache refuses to start until it is gone, and
    is started again until it does not, as a supervisor would."""
    began = time.monotonic()
    while True:
        try:
            broker.start()
        except SystemExit:
            if time.monotonic() - began > 120:
                raise
            continue
        while broker.process.poll() is None:
            if broker.takes_a_record():
                return time.monotonic() - began
            if time.monotonic() - began > 180:
                raise SystemExit("no record was acknowledged after kill -9")
