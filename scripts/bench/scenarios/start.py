"""Start, stop and memory: empty, with 2,000 partitions that hold data, after kill -9."""
import time

from cluster import Cluster
from loads import create_topic, finish, performance, start_go_load

PARTITIONS = 2000


def measure(kind, bench):
    figures = {}
    cluster = Cluster(kind, bench.zookeeper)
    broker = cluster.brokers[0]
    try:
        figures["empty: start to first record"] = start(broker), "s"
        time.sleep(2)
        figures["empty: memory"] = broker.memory(), "MiB"
        figures["empty: stop"] = broker.terminate(), "s"
        figures["empty: restart"] = start(broker), "s"
        partitions = bench.scaled(PARTITIONS)
        create_topic(cluster, "many", partitions)
        performance(cluster, "many", bench.scaled(1_000_000), 100, batch_size="16384", linger_ms="0")
        name = f"{partitions} partitions"
        figures[f"{name}: peak memory under load"] = broker.peak(), "MiB"
        time.sleep(2)
        figures[f"{name}: memory after load"] = broker.memory(), "MiB"
        figures[f"{name}: stop"] = broker.terminate(), "s"
        figures[f"{name}: restart after clean stop"] = start(broker), "s"
        time.sleep(2)
        figures[f"{name}: memory after restart"] = broker.memory(), "MiB"
        broker.kill()
        figures[f"{name}: restart after kill -9"] = start(broker), "s"
    finally:
        cluster.close()
    return figures


def start(broker):
    """Seconds from the start of the process to its first acknowledged record. Apache refuses to start
    until the session of a killed one is gone, and is started again until it does not, as a supervisor
    would."""
    prober = start_go_load("first", broker.address, "first")
    began = time.time_ns()
    broker.launch()
    while prober.poll() is None:
        if time.time_ns() - began > 180e9:
            prober.kill()
            raise SystemExit(f"{broker.cluster.kind}: no record was acknowledged after the start")
        if broker.process.poll() is not None:
            broker.launch()
        time.sleep(0.01)
    return (finish(prober)["at_ns"] - began) / 1e9
