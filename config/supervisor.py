"""Running the Procfile's processes together: all start, all stop, and nothing outlives them.

Every process leads a group of its own, so that whatever it has started can be stopped with it.
Standard library only.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.postgres_binaries import Unavailable

PATIENCE_S = 15.0
COLOURS = (36, 32, 33, 35, 34)


@dataclass(frozen=True)
class Program:
    """One line of the Procfile."""

    name: str
    command: str


def read_procfile(path: Path) -> list[Program]:
    """Read `name: command` lines. Raises Unavailable, naming the line that is neither that nor a comment."""
    programs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = re.fullmatch(r"([a-z][a-z0-9_-]*):\s*(\S.*)", line)
        if parts is None:
            raise Unavailable(f"{path.name} line {number} is not `name: command`.")
        programs.append(Program(name=parts[1], command=parts[2]))
    return programs


class Supervisor:
    """Starts programs, shows what they print, and ends with them."""

    def __init__(
        self, programs: Sequence[Program], *, cwd: Path, environ: Mapping[str, str], record: Path
    ) -> None:
        self.programs = programs
        self.cwd = cwd
        self.environ = dict(environ)
        self.record = record
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.stopping = threading.Event()
        self._printing = threading.Lock()

    def start(self) -> None:
        """Start every program, and write down its group for whoever must clean up after a `kill -9`."""
        for index, program in enumerate(self.programs):
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {program.command}"],
                cwd=self.cwd,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.running[program.name] = process
            groups = {name: each.pid for name, each in self.running.items()}
            self.record.write_text(json.dumps(groups), encoding="ascii")
            threading.Thread(target=self._show, args=(program.name, index, process), daemon=True).start()

    def stop_on_signals(self) -> None:
        """Take Ctrl-C, TERM and HUP as the wish to stop; a second one stops without patience."""
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` asks that HUP be ignored, and is obeyed.
            if signal.getsignal(kind) is not signal.SIG_IGN:
                signal.signal(kind, self._on_signal)

    def _on_signal(self, _kind: int, _frame: object) -> None:
        if self.stopping.is_set():
            self._signal_all(signal.SIGKILL)
        self.stopping.set()

    def ended(self) -> str | None:
        """Name a program that has ended of itself, with its exit code, or None while all run."""
        for name, process in self.running.items():
            code = process.poll()
            if code is not None:
                return f"{name} ended with exit code {code}"
        return None

    def wait(self) -> str | None:
        """Wait until somebody asks to stop (None) or a program ends (the reason)."""
        while not self.stopping.wait(0.2):
            reason = self.ended()
            if reason is not None:
                return reason
        return None

    def stop(self) -> None:
        """Stop every program and whatever it started: politely, then after PATIENCE_S at once."""
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
        self._signal_all(signal.SIGKILL)
        for process in self.running.values():
            process.wait()
        self.record.unlink(missing_ok=True)

    def _signal_all(self, kind: signal.Signals) -> None:
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, kind)

    def _show(self, name: str, index: int, process: subprocess.Popen[bytes]) -> None:
        label = f"{name:<6} | "
        if sys.stdout.isatty():
            label = f"\033[{COLOURS[index % len(COLOURS)]}m{label}\033[0m"
        assert process.stdout is not None
        for line in process.stdout:
            with self._printing, contextlib.suppress(OSError, ValueError):
                sys.stdout.write(label + line.decode(errors="replace").rstrip("\n") + "\n")
                sys.stdout.flush()


def stop_recorded(record: Path, *, marker: str) -> None:
    """Stop the groups that an earlier supervisor left behind when it was killed.

    A group is only touched when one of its members carries `marker` (NAME=value) in its environment,
    since the group's number may long belong to somebody else.
    """
    try:
        groups = [int(group) for group in json.loads(record.read_text(encoding="ascii")).values()]
    except (OSError, ValueError, TypeError, AttributeError):
        groups = []
    for group in groups:
        for kind, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            if not _carries(group, marker):
                break
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, kind)
            deadline = time.monotonic() + patience_s
            while _carries(group, marker) and time.monotonic() < deadline:
                time.sleep(0.05)
    record.unlink(missing_ok=True)


def _carries(group: int, marker: str) -> bool:
    """Tell whether a member of the process group was started with the marker in its environment."""
    proc = Path("/proc")
    if not (proc / "self" / "environ").exists():
        answer = subprocess.run(["ps", "-AEo", "pgid=,command="], capture_output=True, text=True, check=False)
        return any(line.split()[:1] == [str(group)] and marker in line for line in answer.stdout.splitlines())
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in the second field may hold anything, so the fields are counted from its end.
                after_name = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if after_name[2] == str(group) and marker.encode() in (folder / "environ").read_bytes().split(
                    b"\0"
                ):
                    return True
    return False
