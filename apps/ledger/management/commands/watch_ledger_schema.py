"""Record DDL on the books."""

from __future__ import annotations

import argparse
import os
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.ledger.schema_watch import STATEMENTS


class Command(BaseCommand):
    """Make the event triggers that write ledger.ddl_log; needs a superuser, or prints the SQL."""

    help = "Record every change of the ledger's tables in ledger.ddl_log (DATABASE_ADMIN_URL: a superuser), or --print."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--print", action="store_true", dest="only_print", help="print the SQL instead of running it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make or print."""
        if options["only_print"]:
            self.stdout.write(STATEMENTS)
            return
        url = os.environ.get("DATABASE_ADMIN_URL")
        if not url:
            raise CommandError("Set DATABASE_ADMIN_URL to a superuser's, or run with --print.")
        try:
            with psycopg.connect(
                url, dbname=str(settings.DATABASES["default"]["NAME"]), autocommit=True
            ) as admin:
                admin.execute(STATEMENTS)  # type: ignore[call-overload]
        except psycopg.errors.InsufficientPrivilege:
            raise CommandError(
                "Only a superuser can make event triggers; run with --print for its SQL."
            ) from None
        self.stdout.write("Changes of the ledger's tables are recorded in ledger.ddl_log.")
