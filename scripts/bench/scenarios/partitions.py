"""Many partitions on one broker: creation, memory, idle CPU; and the controller's failover."""
import time

from cluster import Cluster
from loads import create_topic, go_load

# Apache's limit with default kernel settings is below 50,000 (two mappings a partition).
COUNTS = {"ottla": (1000, 10_000, 50_000), "apache": (1000, 10_000)}
FAILOVER = 10_000
IDLE_SECONDS = 10


def measure(kind, bench):
    figures = {}
    for count in map(bench.scaled, COUNTS[kind]):
        with Cluster(kind, bench.zookeeper) as cluster:
            broker = cluster.brokers[0]
            time.sleep(2)
            before = broker.memory()
            name = f"{count:,} partitions"
            figures[f"{name}: creation"] = create_topic(cluster, "many", count), "s"
            time.sleep(2)
            figures[f"{name}: memory"] = (broker.memory() - before) * 1024 / count, "KiB per partition"
            used = broker.cpu()
            time.sleep(IDLE_SECONDS)
            figures[f"{name}: idle cpu"] = (broker.cpu() - used) / IDLE_SECONDS * 100, "% of a core"
    figures |= failover(kind, bench)
    return figures


def failover(kind, bench):
    """The controller, which leads a third of the partitions, is killed: until all have a leader. Apache
    waits for the session's end; the time is reported as it is."""
    partitions = bench.scaled(FAILOVER)
    with Cluster(kind, bench.zookeeper, size=3) as cluster:
        create_topic(cluster, "many", partitions, 3)
        go_load("synced", cluster.bootstrap, "many")
        time.sleep(5)
        controller = cluster.brokers[go_load("leader", cluster.bootstrap, "many")["controller"]]
        others = ",".join(broker.address for broker in cluster.brokers if broker is not controller)
        began = time.monotonic()
        controller.kill()
        go_load("settle", others, "many", controller.id)
        return {f"controller with {partitions:,} partitions killed: until all are led":
                (time.monotonic() - began, "s")}
