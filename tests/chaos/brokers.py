"""Real brokers on loopback, each started for a test and killed after it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(port: int, *, within_s: float = 60) -> None:
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")


class Redis:
    """A Redis without persistence: what it held is gone when it is killed."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed")
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self.folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self.port)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def crash(self) -> None:
        """kill -9, then an empty one in its place."""
        self.stop()
        time.sleep(0.5)
        self.start()


class RabbitMq:
    """A RabbitMQ node of its own: own ports, own folder, own name server, own cookie."""

    PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

    def __init__(self, folder: Path) -> None:
        if not self.PROGRAM.exists() or shutil.which("epmd") is None:
            pytest.skip("rabbitmq-server is not installed")
        self.folder, self.port = folder, free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users.guest = true\nlog.console = true\n"
        )
        (folder / "plugins").write_text("[].")
        names = free_port()
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bezant{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
        }
        self.names = subprocess.Popen(
            ["epmd", "-port", str(names), "-address", "127.0.0.1"],
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(names)
        self.start()

    def start(self) -> None:
        log = (self.folder / "node.log").open("ab")
        self.process = subprocess.Popen(
            [str(self.PROGRAM)],
            env=self.environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=self.folder,
        )
        wait_for(self.port)

    def stop(self) -> None:
        self._kill()
        self.names.kill()
        self.names.wait()

    def crash(self) -> None:
        """kill -9, then the same node again."""
        self._kill()
        time.sleep(0.5)
        self.start()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask(self, *arguments: str) -> str:
        """Run rabbitmqctl against the node."""
        answer = subprocess.run(
            ["/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout


class Sqs:
    """Amazon's queue service, as the emulator of the package moto answers for it."""

    def __init__(self, folder: Path) -> None:
        if not all(importlib.util.find_spec(name) for name in ("moto", "flask", "boto3", "pycurl")):
            pytest.skip("moto, or what Celery needs for SQS, is not installed")
        self.port = free_port()
        self.url = f"sqs://key:secret@127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        wait_for(self.port)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


BROKERS = {"redis": Redis, "rabbitmq": RabbitMq, "sqs": Sqs}


@contextlib.contextmanager
def broker(kind: str, folder: Path) -> Iterator[Redis | RabbitMq | Sqs]:
    """Run a broker for a block."""
    folder.mkdir(parents=True, exist_ok=True)
    started = BROKERS[kind](folder)
    try:
        yield started
    finally:
        started.stop()
