"""Write a proof for somebody outside."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import tenancy
from apps.ledger.errors import UnknownJournal
from apps.ledger.proving import prove
from apps.ledger.queries import journals_by_reference


class Command(BaseCommand):
    """Prove that a journal is in the sealed log, and that the log only grew since an older checkpoint."""

    help = (
        "Write a proof document that apps/ledger/verifier.py verifies anywhere. ID is a journal's number, or a "
        "reference such as pay_…, which stands for its latest journal."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("id", nargs="?", help="a journal's number, or a reference")
        parser.add_argument("--since", type=int, help="the tree size of an older checkpoint")
        parser.add_argument("--out", required=True, type=Path, help="the file to write")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prove, write, say with what to verify."""
        if options["id"] is None and options["since"] is None:
            raise CommandError("Name a journal, an older checkpoint (--since), or both.")
        with tenancy.scope(tenancy.PLATFORM):
            try:
                document = prove(seq=self._seq(options["id"]), older_size=options["since"])
            except UnknownJournal as refusal:
                raise CommandError(str(refusal)) from None
        options["out"].write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        self.stdout.write(
            f"Verify with: python apps/ledger/verifier.py proof {options['out']} --key '{document['keys'][-1]}'"
        )

    def _seq(self, name: str | None) -> int | None:
        if name is None:
            return None
        if name.isascii() and name.isdigit():
            return int(name[:19])
        found = journals_by_reference(name, limit=1000)
        if not found:
            raise CommandError(f"No journal has the reference {name}.")
        return found[-1].seq
