"""Follows an account at a bank: `manage.py add_bank_account --iban … --currency EUR`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.reconciliation.cli import acting_organisation, cli_actor
from apps.reconciliation.commands.bank_accounts import AddBankAccount


class Command(BaseCommand):
    help = "Follow an account at a bank, so that its statements can be imported."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the account and how its bank behaves."""
        parser.add_argument("--iban", required=True, help="its IBAN, or the bank's own number for it")
        parser.add_argument("--currency", required=True)
        parser.add_argument("--name", default="")
        parser.add_argument("--lenient", action="store_true", help="this bank's files break their schema")
        parser.add_argument(
            "--reversals",
            choices=("as_written", "flipped"),
            default="as_written",
            help="flipped: this bank signs a reversal like what it reverses; what was imported is turned",
        )
        parser.add_argument("--days-before", type=int, default=2, help="business days before the due date")
        parser.add_argument(
            "--days-after", type=int, default=5, help="business days after it; then it is missing"
        )
        parser.add_argument("--organisation", default="", help="org_…; the operator if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Add it, or change how a known one is read."""
        command = AddBankAccount(
            acting_organisation(options["organisation"]),
            number=options["iban"],
            currency=options["currency"].upper(),
            name=options["name"],
            lenient=options["lenient"],
            reversals=options["reversals"],
            days_before=options["days_before"],
            days_after=options["days_after"],
        )
        try:
            outcome = execute(command, actor=cli_actor(), key=None, at=clock.database_now())
        except Refusal as refusal:
            raise CommandError(f"{refusal.title} ({refusal})") from None
        self.stdout.write(json.dumps(outcome.answer))
