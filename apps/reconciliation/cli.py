"""What the commands of manage.py share: for whom they act, and as whom."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from typing import TextIO
from uuid import UUID

from django.core.management.base import CommandError

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.actors import Actor, system_actor
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.reconciliation.domain.references import account_number
from apps.reconciliation.models import BankAccount


def cli_actor() -> Actor:
    """Return who acts when somebody types a command on the server."""
    return system_actor("manage.reconciliation")


def acting_organisation(given: str) -> UUID:
    """Return the organisation named `org_…`, or the operator. Raises CommandError."""
    try:
        with tenancy.scope(tenancy.PLATFORM):
            return parse_public_id("org", given) if given else accounts.operator().id
    except Refusal as refusal:
        raise CommandError(f"{refusal.title} ({refusal})") from None


def bank_accounts(given: str) -> list[BankAccount]:
    """Return the accounts a run is about: all, or the one named by number or `ban_…`. Raises CommandError."""
    with tenancy.scope(tenancy.PLATFORM):
        rows = list(BankAccount.objects.order_by("number", "currency", "id"))
    if not given:
        return rows
    wanted = account_number(given)
    found = [row for row in rows if given == public_id("ban", row.id) or row.number == wanted]
    if not found:
        raise CommandError(f"There is no bank account {given}; `manage.py add_bank_account` adds one.")
    return found


def day(text: str) -> date:
    """Read a day (2026-11-24) from the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("a day looks like 2026-11-24") from None


def progress_bar(stream: TextIO) -> Callable[[int, int], None]:
    """Return a function that shows how far a run is: a bar on a terminal, a line each tenth in a log."""
    on_terminal, shown = stream.isatty(), [-1]

    def show(done: int, total: int) -> None:
        tenth = done * 10 // max(total, 1)
        if on_terminal:
            stream.write(
                f"\r[{'#' * tenth}{'.' * (10 - tenth)}] {done}/{total}" + ("\n" if done == total else "")
            )
        elif tenth != shown[0] and total >= 100:
            stream.write(f"{done}/{total}\n")
        shown[0] = tenth

    return show
