"""Load generators of other projects: Java's performance programs, librdkafka through kcat, franz-go."""
import json
import re
import subprocess
import time

from cluster import CLIENTS, JAVA
from machine import run

LOAD = CLIENTS / "load"

# Records of the large loads: bytes, name, and how many at full scale.
SIZES = ((100, "100 B", 2_000_000), (1000, "1 KB", 500_000))


def go_load(*arguments):
    """The JSON that the program in load/ prints."""
    return json.loads(run(str(LOAD), *map(str, arguments)))


def start_go_load(*arguments):
    """The same, begun; returns when it says that it is ready."""
    process = subprocess.Popen([str(LOAD), *map(str, arguments)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    if line.strip() != "ready":
        raise SystemExit(f"load {arguments}: {line}{process.stderr.read()}")
    return process


def finish(process):
    out, err = process.communicate(timeout=300)
    if process.returncode:
        raise SystemExit(err)
    return json.loads(out)


def create_topic(cluster, topic, partitions=1, replicas=1):
    """Seconds until every partition has a leader."""
    return go_load("create", cluster.bootstrap, topic, partitions, replicas)["seconds"]


def performance(cluster, topic, records, size, throughput=-1, **properties):
    """ProducerPerformance: records a second, and latencies in ms by percentile."""
    given = {"bootstrap.servers": cluster.bootstrap, "acks": "all", "batch.size": "131072",
             "linger.ms": "5", "buffer.memory": "67108864"}
    given.update({key.replace("_", "."): str(value) for key, value in properties.items()})
    out = run(*JAVA, "org.apache.kafka.tools.ProducerPerformance", "--topic", topic,
              "--num-records", str(records), "--record-size", str(size),
              "--throughput", str(throughput), "--producer-props",
              *(f"{key}={value}" for key, value in given.items()))
    last = out.strip().splitlines()[-1]
    sent = int(re.match(r"(\d+) records sent", last)[1])
    if sent != records:
        raise SystemExit(f"{cluster.kind}: {sent} of {records} records were sent")
    figures = {"rate": float(re.search(r"([\d.]+) records/sec", last)[1])}
    for share in ("50th", "99th", "99.9th"):
        figures[share] = float(re.search(rf"([\d.]+) ms {re.escape(share)}", last)[1])
    return figures


def end_to_end(cluster, topic, records, size):
    """EndToEndLatency, one record after the other: median, 99th and 99.9th percentile in ms."""
    out = run(*JAVA, "org.apache.kafka.tools.EndToEndLatency", cluster.bootstrap, topic,
              str(records), "all", str(size))
    found = re.search(r"50th = ([\d.]+), 99th = ([\d.]+), 99.9th = ([\d.]+)", out)
    return tuple(float(part) for part in found.groups())


KCAT = ["kcat", "-C", "-q", "-o", "beginning", "-p", "0", "-f", "%o\\n", "-X", "check.crcs=false",
        "-X", "fetch.message.max.bytes=8388608", "-X", "queued.min.messages=10000000",
        "-X", "queued.max.messages.kbytes=2000000", "-X", "fetch.wait.max.ms=20"]


def start_consumer(cluster, topic, records):
    """kcat reads that many records of partition 0 as they come, and ends."""
    return subprocess.Popen([*KCAT, "-c", str(records), "-b", cluster.bootstrap, "-t", topic],
                            stdout=subprocess.DEVNULL)


def consume(cluster, topic, records, *options):
    """kcat reads partition 0 from the start, and must find the last record: records a second.

    It is told not to pause when its own queue is full, which it does for a second by default."""
    began = time.monotonic()
    command = [*KCAT, "-e", "-b", cluster.bootstrap, "-t", topic, *options]
    kcat = subprocess.Popen(command, stdout=subprocess.PIPE)
    last = subprocess.run(["tail", "-n", "1"], stdin=kcat.stdout, stdout=subprocess.PIPE, text=True)
    kcat.wait()
    took = time.monotonic() - began
    if not last.stdout or int(last.stdout) < records - 1:
        raise SystemExit(f"{cluster.kind}: read up to offset {last.stdout!r} instead of {records - 1}:"
                         " records are lost")
    return records / took
