"""Consumers of 0.9 read a topic of today's format: Fetch v1, converted by the broker."""
from cluster import Cluster
from loads import consume, create_topic, performance

OLD = ("-X", "api.version.request=false", "-X", "broker.version.fallback=0.9.0")


def measure(kind, bench):
    figures = {}
    with Cluster(kind, bench.zookeeper) as cluster:
        for codec in ("none", "gzip"):
            topic, records = f"converted-{codec}", bench.scaled(500_000)
            create_topic(cluster, topic)
            performance(cluster, topic, records, 100, compression_type=codec)
            consume(cluster, topic, records, *OLD)
            before = cluster.cpu()
            got = consume(cluster, topic, records, *OLD)
            used = cluster.cpu() - before
            name = f"converted from {codec}"
            figures |= {f"{name}: rate": (got["rate"], "records/s"),
                        f"{name}: cpu": (used / (records / 1e6), "s per M records"),
                        f"{name}: generator": (got["effort"], "% of its limit")}
    return figures
