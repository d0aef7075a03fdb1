"""The processes of a measurement: web server, worker, beat, relay and sink, started here and ended here."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

from django.conf import settings


class Machine:
    """Starts programs by name and leaves none running. Use as a context manager."""

    def __init__(self, *, worker_processes: int = 3) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bezant-bench-"))
        self.web_port, self.sink_port = free_port(), free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._worker_processes = worker_processes
        self._environ = os.environ | {
            "BEZANT_VAR": str(settings.VAR_DIR),
            "PORT": str(self.web_port),
            "WEBHOOK_ALLOW_LOCAL": "true",
            "WEBHOOK_LEASE_S": "5",
            "WEBHOOK_TIMEOUT_S": "4",
            "LOG_LEVEL": "WARNING",
            "WEB_THREADS": "8",
            "WEB_PROCESSES": "2",
            # One measurement must not be cut short by the limits that keep strangers in check.
            "RATE_LIMIT_INBOUND": "100000",
        }

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._running):
            self.stop(name)

    def start(self, *names: str, pause_ms: int = 0) -> None:
        """Start programs and wait for those that listen."""
        for name in names:
            log = (self.folder / f"{name}.log").open("ab")
            self._running[name] = subprocess.Popen(
                self._command(name, pause_ms),
                env=self._environ,
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            if name in ("web", "sink"):
                _wait_for_port(self.web_port if name == "web" else self.sink_port)

    def stop(self, name: str) -> None:
        """Kill -9 a program with its children."""
        process = self._running.pop(name, None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def received(self) -> int:
        """Ask the sink how many deliveries have come."""
        with urlopen(f"http://127.0.0.1:{self.sink_port}/count", timeout=10) as answer:  # our own
            return int(answer.read())

    def memory_mb(self, name: str) -> float:
        """Return the resident memory of the program's largest process, in MiB."""
        process = self._running[name]
        pids = [process.pid, *_children(process.pid)]
        return round(max(_resident_kb(pid) for pid in pids) / 1024, 1)

    def _command(self, name: str, pause_ms: int) -> list[str]:
        binaries = str(Path(sys.executable).parent)
        celery = [f"{binaries}/celery", "--quiet", "--app", "config.celery"]
        commands = {
            "web": [f"{binaries}/gunicorn", "--config", "config/gunicorn.conf.py"],
            "worker": [
                *celery,
                "worker",
                "--concurrency",
                str(self._worker_processes),
                "--without-gossip",
                "--without-mingle",
            ],
            "beat": [*celery, "beat"],
            "relay": [sys.executable, "manage.py", "run_relay"],
            "sink": [
                sys.executable,
                "-m",
                "apps.webhooks.benchmark.sink",
                str(self.sink_port),
                str(pause_ms),
            ],
        }
        return commands[name]


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_until(done: Callable[[], bool], *, within_s: float, pause_s: float = 0.05) -> float:
    """Wait until `done()`; return how long it took, in seconds. Raises TimeoutError."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"not done within {within_s} s")
        time.sleep(pause_s)
    return time.monotonic() - began


def _wait_for_port(port: int) -> None:
    def listens() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(listens, within_s=60)


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _resident_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
