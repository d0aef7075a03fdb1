"""Files of returns: the good entries are applied, the bad ones are findings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction

from apps.core.commands import Command, Context, handles
from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments.inbound import keep_record, take_once
from apps.payments.lifecycle_store import Origin
from apps.payments.models import Payment
from apps.payments.returning import ToldReturn, come_back

LINES_MAX = 10_000
"""The most returns one file brings."""


@dataclass(frozen=True)
class ReturnLine:
    """What a file says of one returned payment. `place` is where it stands in the file."""

    reference: str  # the end-to-end id
    amount: Money
    code: str
    effective: date | None = None
    place: str = ""


@dataclass(frozen=True)
class ApplyReturns(Command):
    """Apply a file of returns. Runs for the whole platform: it holds what came back to every organisation."""

    sha256: str
    file_name: str
    format: str
    message_id: str
    lines: tuple[ReturnLine, ...]


@handles(ApplyReturns, name="payments.apply_returns", version=1, permission="payments.batch")
def apply_returns(command: ApplyReturns, context: Context) -> dict[str, Any]:
    """Take each payment back, on its customer's side; the statement shows the bank's side later.

    Answers how many were applied, and findings for those that name no payment of ours, another amount,
    or one that cannot come back. Raises DuplicateFile.
    """
    take_once(command.sha256, command.file_name)
    payments = {
        payment.end_to_end_id: payment
        for payment in Payment.objects.select_for_update(no_key=True)
        .filter(end_to_end_id__in=[line.reference for line in command.lines])
        .order_by("id")
    }
    applied, findings = 0, []
    for line in command.lines:
        code = _apply(payments.get(line.reference), line, command, context)
        if code:
            findings.append({"place": line.place, "reference": line.reference[:35], "code": code})
        else:
            applied += 1
    keep_record(command, applied=applied, findings=len(findings), context=context)
    return {"format": command.format, "applied": applied, "findings": findings}


def _apply(payment: Payment | None, line: ReturnLine, command: ApplyReturns, context: Context) -> str:
    """Apply one line; return the code of what is wrong with it, or nothing."""
    if payment is None:
        return "unknown_reference"
    told = ToldReturn(line.amount, line.code, line.effective or context.at.date(), at_bank=False)
    origin = Origin("file", command.message_id[:140], reason=line.code[:60])
    before = len(context.events), len(context.records)
    try:
        with transaction.atomic():
            done = come_back(payment, told, context, origin)
    except Refusal as refusal:
        del context.events[before[0] :], context.records[before[1] :]
        payment.refresh_from_db()
        return refusal.code
    return "" if done["applied"] else str(done["reason"])
