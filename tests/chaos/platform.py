"""A platform for a scenario: its own database cluster and real processes, which are killed by their ids."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.database import ROOT, clone_database, environment, start_cluster

LEASE_S, TIMEOUT_S = 3, 2
DATABASE = "bezant_chaos"

BEREFT_S = 15.0
"""How long a worker may be without children: it takes some seconds to start."""


@dataclass
class Program:
    """One process of the platform, leading a group of its own."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    seen_well_at: float = 0.0


@dataclass
class Platform:
    """Everything of one scenario. Use as a context manager: it leaves nothing running."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    concurrency: int = 2
    web_app: str = ""
    kills: int = 0

    def __enter__(self) -> Platform:
        # A folder that is being made concurrently is told apart by the run that owns it.
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cluster = start_cluster(self.folder)
        clone_database(self.cluster, name=DATABASE)
        self.port = _free_port()
        self.environ = (
            os.environ
            | environment(self.cluster, database=DATABASE)
            | {
                "BEZANT_VAR": str(self.folder),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "PORT": str(self.port),
                "WEBHOOK_ALLOW_LOCAL": "true",
                "WEBHOOK_LEASE_S": str(LEASE_S),
                "WEBHOOK_TIMEOUT_S": str(TIMEOUT_S),
                "WEB_PROCESSES": "2",
                "LOG_LEVEL": "WARNING",
                **self.variables,
            }
        )
        self.programs: dict[str, Program] = {}
        self._stop = threading.Event()
        self._launching = threading.Lock()
        self._threads: list[threading.Thread] = []
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        for name in list(self.programs):
            self.stop(name)
        with contextlib.suppress(Exception):
            self.cluster.stop()

    def start(self, *names: str) -> None:
        """Start programs by name: web, worker, beat, relay."""
        for name in names:
            self.programs[name] = Program(name, self._command(name))
            self._launch(self.programs[name])
        if "web" in names:
            self._wait_for_web()

    def stop(self, name: str) -> None:
        """Kill a program with its whole group."""
        program = self.programs.pop(name)
        if program.process is not None:
            _kill_group(program.process)

    def kill(self, name: str) -> None:
        """kill -9 a program with its children, and start it again."""
        program = self.programs[name]
        assert program.process is not None
        with self._launching:
            _kill_group(program.process)
            self.kills += 1
            self._launch(program)

    def kill_child(self, name: str) -> None:
        """kill -9 one of a program's children; its parent starts another."""
        program = self.programs[name]
        assert program.process is not None
        self._supervise()
        children = _children(program.process.pid)
        if children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(children), signal.SIGKILL)
                self.kills += 1

    def _supervise(self) -> None:
        """Start again what gave up, as whoever supervises it would.

        A worker whose child dies while it starts ends, or stays behind without children and without work.
        """
        with self._launching:
            for program in self.programs.values():
                if program.process is None:
                    continue
                if program.process.poll() is None and (
                    program.name != "worker" or not self._is_bereft(program)
                ):
                    continue
                _kill_group(program.process)
                self._launch(program)

    def _is_bereft(self, program: Program) -> bool:
        assert program.process is not None
        if _children(program.process.pid):
            program.seen_well_at = time.monotonic()
        return time.monotonic() - program.seen_well_at > BEREFT_S

    def memory_mb(self, name: str) -> float:
        """Return the resident memory of a program with its children, in MiB."""
        return sum(_status_kb(pid, "VmRSS:") for pid in self.family(name)) / 1024

    def cpu_ms(self, name: str) -> float:
        """Return the processor time that a program with its children has used, in milliseconds."""
        ticks = sum(_ticks(pid) for pid in self.family(name))
        return ticks * 1000 / os.sysconf("SC_CLK_TCK")

    def family(self, name: str) -> list[int]:
        """Return the ids of a program's process and its children."""
        process = self.programs[name].process
        assert process is not None
        return [process.pid, *_children(process.pid)]

    def every(self, seconds: float, act: Any) -> None:
        """Do something again and again in the background, until the scenario ends or `calm` is called."""

        def work() -> None:
            while not self._stop.wait(seconds):
                act()

        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def calm(self) -> None:
        """End the background acts, so that the platform can come to rest."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        self._threads.clear()
        self._stop = threading.Event()

    def crash_database(self, *, down_s: float = 0.5) -> None:
        """Stop PostgreSQL at once, without a checkpoint, and start it again."""
        pid = self.cluster.running_pid()
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        for _ in range(200):
            if self.cluster.running_pid() is None:
                break
            time.sleep(0.05)
        time.sleep(down_s)
        self.cluster.start()
        self.kills += 1

    def sql(self, statement: str, *values: Any, tries: int = 40) -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, who sees every row; tries again while the database is away."""
        for attempt in range(tries):
            try:
                with psycopg.connect(self.cluster.url(role="postgres", database=DATABASE)) as connection:
                    cursor = connection.execute(statement, values or None)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if attempt == tries - 1:
                    raise
                time.sleep(0.25)
        raise AssertionError("unreachable")

    def manage(self, code: str) -> str:
        """Run Python inside the platform's own settings, and return what it printed last."""
        answer = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr[-3000:]
        return answer.stdout.strip().splitlines()[-1]

    def wait_until(self, done: Any, *, within_s: float) -> float:
        """Wait until `done()` is true; return how long it took. Raises AssertionError after the time."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            if done():
                return time.monotonic() - began
            self._supervise()
            time.sleep(0.1)
        raise AssertionError(f"not done within {within_s} s")

    def _command(self, name: str) -> list[str]:
        binaries = str(Path(sys.executable).parent)
        celery = [f"{binaries}/celery", "--quiet", "--app", "config.celery"]
        return {
            "web": [
                f"{binaries}/gunicorn",
                "--config",
                "config/gunicorn.conf.py",
                *([self.web_app] if self.web_app else []),
            ],
            "worker": [
                *celery,
                "worker",
                "--concurrency",
                str(self.concurrency),
                "--without-gossip",
                "--without-mingle",
                "--include",
                "tests.chaos.appliers",
            ],
            "beat": [*celery, "beat"],
            "relay": [sys.executable, "manage.py", "run_relay"],
        }[name]

    def failures(self) -> list[str]:
        """Return what the web's log says of requests that failed, for the message of a test."""
        lines = (self.folder / "web.log").read_text(errors="replace").splitlines()
        return [line for line in lines if "request failed" in line or "refused by" in line][-3:]

    def _launch(self, program: Program) -> None:
        log = (self.folder / f"{program.name}.log").open("ab")
        program.process = subprocess.Popen(
            program.command, cwd=ROOT, env=self.environ, stdout=log, stderr=log, start_new_session=True
        )
        program.seen_well_at = time.monotonic()

    def _wait_for_web(self) -> None:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "web.log").read_text()[-3000:])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(one) for one in text.split()]


def _status_kb(pid: int, line: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(one.split()[1]) for one in lines if one.startswith(line)), 0)


def _ticks(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return int(after_name[11]) + int(after_name[12])


@contextlib.contextmanager
def platform(folder: Path, **options: Any) -> Iterator[Platform]:
    """Open a platform for a scenario."""
    with Platform(folder, **options) as opened:
        yield opened
