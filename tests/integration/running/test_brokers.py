"""A worker runs what another process sends, over each broker the platform can use."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.models import Heartbeat
from tests.integration.running import brokers

ROOT = Path(__file__).resolve().parents[3]
WORKER = ["-m", "celery", "--quiet", "--app", "config.celery", "worker", "--concurrency", "1"]
SEND = "from config.celery import record_heartbeat; record_heartbeat.delay()"


@pytest.fixture(params=["filesystem", "redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "filesystem":
        yield "filesystem://"
        return
    with getattr(brokers, request.param)(tmp_path) as url:
        yield url


@pytest.mark.timeout(180)
def test_a_worker_runs_what_another_process_sends(db: None, broker: str, tmp_path: Path) -> None:
    environ = os.environ | {"CELERY_BROKER_URL": broker, "BEZANT_VAR": str(tmp_path)}
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, *WORKER], cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for_sign_of(worker, tmp_path, of_child=False)

        subprocess.run([sys.executable, "-c", SEND], cwd=ROOT, env=environ, check=True, timeout=60)

        wait_for_sign_of(worker, tmp_path, of_child=True)
    finally:
        worker.terminate()
        worker.wait(timeout=60)


def wait_for_sign_of(worker: subprocess.Popen[bytes], folder: Path, *, of_child: bool) -> None:
    """Wait for the heartbeat of the worker itself, written when it is ready, or of the child that ran the task."""
    deadline = time.monotonic() + 60
    while True:
        signs = [
            name for name in Heartbeat.objects.values_list("process", flat=True) if name.startswith("worker@")
        ]
        main = [name for name in signs if name.endswith(f":{worker.pid}")]
        children = [
            name for name in signs if name.endswith(tuple(f":{pid}" for pid in _children(worker.pid)))
        ]
        if (of_child and children) or (not of_child and main):
            return
        said = (folder / "worker.log").read_text(errors="replace")[-2000:]
        assert worker.poll() is None and time.monotonic() < deadline, f"no sign of life: {said}"
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    answer = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in answer.stdout.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]
