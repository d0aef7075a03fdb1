"""Seal the audit log now, once."""

from __future__ import annotations

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from apps.compliance import sealing
from apps.core.sealer import connect_sealer


class Command(BaseCommand):
    """Give every settled audit entry its place in the tree, sign the root, copy it to the anchor file."""

    help = "Seal the audit log now: settled entries get their place in the tree, and its root is signed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal."""
        try:
            with connect_sealer() as sealer:
                made = sealing.seal_all(sealer)
        except psycopg.OperationalError as error:
            raise CommandError(
                f"The role bezant_sealer cannot connect ({error}); set DATABASE_SEALER_URL."
            ) from None
        self.stdout.write(f"{made} seals were made.")
