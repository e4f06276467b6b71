"""ZooKeeper and brokers under measurement."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = pathlib.Path(os.environ.get("OTTLA_TEST_CLIENTS", ROOT / "target/clients"))
LOAD = CLIENTS / "load"
BROKER = pathlib.Path(os.environ.get("OTTLA_BENCH_BROKER", ROOT / "target/release/broker"))
JAVA = ["java", "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j.configuration=file:{ROOT}/tests/clients/java/log4j.properties",
        "-cp", f"{CLIENTS}/java/3.9/*"]


@contextlib.contextmanager
def zookeeper():
    """A ZooKeeper with an empty folder; gives its address."""
    with tempfile.TemporaryDirectory(prefix="ottla-bench-zookeeper-") as home:
        port = machine.free_port()
        config = pathlib.Path(home) / "zookeeper.properties"
        config.write_text(f"dataDir={home}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
                          "admin.enableServer=false\nmaxClientCnxns=0\ntickTime=2000\n")
        process = subprocess.Popen(
            JAVA[:1] + ["-Xmx1g", "-Djute.maxbuffer=33554432"] + JAVA[1:]
            + ["org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            machine.wait_for_port(port, process)
            while not serves(port):
                time.sleep(0.01)
            yield f"127.0.0.1:{port}"
        finally:
            machine.kill(process)


def serves(port):
    """Whether ZooKeeper says how it is: it listens a moment before it serves, and may forget whoever
    came too early."""
    try:
        with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=0.5)) as s:
            s.sendall(b"srvr")
            return b"Mode:" in s.recv(4096)
    except OSError:
        return False


class Broker:
    """A broker process."""

    def __init__(self, cluster, number):
        self.cluster, self.id = cluster, number
        self.home = cluster.home / str(number)
        self.home.mkdir()
        self.port = machine.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.properties = self.home / "server.properties"
        self.properties.write_text(
            f"broker.id={number}\nlisteners=PLAINTEXT://{self.address}\nlog.dirs={self.home}/logs\n"
            f"zookeeper.connect={cluster.zookeeper}\nnum.partitions=1\n"
            f"offsets.topic.replication.factor={cluster.size}\n"
            + "".join(f"{key}={value}\n" for key, value in cluster.settings.items()))
        self.process = None

    @property
    def logs(self):
        return self.home / "logs"

    @property
    def pid(self):
        return self.process.pid

    def launch(self):
        """Starts the process."""
        # Apache's start script gives a gigabyte; it gets no more here either.
        command = ([str(BROKER)] if self.cluster.kind == "ottla"
                   else JAVA[:1] + ["-Xms1g", "-Xmx1g"] + JAVA[1:] + ["kafka.Kafka"])
        with open(self.home / "out", "a") as out:
            self.process = subprocess.Popen(command + [str(self.properties)], stdout=out, stderr=out)

    def start(self):
        """Starts the process and returns when it listens."""
        self.launch()
        machine.wait_for_port(self.port, self.process)

    def wait_for_a_record(self, topic="first"):
        """Returns when a record is acknowledged: a broker that listens may not know of itself as a place
        for topics yet."""
        machine.run(str(LOAD), "first", self.address, topic, timeout=120)

    def cpu(self):
        return machine.cpu(self.pid)

    def memory(self):
        return machine.resident(self.pid)

    def peak(self):
        return machine.peak(self.pid)

    def terminate(self):
        """Stops in good order; how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        return time.monotonic() - began

    def kill(self):
        machine.kill(self.process)


class Cluster:
    """Brokers 0 to size-1 of one kind, in folders and a chroot of their own."""

    def __init__(self, kind, zookeeper_address, size=1, **settings):
        self.kind, self.size = kind, size
        self.settings = {key.replace("_", "."): value for key, value in settings.items()}
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"ottla-bench-{kind}-"))
        self.zookeeper = f"{zookeeper_address}/{self.home.name}"
        self.brokers = [Broker(self, number) for number in range(size)]

    def __enter__(self):
        try:
            for broker in self.brokers:
                broker.start()
            self.brokers[0].wait_for_a_record()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for broker in self.brokers:
            if broker.process and broker.process.poll() is None:
                broker.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def bootstrap(self):
        return ",".join(broker.address for broker in self.brokers)

    def cpu(self):
        return sum(broker.cpu() for broker in self.brokers)

    def peak(self):
        return sum(broker.peak() for broker in self.brokers)
