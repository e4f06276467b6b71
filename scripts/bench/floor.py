"""What this machine can do at best: the same bytes moved by a program that does nothing else."""
import contextlib
import os
import socket
import subprocess
import sys
import time

# Each is a process of its own, so that its CPU is told apart from the other end's. It serves one
# connection after the other and prints what each took of the CPU and of the clock.
RECEIVE_AND_WRITE = """
import os, socket, sys, time
path, piece = sys.argv[1], int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
buffer = memoryview(bytearray(piece))
while True:
    peer, _ = listener.accept()
    out = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    cpu, began = time.process_time(), time.monotonic()
    while n := peer.recv_into(buffer, 0, socket.MSG_WAITALL):
        os.write(out, buffer[:n])
    print(time.process_time() - cpu, time.monotonic() - began, flush=True)
    os.close(out)
"""
SENDFILE = """
import os, socket, sys, time
piece, paths = int(sys.argv[1]), sys.argv[2:]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
files = [os.open(path, os.O_RDONLY) for path in paths]
while True:
    peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 102400)
    cpu, began = time.process_time(), time.monotonic()
    for file in files:
        at, size = 0, os.fstat(file).st_size
        while at < size:
            at += os.sendfile(peer.fileno(), file, at, min(size - at, piece))
    peer.close()
    print(time.process_time() - cpu, time.monotonic() - began, flush=True)
"""
ECHO = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while data := peer.recv(65536):
    peer.sendall(data)
"""
ROUNDS = 5


def _serve(program, arguments, talk, rounds):
    """CPU seconds and seconds of each round."""
    with subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)],
                          stdout=subprocess.PIPE, text=True) as process:
        port, took = int(process.stdout.readline()), []
        for _ in range(rounds):
            with socket.create_connection(("127.0.0.1", port)) as peer:
                talk(peer)
            took.append([float(part) for part in process.stdout.readline().split()])
        process.kill()
    return took


def receive_and_write(path, request, size, rate):
    """CPU seconds per GB of receiving requests of that size from a loopback socket and writing each to a
    new file: the least of several times as fast as it goes, and once at a rate in bytes a second.

    The two differ for more than the sleeps between requests: the first reuses memory that it has just
    freed, while a virtual machine may have to fetch memory that was free for a second from its host."""
    piece, requests = bytes(request), size // request

    def send(peer, pause):
        began = time.monotonic()
        for number in range(requests):
            time.sleep(max(0, began + number * pause - time.monotonic()))
            peer.sendall(piece)

    fast = _serve(RECEIVE_AND_WRITE, [path, request], lambda peer: send(peer, 0), ROUNDS)
    os.unlink(path)
    paced = _serve(RECEIVE_AND_WRITE, [path, request], lambda peer: send(peer, request / rate), 1)
    os.unlink(path)
    gigabytes = requests * request / 1e9
    return min(cpu for cpu, _ in fast) / gigabytes, paced[0][0] / gigabytes


def sendfile(paths, answer):
    """The least CPU seconds per GB and the most bytes a second of sending files to a loopback socket by
    sendfile, in answers of that size, with the send buffer that both brokers have by default: the system's
    own, which grows to megabytes, costs three times as much."""
    buffer = bytearray(1 << 20)
    size = sum(os.stat(path).st_size for path in paths)

    def talk(peer):
        while peer.recv_into(buffer):
            pass

    rounds = _serve(SENDFILE, [answer, *paths], talk, ROUNDS)
    return min(cpu for cpu, _ in rounds) / (size / 1e9), size / min(took for _, took in rounds)


@contextlib.contextmanager
def echo():
    """A program that sends back what comes; gives its address."""
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as process:
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        process.kill()
