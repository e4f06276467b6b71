"""Many small producers: 500 connections, a record a request, and one such connection."""
from cluster import Cluster
from loads import create_topic, many

CONNECTIONS = 500


def measure(kind, bench):
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        create_topic(cluster, "small", 10)
        many(cluster, "small", CONNECTIONS, 2, 100)
        for connections in (CONNECTIONS, 1):
            before = cluster.cpu()
            got = many(cluster, "small", connections, bench.seconds(10), 100)
            used, name = cluster.cpu() - before, f"{connections} connections"
            figures |= {
                f"{name}: rate": (got["records_per_second"], "records/s"),
                f"{name}: cpu": (used / got["records"] * 1e6, "µs per request"),
                f"{name}: p50": (got["p50_ms"], "ms"),
                f"{name}: p99": (got["p99_ms"], "ms"),
                f"{name}: generator": (got["effort"], "% of its limit"),
            }
        figures["peak memory"] = cluster.peak(), "MiB"
    return figures
