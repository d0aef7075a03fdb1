"""`make clean`: stop what runs in this checkout and remove var/, with the data in it."""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from config.local_services import ROOT, remove_cluster
from config.supervisor import stop_recorded

VAR = Path(os.environ.get("BEZANT_VAR", ROOT / "var")).resolve()
PATIENCE_S = 60.0


def main() -> int:
    """Stop and remove. Returns 1 when something could not be stopped or removed."""
    if not VAR.exists():
        print("There is nothing to clean.")
        return 0
    if not _stop_run():
        print(
            "make clean: the `make run` of this checkout did not stop; stop it and try again.",
            file=sys.stderr,
        )
        return 1
    stop_recorded(VAR / "run.json", marker=f"BEZANT_RUN={VAR}")
    for home in (VAR / "postgres", *VAR.glob("test/template-*"), *VAR.glob("test/run-*/postgres")):
        if home.is_dir():
            remove_cluster(home)
    try:
        shutil.rmtree(VAR)
    except OSError as error:
        print(f"make clean: {error.filename} cannot be removed ({error.strerror}).", file=sys.stderr)
        return 1
    print(f"Removed {VAR}.")
    return 0


def _stop_run() -> bool:
    """Ask a running `make run` to stop, and wait. True when none runs any more."""
    deadline = time.monotonic() + PATIENCE_S
    asked = False
    while time.monotonic() < deadline:
        owner = _owner_of_lock()
        if owner is None:
            return True
        if not asked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(owner, signal.SIGTERM)
            asked = True
        time.sleep(0.1)
    return False


def _owner_of_lock() -> int | None:
    try:
        with (VAR / "run.lock").open("r+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read().strip() or 0) or None
    except (OSError, ValueError):
        return None
    return None


if __name__ == "__main__":
    sys.exit(main())
