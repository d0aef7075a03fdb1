"""Compares the books with the bank: `manage.py reconcile_ledger`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock, tenancy
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.reconciliation import queries
from apps.reconciliation.cli import bank_accounts, day
from apps.reconciliation.domain.words import AccountRole


class Command(BaseCommand):
    help = (
        "Check that balances are the sum of their postings, and that cash in the books is the bank's closing "
        "balance but for lines still open. Exits with 1 on any drift."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the account and the day."""
        parser.add_argument(
            "--account", default="", help="an IBAN or ban_…; every settlement account if left out"
        )
        parser.add_argument("--as-of", type=day, default=None)
        parser.add_argument("--dry-run", action="store_true", help="the same: it only reads")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, print, and exit by whether everything agrees."""
        as_of = options["as_of"] or clock.database_now().date()
        accounts = [a for a in bank_accounts(options["account"]) if a.role == AccountRole.SETTLEMENT.value]
        with tenancy.scope(tenancy.PLATFORM):
            books = ledger.check()
            rows = [self._row(queries.cash_position(account, as_of)) for account in accounts]
        ok = books.ok and not any(row["drift_minor"] for row in rows)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "books_ok": books.ok, "accounts": rows}, indent=2))
        else:
            self.stdout.write(
                "balances are the sum of their postings" if books.ok else "THE BOOKS DO NOT FOLD"
            )
            for row in rows:
                self.stdout.write(
                    f"{row['account']} {row['currency']} {row['day']}: bank {row['closing']}, books {row['books']}, "
                    f"open lines {row['open_lines']}, drift {row['drift']}; suspense {row['suspense']}, "
                    f"out {row['clearing_out']}, in {row['clearing_in']}, owed by providers {row['receivable']}"
                )
        if not ok:
            sys.exit(1)

    def _row(self, position: queries.CashPosition) -> dict[str, Any]:
        currency = position.account.currency
        amounts = {
            "closing": position.closing_minor,
            "books": position.books_minor,
            "drift": position.drift_minor,
            "open_lines": position.open_lines_minor,
            "suspense": position.suspense_minor,
            "clearing_out": position.clearing_out_minor,
            "clearing_in": position.clearing_in_minor,
            "receivable": position.receivable_minor,
        }
        return {
            "account": position.account.number,
            "currency": currency,
            "day": position.day.isoformat() if position.day else None,
            "drift_minor": position.drift_minor,
            **{
                name: None if minor is None else Money(minor, currency).decimal_text()
                for name, minor in amounts.items()
            },
        }
