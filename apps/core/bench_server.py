"""A durable database server of a measurement's own: made, filled with the tables, and removed afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

_SETTINGS = "max_wal_size = 4GB\ncheckpoint_timeout = 30min\nshared_buffers = 512MB\n"
"""A checkpoint in one short measurement would be charged to whichever stage it fell into."""


@contextmanager
def private_server() -> Iterator[dict[str, str]]:
    """Start a server with fsync on and our tables; give the environment that points a process at it."""
    from config.local_services import find_cluster, remove_cluster

    folder = Path(tempfile.mkdtemp(prefix="bezant-bench-"))
    home = folder / "postgres"
    try:
        cluster = find_cluster(home, durable=True)
        with (cluster.data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        cluster.start()
        environment = os.environ | {
            "DATABASE_URL": cluster.url(role="bezant_app", database="bezant"),
            "DATABASE_OWNER_URL": cluster.url(role="bezant_owner", database="bezant"),
            "DATABASE_ADMIN_URL": cluster.url(role="postgres", database="postgres"),
            "BEZANT_VAR": str(folder),
        }
        for command in (["setup_database"], ["migrate", "--skip-checks", "--verbosity", "0"]):
            manage(command, environment, check=True, to_stderr=True)
        yield environment
    finally:
        remove_cluster(home)
        shutil.rmtree(folder, ignore_errors=True)


def manage(
    arguments: list[str], environment: dict[str, str], *, check: bool = False, to_stderr: bool = False
) -> int:
    """Run a management command in a process of its own; return its exit code."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=sys.stderr if to_stderr else None,
        check=check,
    )
    return done.returncode
