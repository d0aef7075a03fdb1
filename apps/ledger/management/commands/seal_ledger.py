"""Seal the settled log."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.sealer import connect_sealer
from apps.ledger.sealing import anchor_file, seal_all


class Command(BaseCommand):
    """Seal everything that is settled, sign the checkpoint and anchor it outside the database."""

    help = "Seal the settled part of the log into its Merkle tree and anchor the signed checkpoint."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the newest checkpoint as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal, anchor, print."""
        with connect_sealer() as sealer:
            made = seal_all(sealer)
            newest = sealer.execute(
                "SELECT n, tree_size, encode(root, 'hex'), note FROM ledger.seal ORDER BY n DESC LIMIT 1"
            ).fetchone()
        n, size, root, note = newest or (0, 0, "", "")
        if options["json"]:
            data = {
                "made": made,
                "n": n,
                "tree_size": size,
                "root": root,
                "note": note,
                "anchor": str(anchor_file()),
            }
            self.stdout.write(json.dumps(data, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(f"{made} checkpoints made; the log has {size} leaves, root {root}")
