"""Processes, sockets and files of this machine."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import threading
import time


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
    """Seconds of CPU that the process has used, threads that have ended among them, to the nanosecond."""
    # The id of another process's clock, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2)


def resident(pid):
    """Resident memory in MiB."""
    return _memory(pid, "VmRSS")


def peak(pid):
    """The most memory in MiB that was ever resident."""
    return _memory(pid, "VmHWM")


def _memory(pid, name):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024


class Effort(threading.Thread):
    """Watches a process that puts load on servers: whether it is itself the limit. At 100 % either its
    busiest thread never rests, or it takes all that the servers leave of the machine."""

    def __init__(self, pid, servers_cpu):
        super().__init__(daemon=True)
        self.pid, self.servers_cpu, self.moments = pid, servers_cpu, []
        self.start()

    @property
    def percent(self):
        """That of the middle moment: neither of the start nor of the end."""
        return 100 * statistics.median(self.moments or [0])

    def run(self):
        # What has ended can be looked at no more.
        with contextlib.suppress(OSError, ValueError):
            before = self.look()
            while is_running(self.pid):
                time.sleep(0.05)
                now = self.look()
                took, own, servers = (now[n] - before[n] for n in range(3))
                busiest = max(used - before[3].get(task, 0) for task, used in now[3].items())
                self.moments.append(max(busiest / took, own / (took * os.cpu_count() - servers)))
                before = now

    def look(self):
        """The time, the CPU of the process and of the servers, and what each thread wanted of the CPU: to
        wait for a core is no rest either."""
        wanted = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            used, waited, _ = map(int, (task / "schedstat").read_text().split())
            wanted[task.name] = (used + waited) / 1e9
        return time.monotonic(), cpu(self.pid), self.servers_cpu(), wanted


def is_running(pid):
    """Whether the process is still at work, or a zombie."""
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def forget_cached(folder):
    """Has the page cache drop the files below `folder`, so that reading them is reading the disk."""
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def touch_memory(folder, size):
    """Has this machine hold `size` bytes of memory that a load is about to fill. Virtual machines give
    what is free back to their host, and whoever touches it next pays: up to 2 s of CPU per GB written
    to a file, which was put down to whichever load came when."""
    path, piece = pathlib.Path(folder) / "touched", bytes(1 << 20)
    with open(path, "wb", buffering=0) as file:
        for _ in range(size // len(piece)):
            file.write(piece)
    path.unlink()


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()
