"""Load generators of other projects: Java's performance programs, librdkafka through kcat, franz-go.
Each load is refused if a record of it is missing afterwards."""
import contextlib
import json
import os
import re
import subprocess
import time

import machine
from cluster import JAVA, LOAD

# Records of the large loads: bytes, name, and how many at full scale.
SIZES = ((100, "100 B", 2_000_000), (1000, "1 KB", 500_000))
# What the large producers put into a request, and what the large consumers ask for.
BATCH = 131072
FETCH = 8 << 20


class Lost(SystemExit):
    """Records are missing, or there never were any."""


def go_load(*arguments):
    """The JSON that the program in load/ prints."""
    return json.loads(machine.run(str(LOAD), *map(str, arguments)))


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


@contextlib.contextmanager
def no_loss(cluster, topic):
    """Gives a function that takes how many records were acknowledged; at the end that many more must be
    in the topic."""
    acknowledged = []
    before = go_load("count", cluster.bootstrap, topic)["records"]
    yield acknowledged.append
    deadline = time.monotonic() + 20
    while True:
        # Of what only the leader acknowledged the followers, too, have to have their part.
        there = go_load("count", cluster.bootstrap, topic)["records"] - before
        if there >= sum(acknowledged) or time.monotonic() > deadline:
            break
    if not there or there < sum(acknowledged):
        raise Lost(f"{cluster.kind}: {there} of {sum(acknowledged)} acknowledged records are in {topic}")


def attended(cluster, command):
    """Output of a load generator, and how near to its own limit it was in percent."""
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    effort = machine.Effort(process.pid, cluster.cpu)
    out, err = process.communicate()
    effort.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{out}\n{err}")
    return out, effort.percent


def performance(cluster, topic, records, size, throughput=-1, **properties):
    """ProducerPerformance: records a second, latencies in ms by percentile, and its effort."""
    given = {"bootstrap.servers": cluster.bootstrap, "acks": "all", "batch.size": str(BATCH),
             "linger.ms": "5", "buffer.memory": "67108864"}
    given.update({key.replace("_", "."): str(value) for key, value in properties.items()})
    with no_loss(cluster, topic) as acknowledged:
        out, effort = attended(cluster, [
            *JAVA, "org.apache.kafka.tools.ProducerPerformance", "--topic", topic,
            "--num-records", records, "--record-size", size, "--throughput", throughput,
            "--producer-props", *(f"{key}={value}" for key, value in given.items())])
        acknowledged(records)
    last = out.strip().splitlines()[-1]
    if not last.startswith(f"{records} records sent"):
        raise Lost(f"{cluster.kind}: {last} instead of {records}")
    return {"rate": float(re.search(r"([\d.]+) records/sec", last)[1]), "effort": effort}


def many(cluster, topic, connections, seconds, size):
    """Producers that wait for the answer to each record: rate, latencies, effort."""
    with no_loss(cluster, topic) as acknowledged:
        out, effort = attended(cluster, [LOAD, "many", cluster.bootstrap, topic, connections, seconds, size])
        got = json.loads(out) | {"effort": effort}
        if got["failures"]:
            raise Lost(f"{cluster.kind}: {got['failures']} of {got['records']} requests failed")
        acknowledged(got["records"])
    return got


def steady(cluster, topic, rate, seconds, size):
    """Records at a fixed rate and back: latencies. The load itself waits for every record's return."""
    with no_loss(cluster, topic) as acknowledged:
        got = go_load("steady", cluster.bootstrap, topic, rate, seconds, size)
        if got["failures"]:
            raise Lost(f"{cluster.kind}: {got['failures']} of {got['records']} records failed")
        acknowledged(got["records"])
    return got


def end_to_end(cluster, topic, records, size):
    """EndToEndLatency, one record after the other: median, 99th and 99.9th percentile in ms. It fails
    by itself if one does not come back."""
    out = machine.run(*JAVA, "org.apache.kafka.tools.EndToEndLatency", cluster.bootstrap, topic,
                      str(records), "all", str(size))
    found = re.search(r"50th = ([\d.]+), 99th = ([\d.]+), 99.9th = ([\d.]+)", out)
    return tuple(float(part) for part in found.groups())


# A line without text for each record costs kcat the least. It is told not to pause when its own queue
# is full, which it does for a second by default, nor for half a second when it does not know the leader yet.
KCAT = ["kcat", "-C", "-q", "-o", "beginning", "-p", "0", "-f", "\\n", "-X", "check.crcs=false",
        "-X", f"fetch.message.max.bytes={FETCH}", "-X", "queued.min.messages=10000000",
        "-X", "queued.max.messages.kbytes=2000000", "-X", "fetch.wait.max.ms=20",
        "-X", "fetch.error.backoff.ms=5"]


def start_consumer(cluster, topic, records):
    """kcat reads that many records of partition 0 as they come, and ends well only then."""
    return subprocess.Popen([*KCAT, "-c", str(records), "-b", cluster.bootstrap, "-t", topic],
                            stdout=subprocess.DEVNULL)


def consume(cluster, topic, records, *options):
    """kcat reads partition 0 from the start to the end and must find every record: records a second
    and in all, and its effort."""
    kcat = subprocess.Popen([*KCAT, "-e", "-b", cluster.bootstrap, "-t", topic, *options], stdout=subprocess.PIPE)
    effort, read = None, 0
    # A byte a record. What kcat needs to find the leader, and to end, is not of interest.
    while lines := os.read(kcat.stdout.fileno(), 65536):
        ended = time.monotonic()
        if not effort:
            began, effort = ended, machine.Effort(kcat.pid, cluster.cpu)
        read += len(lines)
    kcat.wait()
    if read != records:
        raise Lost(f"{cluster.kind}: {read} of {records} records were read")
    effort.join()
    return {"rate": records / (ended - began), "records": records, "effort": effort.percent}


def fetch(cluster, topic, records, readers=2, times=4):
    """Connections of franz-go fetch partition 0 from the start, several times, and do not decode what
    they get, as `consume`."""
    out, effort = attended(cluster, [LOAD, "fetch", cluster.bootstrap, topic, FETCH, records, readers, times])
    got = json.loads(out)
    return {"rate": got["records_per_second"], "records": got["records"], "effort": effort}
