"""How long nothing is acknowledged when a leader is killed, and when it is stopped in good order; and
whether all that was acknowledged is still there."""
import time

from cluster import Cluster
from loads import create_topic, finish, go_load, no_loss, start_go_load

# For how long it is watched. Apache waits for the end of a session of 18 s after a kill.
WATCHED = {("ottla", "kill -9"): 10, ("apache", "kill -9"): 30}
ENDS = {"kill -9": lambda broker: broker.kill(), "controlled shutdown": lambda broker: broker.terminate()}


def measure(kind, bench):
    figures = {}
    for name, end in ENDS.items():
        with Cluster(kind, bench.zookeeper, size=3, default_replication_factor=3,
                     min_insync_replicas=2) as cluster:
            create_topic(cluster, "watched", 1, 3)
            leader = go_load("leader", cluster.bootstrap, "watched")["leader"]
            if leader < 0:
                raise SystemExit("watched has no leader")
            with no_loss(cluster, "watched") as acknowledged:
                load = start_go_load("gap", cluster.bootstrap, "watched", WATCHED.get((kind, name), 12))
                time.sleep(3)
                end(cluster.brokers[leader])
                got = finish(load)
                acknowledged(got["records"])
            figures[f"{name}: time without an acknowledged record"] = got["longest_gap_s"], "s"
    return figures
