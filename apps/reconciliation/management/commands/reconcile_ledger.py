"""Compares the books with the bank: `manage.py reconcile_ledger`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock, tenancy
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.reconciliation import queries
from apps.reconciliation.cli import bank_accounts, day
from apps.reconciliation.domain.breaks import age_bucket
from apps.reconciliation.domain.words import AccountRole
from apps.reconciliation.models import BankAccount


class Command(BaseCommand):
    help = (
        "Check that balances are the sum of their postings, and that cash in the books is the bank's closing "
        "balance but for lines still open; tell what lies in clearing, and in suspense for how long. Exits with 1 on "
        "any drift, and on suspense older than --suspense-days."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the account and the day."""
        parser.add_argument(
            "--account", default="", help="an IBAN or ban_…; every settlement account if left out"
        )
        parser.add_argument("--as-of", type=day, default=None, help="the day; today if left out")
        parser.add_argument(
            "--suspense-days", type=int, default=None, help="the most days that money may lie in suspense"
        )
        parser.add_argument("--dry-run", action="store_true", help="the same: it only reads")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, print, and exit by whether everything agrees."""
        as_of = options["as_of"] or clock.database_now().date()
        accounts = [a for a in bank_accounts(options["account"]) if a.role == AccountRole.SETTLEMENT.value]
        with tenancy.scope(tenancy.PLATFORM):
            books = ledger.check()
            rows = [self._row(queries.cash_position(account, as_of), as_of) for account in accounts]
        allowed = options["suspense_days"]
        too_old = allowed is not None and any((row["suspense_oldest_days"] or 0) > allowed for row in rows)
        ok = books.ok and not too_old and not any(row["drift_minor"] for row in rows)
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
                for bucket, told in row["suspense_by_age"].items():
                    self.stdout.write(
                        f"  in suspense for {bucket} days: {told['count']}, {told['sum']} {row['currency']}"
                    )
        if not ok:
            sys.exit(1)

    def _row(self, position: queries.CashPosition, as_of: date) -> dict[str, Any]:
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
            **self._suspense(position.account, as_of),
            **{
                name: None if minor is None else Money(minor, currency).decimal_text()
                for name, minor in amounts.items()
            },
        }

    def _suspense(self, account: BankAccount, as_of: date) -> dict[str, Any]:
        """Sum up what matches put into suspense by the bucket of its age, as the bank signs it."""
        items = queries.suspense_items(account, as_of)
        sums: dict[str, list[int]] = {}
        for item in items:
            sums.setdefault(age_bucket((as_of - item.day).days), []).append(item.minor)
        return {
            "suspense_oldest_days": max(((as_of - item.day).days for item in items), default=None),
            "suspense_by_age": {
                bucket: {
                    "count": len(amounts),
                    "sum": Money(sum(amounts), account.currency).decimal_text(),
                }
                for bucket, amounts in sums.items()
            },
        }
