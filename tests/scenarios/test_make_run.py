"""`make run` as a person meets it: in a copy of the checkout, with nothing prepared but the packages.

The copy keeps no var/, so that the cluster, the keys and the broker's folders are made by the run itself.
The tests share it, in order: the first run makes everything, the later ones find it.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
# Generous, since other tests share the processors; on an idle machine it is 10, 5 and 2 seconds.
READY_WITHIN_S = 150
AGAIN_WITHIN_S = 90
STOPPED_WITHIN_S = 60
SANDBOX_WITHIN_S = 90  # on a machine that has other things to do
LEFT_OUT = ("var", ".venv", ".git", "__pycache__", ".ruff_cache", ".hypothesis")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Run:
    """One `make run` and what it printed."""

    def __init__(self, checkout: Path, **environ: str) -> None:
        self.checkout = checkout
        self.port = int(environ.get("PORT") or _free_port())
        self.printed = checkout.parent / f"printed-{time.monotonic_ns()}"
        with self.printed.open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "run"],
                cwd=checkout,
                env=_plain_environment() | {"PORT": str(self.port), "SANDBOX": "no"} | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.printed.read_text(errors="replace")

    def wait_until_ready(self, *, timeout_s: float) -> float:
        began = time.monotonic()
        while "Ready after" not in self.output:
            assert self.process.poll() is None, f"it ended: {self.output}"
            assert time.monotonic() - began < timeout_s, f"it is not ready: {self.output}"
            time.sleep(0.1)
        assert self.get("/readyz")[0] == 200
        return time.monotonic() - began

    def get(self, path: str) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers={"Host": f"localhost:{self.port}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def press_ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> int:
        return self.process.wait(timeout=STOPPED_WITHIN_S)

    def programs(self) -> dict[str, int]:
        return json.loads((self.checkout / "var" / "run.json").read_text())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _plain_environment() -> dict[str, str]:
    """Give this process's environment without what the tests put into it: a new terminal's, so to speak."""
    ours = ("BEZANT_", "DATABASE_", "DJANGO_", "PYTEST_", "CELERY_", "REDIS_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def left_running(checkout: Path) -> list[str]:
    """Give the command lines of processes that belong to the checkout: by folder, by mark, by data."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            inside = Path(os.readlink(folder / "cwd")).is_relative_to(checkout)
            marked = f"BEZANT_RUN={checkout}".encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if inside or marked or str((checkout / "var" / "postgres").resolve()) in command:
            found.append(command)
    return found


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    if shutil.which("make") is None or not Path("/proc/self/stat").exists():
        pytest.skip("this machine has no make, or no /proc to see what is left running")
    # In the run's own folder, whose leftovers the next run of the tests clears away if this one is killed.
    copy = settings.RUN_DIR / "copies" / "bezant"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (copy / ".venv").symlink_to(Path(sys.prefix))
    yield copy
    subprocess.run(["make", "clean"], cwd=copy, env=_plain_environment(), check=True, timeout=120)
    assert not (copy / "var").exists()
    assert left_running(copy) == []


@contextmanager
def running(checkout: Path, *, timeout_s: float = READY_WITHIN_S, **environ: str) -> Iterator[Run]:
    """Run the platform until the block ends, unless the block ends it itself."""
    run = Run(checkout, **environ)
    try:
        run.wait_until_ready(timeout_s=timeout_s)
        yield run
    finally:
        if run.process.poll() is None:
            run.press_ctrl_c()
            run.wait()


def owner_url(checkout: Path) -> str:
    home = (checkout / "var" / "postgres").resolve()
    sockets = home / "sockets"
    return f"postgresql://bezant_owner@/bezant?host={sockets.readlink() if sockets.is_symlink() else home}"


def test_it_comes_up_from_nothing_and_leaves_nothing_running(checkout: Path) -> None:
    secret = checkout / "var" / "secret_key"
    with running(checkout) as run:
        health = run.get("/readyz")[1]
        with psycopg.connect(owner_url(checkout)) as connection:
            connection.execute("CREATE TABLE kept_over_runs AS SELECT 42 AS answer")
        run.press_ctrl_c()
        run.wait()

    assert {
        name: check["ok"]
        for name, check in health["checks"].items()
        if name in ("database", "worker", "relay")
    } == {
        "database": True,
        "worker": True,
        "relay": True,
    }
    assert f"http://localhost:{run.port}/console/" in run.output
    assert "Traceback" not in run.output
    assert secret.stat().st_mode & 0o777 == 0o600
    assert left_running(checkout) == []


def test_it_keeps_its_data_and_is_ready_in_seconds_the_second_time(checkout: Path) -> None:
    secret = (checkout / "var" / "secret_key").read_text()

    with running(checkout, timeout_s=AGAIN_WITHIN_S) as run:
        with psycopg.connect(owner_url(checkout)) as connection:
            kept = connection.execute("SELECT answer FROM kept_over_runs").fetchone()
        run.process.send_signal(signal.SIGTERM)
        run.wait()

    assert kept == (42,)
    assert (checkout / "var" / "secret_key").read_text() == secret
    assert left_running(checkout) == []


def test_a_second_run_here_is_refused_while_the_first_runs(checkout: Path) -> None:
    with running(checkout) as first:
        second = Run(checkout)
        code = second.wait()

        assert code != 0
        assert re.search(
            r"Another `make run` \(process \d+\) is running in this checkout: stop it first", second.output
        )
        assert first.get("/readyz")[0] == 200


def test_when_one_process_dies_all_stop_and_it_says_so(checkout: Path) -> None:
    with running(checkout) as run:
        os.kill(run.programs()["relay"], signal.SIGKILL)
        code = run.wait()

    assert code != 0
    assert "relay ended with exit code -9; everything was stopped" in run.output
    assert left_running(checkout) == []


def test_a_run_clears_away_what_a_killed_one_left(checkout: Path) -> None:
    with running(checkout) as killed:
        programs = killed.programs()
        supervisor = int((checkout / "var" / "run.lock").read_text())
        os.kill(supervisor, signal.SIGKILL)
        killed.wait()
        assert left_running(checkout) != []

        with running(checkout) as fresh:
            assert not set(programs.values()) & set(fresh.programs().values())
            assert fresh.get("/readyz")[0] == 200

    assert left_running(checkout) == []


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"PORT": "eighty"}, r"PORT is 'eighty': give a whole number from 1 to 65535"),
        ({"PORT": "70000"}, r"PORT is '70000': give a whole number"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, r"DATABASE_URL cannot be used: "),
        (
            {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"},
            r"Nothing answers at CELERY_BROKER_URL \(127.0.0.1:1\)",
        ),
        ({"BEZANT_POSTGRES_BIN": "/nowhere"}, r"BEZANT_POSTGRES_BIN is /nowhere, .*: correct it or unset it"),
        ({"BEZANT_VAR": "/proc/nowhere"}, r"/proc/nowhere cannot be written .*: make it writable"),
    ],
)
def test_what_cannot_work_is_told_in_one_sentence(
    checkout: Path, environ: dict[str, str], sentence: str
) -> None:
    said = _refusal(checkout, **environ)

    assert re.search(sentence, said)


def test_a_taken_port_is_told_in_one_sentence(checkout: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = _refusal(checkout, PORT=port)

    assert re.search(rf"Port {port} cannot be used .*choose another with `PORT=\d+ make run`", said)


def _refusal(checkout: Path, **environ: str) -> str:
    answer = subprocess.run(
        ["make", "run"],
        cwd=checkout,
        env=_plain_environment() | {"PORT": str(_free_port()), "SANDBOX": "no"} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    lines = [
        line
        for line in answer.stderr.splitlines()
        if not line.startswith("make") or line.startswith("make run:")
    ]
    assert answer.returncode != 0
    assert "Traceback" not in answer.stdout + answer.stderr
    assert len(lines) == 1, lines
    assert left_running(checkout) == []
    return lines[0]


def test_port_zero_is_not_a_port(checkout: Path) -> None:
    assert "PORT is '0'" in _refusal(checkout, PORT="0")


def test_the_tour_of_the_readme_works_as_pasted(checkout: Path) -> None:
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    tour = readme[readme.index("## A tour") : readme.index("## Map")]
    lines = [line[4:] for line in tour.splitlines() if line.startswith("    ")]
    with running(checkout, timeout_s=READY_WITHIN_S + SANDBOX_WITHIN_S, SANDBOX="yes"):
        typed = subprocess.run(
            ["bash", "-e", "-c", "\n".join(lines)],
            cwd=checkout,
            env=_plain_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert typed.returncode == 0, typed.stdout[-2000:] + typed.stderr[-2000:]
    assert json.loads((checkout / "var" / "payment.json").read_text())["state"] == "settled"
    assert "FAILS" not in typed.stdout
    assert "0 differ from their events" in typed.stdout
