"""Every batch on the disk before it is acknowledged (log.flush.interval.messages=1). All producers write
to one partition, a record a request: what many of them wait for can be one flush."""
from cluster import Cluster
from loads import create_topic, many

PRODUCERS = (1, 50)


def measure(kind, bench):
    figures, rates = {}, {}
    for name, settings in (("no fsync", {}), ("fsync", {"log_flush_interval_messages": "1"})):
        with Cluster(kind, bench.zookeeper, **settings) as cluster:
            create_topic(cluster, "synced")
            many(cluster, "synced", 10, 2, 1000)
            for producers in PRODUCERS:
                got = many(cluster, "synced", producers, bench.seconds(6), 1000)
                rates[name, producers] = got["records_per_second"]
                figures[f"{name}, {producers} producers: rate"] = got["records_per_second"], "records/s"
                figures[f"{name}, {producers} producers: p99"] = got["p99_ms"], "ms"
                figures[f"{name}, {producers} producers: generator"] = got["effort"], "% of its limit"
    for producers in PRODUCERS:
        share = rates["fsync", producers] / rates["no fsync", producers]
        figures[f"fsync, {producers} producers: share of no fsync"] = share, "of rate"
    return figures
