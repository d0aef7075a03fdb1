"""Brokers of the tests' own, started from the configurations in deploy/, on ports of their own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
RABBITMQ_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find(program: str, *folders: str) -> str:
    found = shutil.which(program, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"this machine has no {program}")
    return found


@contextmanager
def started(
    command: list[str], *, port: int, folder: Path, environ: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a server until the block ends; it counts as started when its port answers."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | (environ or {}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                said = (folder / "server.log").read_text(errors="replace")[-2000:]
                assert process.poll() is None and time.monotonic() < deadline, (
                    f"{command[0]} did not start: {said}"
                )
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [find("redis-server"), str(DEPLOY / "redis.conf"), "--port", str(port), "--dir", str(folder)]
    with started(command, port=port, folder=folder):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    port, names_port = free_port(), free_port()
    # The command on the PATH changes to an account of its own; the one beside it runs as whoever starts it.
    command = [find("rabbitmq-server", *RABBITMQ_FOLDERS)]
    mine = (DEPLOY / "rabbitmq.conf").read_text().replace("127.0.0.1:5672", f"127.0.0.1:{port}")
    (folder / "rabbitmq.conf").write_text(mine)
    environ = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"bezant{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_PORT": str(names_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    try:
        with started(command, port=port, folder=folder, environ=environ):
            yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        # Erlang leaves its name server running; this one is ours alone.
        subprocess.run(["epmd", "-port", str(names_port), "-kill"], capture_output=True, check=False)
