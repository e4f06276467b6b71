"""The measuring half of bench.sh: see there."""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIENTS = pathlib.Path(os.environ.get("OTTLA_TEST_CLIENTS", ROOT / "target/clients"))
JAVA = ["java", "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j.configuration=file:{ROOT}/tests/clients/java/log4j.properties",
        "-cp", f"{CLIENTS}/java/3.9/*"]
TICKS = os.sysconf("SC_CLK_TCK")

# What is measured: name, unit, and whether less is better.
FIGURES = {
    "start": ("s", True),
    "memory idle": ("MiB", True),
    "produce 100 B": ("records/s", False),
    "produce 100 B cpu": ("s per M records", True),
    "produce 1 KB": ("records/s", False),
    "produce 1 KB cpu": ("s per GB", True),
    "consume 100 B": ("records/s", False),
    "consume 100 B cpu": ("s per GB", True),
    "consume 1 KB": ("records/s", False),
    "consume 1 KB cpu": ("s per GB", True),
    "memory loaded": ("MiB", True),
    "stop": ("s", True),
}


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, bound=60.0):
    deadline = time.monotonic() + bound
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode} before it served")
        with contextlib.closing(socket.socket()) as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.002)
    raise SystemExit(f"{process.args[0]} does not listen on {port}")


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Broker:
    """A broker process with its own empty directory and chroot."""

    def __init__(self, kind, zookeeper, home):
        self.kind, self.home, self.port = kind, pathlib.Path(home), free_port()
        self.address = f"127.0.0.1:{self.port}"
        properties = self.home / "server.properties"
        properties.write_text(
            f"broker.id=0\nlisteners=PLAINTEXT://{self.address}\nlog.dirs={self.home}/logs\n"
            f"zookeeper.connect={zookeeper}/{self.home.name}\nnum.partitions=1\n")
        command = ([str(ROOT / "target/release/broker")] if kind == "ottla"
                   else JAVA[:1] + ["-Xms1g", "-Xmx1g"] + JAVA[1:] + ["kafka.Kafka"])
        self.out = open(self.home / "out", "w")
        started = time.monotonic()
        self.process = subprocess.Popen(command + [str(properties)], stdout=self.out, stderr=self.out)
        wait_for_port(self.port, self.process)
        # A broker that listens may not know of itself as a place for topics yet.
        while not self.takes_a_record():
            if self.process.poll() is not None or time.monotonic() - started > 60:
                raise SystemExit(f"{kind}: no record was acknowledged after the start")
        self.start_seconds = time.monotonic() - started

    def takes_a_record(self):
        produce = ["kcat", "-P", "-b", self.address, "-t", "first", "-X", "acks=all",
                   "-X", "retry.backoff.ms=5", "-X", "topic.metadata.refresh.fast.interval.ms=10"]
        return subprocess.run(produce, input=b"first\n", stderr=subprocess.DEVNULL).returncode == 0

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.out.close()
        return time.monotonic() - began


def produce(broker, topic, records, size):
    """Throughput as ProducerPerformance tells it, and CPU seconds of the broker."""
    before = broker.cpu()
    out = run(*JAVA, "org.apache.kafka.tools.ProducerPerformance", "--topic", topic,
              "--num-records", str(records), "--record-size", str(size), "--throughput", "-1",
              "--producer-props", f"bootstrap.servers={broker.address}", "acks=all",
              "batch.size=131072", "linger.ms=5", "buffer.memory=67108864")
    last = out.strip().splitlines()[-1]
    return float(re.search(r"([\d.]+) records/sec", last)[1]), broker.cpu() - before


def consume(broker, topic, records):
    """kcat is told not to pause when its own queue is full, which it does for a second by default."""
    before, began = broker.cpu(), time.monotonic()
    out = run("bash", "-c",
              f"kcat -C -q -e -o beginning -b {broker.address} -t {topic} -f '%o\\n' "
              f"-X check.crcs=false -X fetch.message.max.bytes=8388608 -X queued.min.messages=10000000 "
              f"-X queued.max.messages.kbytes=2000000 "
              f"-X fetch.wait.max.ms=20 | tail -n 1")
    took = time.monotonic() - began
    if int(out) != records - 1:
        raise SystemExit(f"{broker.kind}: read up to offset {out} instead of {records - 1}: records are lost")
    return records / took, broker.cpu() - before


def one_round(kind, zookeeper, options):
    home = tempfile.mkdtemp(prefix=f"ottla-bench-{kind}-")
    try:
        broker = Broker(kind, zookeeper, home)
        figures = {"start": broker.start_seconds}
        time.sleep(2)
        figures["memory idle"] = broker.memory()
        produce(broker, "warm-up", options.records_1k // 4, 1000)
        for name, size, records in (("100 B", 100, options.records_100), ("1 KB", 1000, options.records_1k)):
            topic, gigabytes = f"records-{size}", records * size / 1e9
            rate, cpu = produce(broker, topic, records, size)
            figures[f"produce {name}"] = rate
            figures[f"produce {name} cpu"] = cpu / (records / 1e6) if size == 100 else cpu / gigabytes
            rate, cpu = consume(broker, topic, records)
            figures[f"consume {name}"] = rate
            figures[f"consume {name} cpu"] = cpu / gigabytes
        figures["memory loaded"] = broker.memory()
        figures["stop"] = broker.stop()
        return figures
    finally:
        shutil.rmtree(home, ignore_errors=True)


def start_zookeeper(home):
    port = free_port()
    config = pathlib.Path(home) / "zookeeper.properties"
    config.write_text(f"dataDir={home}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n")
    process = subprocess.Popen(
        JAVA[:1] + ["-Xmx256m"] + JAVA[1:] + ["org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_port(port, process)
    return process, f"127.0.0.1:{port}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records-100", type=int, default=2_000_000)
    parser.add_argument("--records-1k", type=int, default=500_000)
    parser.add_argument("--json", metavar="FILE", help="write every round's figures there")
    options = parser.parse_args()

    rounds = {"ottla": [], "apache": []}
    with tempfile.TemporaryDirectory(prefix="ottla-bench-zookeeper-") as home:
        zookeeper, address = start_zookeeper(home)
        try:
            for number in range(options.rounds):
                for kind in ("apache", "ottla"):
                    print(f"round {number + 1} of {options.rounds}: {kind}", flush=True)
                    rounds[kind].append(one_round(kind, address, options))
        finally:
            zookeeper.kill()
            zookeeper.wait()

    print(f"\n{options.rounds} rounds, {os.cpu_count()} cores; median (lowest to highest)\n")
    print(f"{'figure':20} {'unit':16} {'Ottla':>28} {'Apache 3.9':>28} {'ratio':>7}")
    summary = {}
    for figure, (unit, _) in FIGURES.items():
        cells, medians = [], {}
        for kind in ("ottla", "apache"):
            values = [r[figure] for r in rounds[kind]]
            medians[kind] = statistics.median(values)
            cells.append(f"{medians[kind]:.4g} ({min(values):.4g} to {max(values):.4g})")
        ratio = medians["ottla"] / medians["apache"] if medians["apache"] else float("nan")
        summary[figure] = {"unit": unit, **medians, "ratio": ratio}
        print(f"{figure:20} {unit:16} {cells[0]:>28} {cells[1]:>28} {ratio:7.3f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"date": time.strftime("%Y-%m-%d"), "summary": summary, "rounds": rounds}, indent=2))


if __name__ == "__main__":
    main()
