"""`make run`: the whole platform on one machine, from nothing, until Ctrl-C.

1. see that nobody runs here already, that the port is free and that var/ can be written;
2. find or start PostgreSQL; look for the broker if one is named;
3. make roles and tables, load the sandbox once;
4. start every process of the Procfile, wait until /readyz says yes, tell where to look;
5. on Ctrl-C, or when one process ends, stop everything, PostgreSQL last.

Standard library only, apart from what the started programs use.
"""

import contextlib
import fcntl
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from config.lent import lend, take_back
from config.local_services import ROOT, SUPERUSER, Cluster, find_cluster
from config.postgres_binaries import Unavailable
from config.supervisor import Supervisor, read_procfile, stop_recorded

VAR = Path(os.environ.get("BEZANT_VAR", ROOT / "var")).resolve()
READY_TIMEOUT_S = 90.0
BROKER_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}


def say(sentence: str) -> None:
    """Tell the person what is being done, at once."""
    print(f"• {sentence}", flush=True)


def main() -> int:
    """Run the platform. Returns the exit code: 0 when asked to stop, 1 when something did not work."""
    began = time.monotonic()
    try:
        port = _free_port()
        with _only_one_here(), _database() as addresses:
            _see_broker()
            environ = os.environ | addresses | _paths(port) | _bank()
            _prepare(environ)
            return _serve(environ, port=port, began=began)
    except Unavailable as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped before everything was started.")
        return 1


def _free_port() -> int:
    given = os.environ.get("PORT") or "8000"
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65_536:
        raise Unavailable(f"PORT is {given!r}: give a whole number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((os.environ.get("HOST", "127.0.0.1"), int(given)))
        except OSError as error:
            raise Unavailable(
                f"Port {given} cannot be used ({error.strerror}): stop what uses it, or choose another "
                f"with `PORT={int(given) % 60_000 + 1} make run`."
            ) from error
    return int(given)


@contextmanager
def _only_one_here() -> Iterator[None]:
    """Hold the checkout's lock, which the system releases however this process ends."""
    try:
        VAR.mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = (VAR / "run.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise Unavailable(
            f"{VAR} cannot be written ({error.strerror}): make it writable for this account, or remove it."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Unavailable(
                f"Another `make run` (process {lock.read().strip()}) is running in this checkout: stop it first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        stop_recorded(VAR / "run.json", marker=_marker())
        (VAR / "static").mkdir(exist_ok=True)  # WhiteNoise warns when the folder is missing
        yield


@contextmanager
def _database() -> Iterator[dict[str, str]]:
    """Give the database's addresses: those of the environment, or of a cluster that runs while we do."""
    if os.environ.get("DATABASE_URL"):
        _see_database(os.environ["DATABASE_URL"])
        say("Using the database that DATABASE_URL names.")
        yield {}
        return
    say("Looking for PostgreSQL.")
    cluster = find_cluster(VAR / "postgres", durable=True)
    say(
        f"Starting PostgreSQL {cluster.binaries.major} from {cluster.binaries.folder}, data in {_placed(cluster)}."
    )
    server = cluster.start()
    addresses = {
        "DATABASE_URL": cluster.url(role="bezant_app", database="bezant"),
        "DATABASE_OWNER_URL": cluster.url(role="bezant_owner", database="bezant"),
        "DATABASE_ADMIN_URL": cluster.url(role=SUPERUSER, database="postgres"),
    }
    try:
        lend(VAR, addresses)
        yield addresses
    finally:
        take_back(VAR)
        cluster.stop()
        server.wait()


def _placed(cluster: Cluster) -> str:
    wanted = VAR / "postgres"
    if cluster.home == wanted:
        return str(wanted)
    return (
        f"{cluster.home} (the account {cluster.account.name if cluster.account else ''} cannot enter {VAR})"
    )


def _see_database(url: str) -> None:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        if os.environ.get("DATABASE_ADMIN_URL"):
            return  # The role or the database may be what setup_database is about to make.
        raise Unavailable(f"DATABASE_URL cannot be used: {str(error).strip().splitlines()[0]}") from None


def _see_broker() -> None:
    name = "CELERY_BROKER_URL" if os.environ.get("CELERY_BROKER_URL") else "REDIS_URL"
    parts = urlsplit(os.environ.get(name, ""))
    if parts.scheme not in BROKER_PORTS:
        return
    address = (parts.hostname or "localhost", parts.port or BROKER_PORTS[parts.scheme])
    try:
        socket.create_connection(address, timeout=3).close()
    except OSError:
        raise Unavailable(
            f"Nothing answers at {name} ({address[0]}:{address[1]}): start it, or unset {name}."
        ) from None


def _marker() -> str:
    return f"BEZANT_RUN={VAR}"


def _paths(port: int) -> dict[str, str]:
    name, _, value = _marker().partition("=")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {name: value, "BEZANT_VAR": str(VAR), "PORT": str(port), "PATH": path, "PYTHONUNBUFFERED": "1"}


def _bank() -> dict[str, str]:
    """Choose where the sandbox's bank listens, on this machine alone, unless BANK_PORT says."""
    if os.environ.get("BANK_PORT") or os.environ.get("SANDBOX") == "no":
        return {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"BANK_PORT": str(probe.getsockname()[1])}


def _prepare(environ: dict[str, str]) -> None:
    if environ.get("DATABASE_ADMIN_URL"):
        say("Making database roles where they are missing.")
        _manage("setup_database", environ=environ)
    say("Bringing the tables up to date.")
    _manage("migrate", "--skip-checks", "--verbosity", "1", environ=environ)
    if environ.get("DATABASE_ADMIN_URL"):
        _watch_schema(environ)
    if environ.get("SANDBOX", "yes") == "no":
        return
    if any(ROOT.glob("apps/*/management/commands/load_sandbox.py")):
        say("Loading the sandbox, once (SANDBOX=no leaves it out).")
        _manage("load_sandbox", environ=environ, shown=True)


def _watch_schema(environ: dict[str, str]) -> None:
    """Record changes of the ledger's tables where a superuser is at hand; say so where one is not."""
    try:
        _manage("watch_ledger_schema", environ=environ)
    except Unavailable as problem:
        say(f"Changes of the ledger's tables are not recorded: {problem}")


def _manage(*arguments: str, environ: dict[str, str], shown: bool = False) -> None:
    """Run one manage.py command, keeping what it prints, or only its errors when the rest is shown.

    Raises Unavailable with its last line.
    """
    log = VAR / "log" / f"{arguments[0]}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        command = [sys.executable, "manage.py", *arguments]
        code = subprocess.run(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        ).returncode
    if code != 0:
        said = log.read_text(errors="replace").strip().splitlines() or [f"exit code {code}"]
        raise Unavailable(f"`manage.py {arguments[0]}` did not work: {said[-1]} (all it said is in {log}).")


def _serve(environ: dict[str, str], *, port: int, began: float) -> int:
    programs = read_procfile(ROOT / "Procfile")
    say(f"Starting {', '.join(program.name for program in programs)}.")
    supervisor = Supervisor(programs, cwd=ROOT, environ=environ, record=VAR / "run.json")
    supervisor.stop_on_signals()
    try:
        supervisor.start()
        problem = _wait_until_ready(supervisor, port=port)
        if problem is None and not supervisor.stopping.is_set():
            _tell_where_to_look(port=port, took_s=time.monotonic() - began)
            problem = supervisor.wait()
    finally:
        say("Stopping.")
        supervisor.stop()
    if problem is not None:
        raise Unavailable(f"{problem}; everything was stopped. The lines above say why.")
    return 0


def _wait_until_ready(supervisor: Supervisor, *, port: int) -> str | None:
    """Ask /readyz until it says yes (None), a program ends or time is up (the reason)."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    answer = ""
    while time.monotonic() < deadline and not supervisor.stopping.wait(0.3):
        ended = supervisor.ended()
        if ended is not None:
            return ended
        status, answer = _get(port, "/readyz")
        if status == 200:
            return None
    if supervisor.stopping.is_set():
        return None
    return f"the platform is not ready after {READY_TIMEOUT_S:.0f} s; /readyz says {answer or 'nothing'}"


def _get(port: int, path: str) -> tuple[int, str]:
    host = os.environ.get("HOST", "127.0.0.1")
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=5)  # noqa: S104
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        response = connection.getresponse()
        return response.status, response.read(10_000).decode(errors="replace")
    return 0, ""


def _tell_where_to_look(*, port: int, took_s: float) -> None:
    site = f"http://localhost:{port}"
    print(f"\nReady after {took_s:.0f} s.\n")
    for what, path in (("Console", "/console/"), ("API", "/api/v1/docs"), ("Health", "/readyz")):
        print(f"  {what:<8} {site}{path}")
    logins = _logins()
    if logins:
        print(f"\n  Sandbox logins (kept in {VAR / 'sandbox_logins.json'}):")
        for login in logins:
            second = f"   second factor {login['totp_secret']}" if login.get("totp_secret") else ""
            print(f"  {login['role']:<22} {login['username']:<22} {login['password']}{second}")
    print("\nCtrl-C stops everything.\n", flush=True)


def _logins() -> list[dict[str, str]]:
    with contextlib.suppress(OSError, ValueError):
        return list(json.loads((VAR / "sandbox_logins.json").read_text(encoding="utf-8")))
    return []


if __name__ == "__main__":
    sys.exit(main())
