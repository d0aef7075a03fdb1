"""Archive the oldest sealed partition."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.sealer import connect_sealer
from apps.ledger.archiving import archive_oldest
from apps.ledger.proving import StoredNodes


class Command(BaseCommand):
    """Write a sealed partition to a file that verifies offline, and detach it."""

    help = "Write the oldest wholly sealed partition to a CSV file with its proof, verify it, and detach the partition."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--out", required=True, type=Path, help="the folder to write to")
        parser.add_argument("--actor", default="system:archive", help="who decided this, for the record")

    def handle(self, *args: Any, **options: Any) -> None:
        """Archive, say what is where."""
        with connect_sealer() as sealer:
            made = archive_oldest(sealer, folder=options["out"], actor=options["actor"], nodes=StoredNodes())
        if made is None:
            self.stdout.write("No partition is wholly sealed and followed yet.")
            return
        self.stdout.write(
            f"{made.leaves} leaves (numbers {made.from_seq} to {made.to_seq - 1}) are in {made.file}; verify with: "
            f"python apps/ledger/verifier.py archive {made.file} --key KEY"
        )
