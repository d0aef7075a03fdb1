"""The rules of encryption run without Django: they can be reviewed, and used by a tool, on their own."""

from __future__ import annotations

import subprocess
import sys

PURE = (
    "cache",
    "context",
    "envelope",
    "errors",
    "key_file",
    "keyring",
    "local_file",
    "normalise",
    "padding",
    "primitives",
    "providers",
)


def test_pure_modules_load_without_django():
    modules = ", ".join(f"apps.core.crypto.{name}" for name in PURE)
    program = f"import sys, {modules}; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
