"""Processes, sockets and files of this machine, and what it can do at best."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, bound=120.0):
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
    """Output of a command that must succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def cpu(pid):
    """Seconds of CPU that the process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid):
    """Resident memory in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def forget_cached(folder):
    """Has the page cache drop the files below `folder`, so that reading them is reading the disk."""
    os.sync()
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


# The floors are processes of their own, so that their CPU is told apart from the other end's.
RECEIVE_AND_WRITE = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
peer, _ = listener.accept()
buffer = memoryview(bytearray(262144))
out = os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
while n := peer.recv_into(buffer):
    os.write(out, buffer[:n])
"""
SENDFILE = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
peer, _ = listener.accept()
for path in sys.argv[2:]:
    file = os.open(path, os.O_RDONLY)
    at, size = 0, os.fstat(file).st_size
    while at < size:
        at += os.sendfile(peer.fileno(), file, at, min(size - at, 1 << 20))
"""


def _floor(program, arguments, talk):
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", program, str(port), *arguments])
    peer = socket.socket()
    while peer.connect_ex(("127.0.0.1", port)):
        time.sleep(0.002)
    before, began = cpu(process.pid), time.monotonic()
    # A process that has ended shows its CPU no more, so it is stopped from ending before it is read.
    talk(peer)
    while is_running(process):
        time.sleep(0.002)
    took = time.monotonic() - began
    used = cpu(process.pid) - before
    process.wait()
    return used, took


def is_running(process):
    """Whether the process is still at work: a zombie keeps its CPU figures until it is waited for."""
    state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def receive_floor(path, gigabytes):
    """CPU seconds per GB of receiving from a loopback socket in 256 KiB pieces and writing to a file."""
    piece = bytes(262144)

    def talk(peer):
        for _ in range(int(gigabytes * 1e9) // len(piece)):
            peer.sendall(piece)
        peer.close()

    used, _ = _floor(RECEIVE_AND_WRITE, [str(path)], talk)
    os.unlink(path)
    return used / gigabytes


def sendfile_floor(paths):
    """CPU seconds and bytes a second of sending files to a loopback socket by sendfile."""
    total = 0

    def talk(peer):
        nonlocal total
        buffer = memoryview(bytearray(1 << 20))
        while n := peer.recv_into(buffer):
            total += n

    used, took = _floor(SENDFILE, [str(p) for p in paths], talk)
    return used / (total / 1e9), total / took


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()
