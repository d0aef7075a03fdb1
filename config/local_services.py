"""A private PostgreSQL for one checkout: made, started, stopped, and nothing left behind.

It listens on a unix socket only, in a folder that no other account can enter, so that the operating
system is the password. It never runs as root: started by root, it runs under an account that owns its
data folder and nothing else. No permission of any other folder is changed.
"""

import contextlib
import locale
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from config.postgres_binaries import (
    CLEAN_ENVIRONMENT,
    Account,
    Binaries,
    Unavailable,
    as_account,
    ensure_binaries,
    find_binaries,
    reachable_binaries,
    server_account,
)

ROOT = Path(__file__).resolve().parent.parent
SUPERUSER = "postgres"
SOCKET_NAME = ".s.PGSQL.5432"
# The kernel's limit for a socket's whole path is 107 bytes on Linux and 103 on macOS.
SOCKET_PATH_BYTES_MAX = 103
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    # Statements carry personal data in their literals, so a failed one is logged without its text.
    "log_min_error_statement": "panic",
    # Containers often have 64 MB of shared memory, which parallel queries overflow.
    "max_parallel_workers_per_gather": "0",
}
# For data that is thrown away: a crash of the machine may lose it.
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Cluster:
    """One data folder with the binaries and the account that serve it."""

    home: Path
    binaries: Binaries
    account: Account | None
    durable: bool

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def sockets(self) -> Path:
        link = self.home / "sockets"
        return link.readlink() if link.is_symlink() else self.home

    def url(self, *, role: str, database: str) -> str:
        """Give the libpq address of one database under one role, over the socket."""
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self.sockets))}"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers; a leftover of a killed run is stopped first.

        Raises Unavailable with the server's own last words.
        """
        self.stop()
        settings = SETTINGS | ({} if self.durable else UNSAFE_SETTINGS)
        settings["unix_socket_directories"] = str(self.sockets)
        command = [str(self.binaries.postgres), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with _open_log(self.log) as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=CLEAN_ENVIRONMENT,
                start_new_session=True,
                **as_account(self.account),
            )
        self._wait_until_ready(process)
        return process

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            status = _pid_file_lines(self.data)
            if len(status) >= 8 and status[0] == str(process.pid) and status[7].strip() == "ready":
                return
            if process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise Unavailable(f"PostgreSQL did not start: {_last_words(self.log)} (its log is {self.log}).")

    def stop(self) -> None:
        """Stop the server of this data folder, if one runs: politely first, then at once."""
        for kind, patience_s in (
            (signal.SIGINT, STOP_TIMEOUT_S),
            (signal.SIGQUIT, 5.0),
            (signal.SIGKILL, 5.0),
        ):
            pid = self.running_pid()
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, kind)
            _wait_until_gone(pid, patience_s)
        self._forget_stale_locks()

    def running_pid(self) -> int | None:
        """Give the server's process id, or None. A recycled id of a stranger is not taken for ours."""
        lines = _pid_file_lines(self.data)
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        return pid if str(self.data) in command_line(pid) else None

    def _forget_stale_locks(self) -> None:
        # PostgreSQL itself refuses to start when the id in a stale file, that of the data folder or that
        # of the socket, now belongs to another process, or to its own that was killed and not yet buried.
        if self.running_pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)


def place_folder(folder: Path, *, account: Account | None) -> Path:
    """Make the folder of a cluster, private to the account, and give its real path.

    When the account cannot walk into the checkout, the folder is made under /var/tmp and `folder`
    becomes a link to it. Raises Unavailable when neither can be written.
    """
    if folder.is_symlink() and not folder.exists():
        folder.unlink()
    try:
        if not folder.exists():
            _make_folder(folder, account)
        home = folder.resolve()
        _shorten_socket_path(home, account)
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be made ({error.strerror}): make {folder.parent} writable for this account."
        ) from error
    return home


def _make_folder(folder: Path, account: Account | None) -> None:
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    if account is None:
        return
    os.chown(folder, account.uid, account.gid)
    if _may_enter(folder, account):
        return
    folder.rmdir()
    elsewhere = tempfile.mkdtemp(prefix="bezant-", dir="/var/tmp")
    os.chown(elsewhere, account.uid, account.gid)
    folder.symlink_to(elsewhere)


def find_cluster(home: Path, *, durable: bool) -> Cluster:
    """Open the cluster in `home`, making it if it is not there, with whatever PostgreSQL this machine has.

    Raises Unavailable when the machine has none, or only another version than the data was made by.
    """
    account = server_account()
    if home.exists() and not os.access(home, os.R_OK | os.X_OK):
        raise Unavailable(f"{home} belongs to another account: run as that account, or remove it.")
    made_by = _major_of(home)
    found = find_binaries(major=made_by) if made_by else ensure_binaries(ROOT / "requirements-postgres.txt")
    if found is None:
        raise Unavailable(
            f"The data in {home} was made by PostgreSQL {made_by}, which this machine no longer has: "
            "install that version, or run `make clean` to start over without the data."
        )
    place = place_folder(home, account=account)
    binaries = reachable_binaries(found, account=account, spare=place / "binaries")
    cluster = Cluster(home=place, binaries=binaries, account=account, durable=durable)
    if made_by is None:
        create_cluster(cluster)
    return cluster


def create_cluster(cluster: Cluster) -> None:
    """Make an empty data folder; an unfinished one of an interrupted run is thrown away first."""
    unfinished = cluster.home / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [str(cluster.binaries.initdb), "-D", str(unfinished), f"--username={SUPERUSER}"]
    command += ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", f"--locale={_plain_locale()}"]
    if cluster.binaries.major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not cluster.durable:
        command += ["--no-sync", "--wal-segsize=1"]
    _run_as(cluster.account, command, doing="PostgreSQL could not make its data folder")
    unfinished.rename(cluster.data)


def copy_cluster(source: Cluster, target: Cluster) -> None:
    """Copy the data folder of a stopped cluster, as the account that owns both."""
    command = ["cp", "-Rp", str(source.data), str(target.data)]
    _run_as(target.account, command, doing="The database template could not be copied")


def command_line(pid: int) -> str:
    """Give the command line of a process, empty if there is no such process (or it is a zombie)."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    answer = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()


def _plain_locale() -> str:
    """Choose code point order with Unicode letters, or plain C where the machine lacks that locale."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def _run_as(account: Account | None, command: Sequence[str], *, doing: str) -> None:
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=CLEAN_ENVIRONMENT,
            **as_account(account),
        )
    except OSError as error:
        raise Unavailable(f"{doing}: {error.strerror}.") from error
    if answer.returncode != 0:
        words = (answer.stderr or answer.stdout).strip().splitlines() or ["no reason given"]
        raise Unavailable(f"{doing}: {words[-1]}")


def _may_enter(folder: Path, account: Account) -> bool:
    command = ["sh", "-c", 'cd "$1" && test -w .', "sh", str(folder)]
    answer = subprocess.run(
        command, capture_output=True, check=False, cwd="/", env=CLEAN_ENVIRONMENT, **as_account(account)
    )
    return answer.returncode == 0


def _shorten_socket_path(home: Path, account: Account | None) -> None:
    """Link `sockets` to a short private folder when the socket's path in home itself would be too long."""
    link = home / "sockets"
    if len(os.fsencode(home / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX or link.exists():
        return
    link.unlink(missing_ok=True)
    runtime = os.environ.get("XDG_RUNTIME_DIR", "") if account is None else ""
    usable = len(runtime) < 40 and os.access(runtime, os.W_OK)
    folder = tempfile.mkdtemp(prefix="bezant-", dir=runtime if usable else "/tmp")  # noqa: S108  # mkdtemp is private
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    link.symlink_to(folder)


def _open_log(path: Path) -> BinaryIO:
    # The folder belongs to the account, which must not be able to make root write through a link.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "ab")


def _major_of(home: Path) -> int | None:
    try:
        return int((home / "data" / "PG_VERSION").read_text().strip())
    except (OSError, ValueError):
        return None


def _pid_file_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _wait_until_gone(pid: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while command_line(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "it wrote no log"
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (fatal or lines or ["it wrote nothing"])[-1].strip()


def remove_cluster(home: Path) -> None:
    """Stop and delete a cluster with everything that was placed elsewhere for it."""
    if not home.exists() and not home.is_symlink():
        return
    real = home.resolve()
    placeholder = Binaries(folder=Path("/nonexistent"), major=0)
    cluster = Cluster(home=real, binaries=placeholder, account=None, durable=False)
    cluster.stop()
    sockets = cluster.sockets
    if sockets != real:
        shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(real, ignore_errors=True)
    if home.is_symlink():
        home.unlink()
