"""A durable database server of a measurement's own: made, filled with the tables, and removed afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A checkpoint in one short measurement would be charged to whichever stage it fell into.
_SETTINGS = "max_wal_size = 4GB\ncheckpoint_timeout = 30min\n"


@dataclass
class BenchServer:
    """A running server with fsync on, whose database `bezant` has our tables; and a folder for what else is made."""

    cluster: Any
    folder: Path

    def environment(self) -> dict[str, str]:
        """Return the variables that point a process of ours at the server."""
        return os.environ | {
            "DATABASE_URL": self.cluster.url(role="bezant_app", database="bezant"),
            "DATABASE_OWNER_URL": self.cluster.url(role="bezant_owner", database="bezant"),
            "DATABASE_ADMIN_URL": self.cluster.url(role="postgres", database="postgres"),
            "BEZANT_VAR": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings"),
        }

    def manage(self, *arguments: str, check: bool = False, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run a management command there, in a process of its own; `how` is for `subprocess.run`."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment(), text=True, check=check, **how)


@contextmanager
def private_server() -> Iterator[BenchServer]:
    """Start a server with our tables, and remove it afterwards."""
    from config.local_services import find_cluster, remove_cluster

    folder = Path(tempfile.mkdtemp(prefix="bezant-bench-"))
    try:
        cluster = find_cluster(folder / "postgres", durable=True)
        with (cluster.data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        cluster.start()
        server = BenchServer(cluster, folder)
        server.manage("setup_database", check=True, stdout=sys.stderr)
        server.manage("migrate", "--skip-checks", "--verbosity", "0", check=True, stdout=sys.stderr)
        yield server
    finally:
        remove_cluster(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
