"""Processes that run together end together, whatever they do to avoid it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config import supervisor as module
from config.supervisor import Program, Supervisor, stop_recorded

STUBBORN = (
    "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "child = os.fork(); open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(300)"
)


def until(holds: Callable[[], bool], *, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system has no /proc to look into"
)


@pytest.fixture
def supervise(tmp_path: Path) -> Callable[..., Supervisor]:
    def make(*commands: str, **environ: str) -> Supervisor:
        programs = [Program(name=f"p{number}", command=command) for number, command in enumerate(commands)]
        environ = {"PATH": os.environ["PATH"]} | environ
        return Supervisor(programs, cwd=tmp_path, environ=environ, record=tmp_path / "run.json")

    return make


class TestSupervisor:
    def test_shows_what_programs_print_under_their_names(self, supervise, capsys) -> None:
        supervisor = supervise("sh -c 'echo hello; sleep 60'", "sh -c 'echo more >&2; sleep 60'")

        supervisor.start()
        time.sleep(0.5)
        supervisor.stop()

        printed = capsys.readouterr().out
        assert "p0     | hello" in printed
        assert "p1     | more" in printed

    def test_tells_which_program_ended(self, supervise) -> None:
        supervisor = supervise("sleep 60", "sh -c 'exit 7'")

        supervisor.start()
        reason = supervisor.wait()
        supervisor.stop()

        assert reason == "p1 ended with exit code 7"

    @needs_proc
    def test_stops_children_that_ignore_the_polite_signal(
        self, supervise, tmp_path: Path, monkeypatch
    ) -> None:
        monkeypatch.setattr(module, "PATIENCE_S", 0.3)
        pids = tmp_path / "pids"
        supervisor = supervise(f'{sys.executable} -c "{STUBBORN}" {pids}')
        supervisor.start()
        until(lambda: pids.exists() and len(pids.read_text().split()) == 2)

        supervisor.stop()

        until(lambda: not any(alive(pid) for pid in map(int, pids.read_text().split())))
        assert not (tmp_path / "run.json").exists()


@needs_proc
class TestStopRecorded:
    def test_stops_what_a_killed_supervisor_left(self, supervise, tmp_path: Path) -> None:
        supervisor = supervise("sleep 300", BEZANT_RUN="/here")
        supervisor.start()
        process = supervisor.running["p0"]

        stop_recorded(tmp_path / "run.json", marker="BEZANT_RUN=/here")

        assert process.wait(timeout=5) != 0
        assert not (tmp_path / "run.json").exists()

    def test_leaves_a_stranger_that_has_the_number_now(self, tmp_path: Path) -> None:
        stranger = subprocess.Popen(["sleep", "300"], start_new_session=True)
        (tmp_path / "run.json").write_text(json.dumps({"web": stranger.pid}))
        try:
            stop_recorded(tmp_path / "run.json", marker="BEZANT_RUN=/here")

            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    def test_does_nothing_without_a_readable_record(self, tmp_path: Path) -> None:
        (tmp_path / "run.json").write_text("{not json")

        stop_recorded(tmp_path / "run.json", marker="BEZANT_RUN=/here")

        assert not (tmp_path / "run.json").exists()
