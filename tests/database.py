"""The tests' own PostgreSQL: one cluster per run, one database per worker, all copies of one template.

The template is a data folder that was migrated once and shut down. It is kept under `var/test`, named
by a hash of everything that shapes the schema, so that a second run only copies files and starts.
Databases are cloned rather than flushed, since the ledger's tables refuse TRUNCATE.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from config.local_services import SUPERUSER, Cluster, copy_cluster, find_cluster, place_folder, remove_cluster
from config.postgres_binaries import Binaries, ensure_binaries, server_account
from config.supervisor import stop_recorded

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var" / "test"
TEMPLATE = "bezant"
TEMPLATES_KEPT = 3
SHAPING_FILES = (
    "apps/*/migrations/**/*.py",
    "apps/*/migrations/**/*.sql",
    "apps/core/migration_ops.py",
    "apps/core/management/commands/setup_database.py",
    "requirements.txt",
)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, shared with every process of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def begin_run() -> Path:
    """Make the folder of one pytest run, removed when this process ends, and clear away those of killed runs."""
    with locked(FOLDER / "runs.lock"):
        for former in FOLDER.glob("run-*"):
            if former.is_dir() and not _is_alive(former):
                end_run(former)
        folder = FOLDER / f"run-{os.getpid()}"
        folder.mkdir()
        # The lock says that the run is alive: the system lets go of it however the process ends.
        fcntl.flock(os.open(folder / "alive", os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX)
    atexit.register(end_run, folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    # Children that tests fork must die of the signal as usual.
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    place_folder(folder / "postgres", account=server_account())
    return folder


def end_run(folder: Path) -> None:
    """Stop the run's cluster, and the platforms that tests started in copies, and remove everything of them."""
    for record in folder.glob("copies/*/var/run.json"):
        stop_recorded(record, marker=f"BEZANT_RUN={record.parent}")
    for home in (folder / "postgres", *folder.glob("copies/*/var/postgres")):
        remove_cluster(home)
    shutil.rmtree(folder, ignore_errors=True)


def start_cluster(folder: Path) -> Cluster:
    """Give the run's cluster, started by whichever worker needs it first."""
    with locked(folder / "start.lock"):
        template = _template()
        home = place_folder(folder / "postgres", account=template.account)
        cluster = Cluster(home=home, binaries=template.binaries, account=template.account, durable=False)
        if cluster.running_pid() is None:
            shutil.rmtree(cluster.data, ignore_errors=True)
            copy_cluster(template, cluster)
            cluster.start()
    return cluster


def clone_database(cluster: Cluster, *, name: str) -> None:
    """Make a fresh database from the template, with its privileges and settings."""
    with psycopg.connect(cluster.url(role=SUPERUSER, database="postgres"), autocommit=True) as connection:
        fresh = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(fresh))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                fresh, sql.Identifier(TEMPLATE)
            )
        )
        # A clone takes the tables with it, but neither the database's owner nor its privileges.
        connection.execute(
            "UPDATE pg_database SET datdba = template.datdba, datacl = template.datacl "
            "FROM pg_database AS template WHERE template.datname = %s AND pg_database.datname = %s",
            [TEMPLATE, name],
        )


def cluster_in(folder: Path) -> Cluster:
    """Give the run's cluster as it will be, started or not: its addresses are known from the start."""
    home = (folder / "postgres").resolve()
    return Cluster(home=home, binaries=Binaries(folder=Path(), major=0), account=None, durable=False)


def environment(cluster: Cluster, *, database: str) -> dict[str, str]:
    """Give the variables that point a process at one database under each role."""
    return {
        "DATABASE_URL": cluster.url(role="bezant_app", database=database),
        "DATABASE_OWNER_URL": cluster.url(role="bezant_owner", database=database),
        "DATABASE_ADMIN_URL": cluster.url(role=SUPERUSER, database="postgres"),
    }


def template_key(major: int) -> str:
    """Hash whatever shapes the schema: migrations, their SQL, roles, third-party versions, the server."""
    digest = hashlib.sha256(f"{major}\n{Path(__file__).read_text()}".encode())
    for pattern in SHAPING_FILES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(f"{path.relative_to(ROOT)}\0".encode())
            digest.update(path.read_bytes())
    return f"{major}-{digest.hexdigest()[:16]}"


def _template() -> Cluster:
    binaries = ensure_binaries(ROOT / "requirements-postgres.txt")
    home = FOLDER / f"template-{template_key(binaries.major)}"
    ready = home.with_suffix(".ready")
    with locked(FOLDER / "template.lock"):
        if ready.exists():
            ready.touch()
            return find_cluster(home, durable=False)
        remove_cluster(home)
        cluster = find_cluster(home, durable=False)
        cluster.start()
        try:
            _build(environment(cluster, database=TEMPLATE))
        except BaseException:
            remove_cluster(home)
            raise
        cluster.stop()
        ready.touch()
        _forget_old_templates()
    return cluster


def _build(variables: dict[str, str]) -> None:
    for command in (["setup_database"], ["migrate", "--skip-checks", "--verbosity", "0"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-4000:]
            raise RuntimeError(f"manage.py {command[0]} failed while the test template was made:\n{said}")


def _forget_old_templates() -> None:
    marks = sorted(FOLDER.glob("template-*.ready"), key=lambda path: path.stat().st_mtime, reverse=True)
    for mark in marks[TEMPLATES_KEPT:]:
        mark.unlink()
        remove_cluster(mark.with_suffix(""))


def _is_alive(folder: Path) -> bool:
    try:
        with (folder / "alive").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
