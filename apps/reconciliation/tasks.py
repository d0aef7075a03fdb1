"""What workers do for reconciliation when they are woken: take in what a bank dropped, and match it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from celery import shared_task
from django.conf import settings

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.core.folders import Incoming
from apps.payments import public as payments
from apps.reconciliation import public as reconciliation
from apps.reconciliation.bank_formats import FormatError
from apps.reconciliation.card_settlements import STANDARD, import_card_report
from apps.reconciliation.domain.settlements import BadSettlement
from apps.reconciliation.importing.accounts import bank_account_of_settlement
from apps.reconciliation.models import BankAccount

PATTERNS = (
    "*camt.05*.xml",
    "*.camt05[234]",
    "*.sta",
    "*.mt940",
    "*.mt942",
    "*.940",
    "*.942",
    "*.bai2",
    "*.bai",
)
"""What statements are called; what they are is told by their content."""

CARD_REPORTS = "*.settlement.csv"

_log = structlog.get_logger("bezant.reconciliation")


@shared_task(name="reconciliation.take_in_statements")
def take_in_statements(**_: Any) -> None:
    """Import the statements that lie in the incoming folder, then reconcile if there were any.

    A file that is refused is put aside with the reason; the others are taken in all the same.
    """
    incoming, actor = Incoming(Path(settings.BANK_INCOMING_DIR)), system_actor("statements")
    taken = 0
    waiting = [path for pattern in PATTERNS for path in incoming.files(pattern)]
    if not waiting:
        return
    with tenancy.scope(tenancy.PLATFORM):
        organisation_id = accounts.operator().id
    for path in waiting:
        try:
            reconciliation.import_file(
                path, organisation_id=organisation_id, actor=actor, at=clock.database_now()
            )
        except (FormatError, Refusal) as problem:
            incoming.refuse(path, reason=_why(problem))
            _log.warning("statement refused", file=path.name, reason=problem.code)
            continue
        incoming.keep(path)
        taken += 1
        _log.info("statement taken in", file=path.name)
    if taken:
        at = clock.database_now()
        reconciliation.reconcile(as_of=at.date(), actor=actor, at=at)


@shared_task(name="reconciliation.take_in_card_reports")
def take_in_card_reports(**_: Any) -> None:
    """Apply the settlement reports of card processors in the incoming folder, and expect what they pay out.

    A report is called `<provider>.<anything>.settlement.csv`, in the standard mapping and one currency.
    """
    incoming, actor = Incoming(Path(settings.BANK_INCOMING_DIR)), system_actor("card_reports")
    for path in incoming.files(CARD_REPORTS):
        try:
            provider, data = path.name.split(".")[0], path.read_bytes()
            answer = import_card_report(
                data,
                provider=provider,
                account=_paid_to(provider, data),
                mapping=STANDARD,
                actor=actor,
                at=clock.database_now(),
            )
        except (FormatError, Refusal) as problem:
            incoming.refuse(path, reason=_why(problem))
            _log.warning("settlement report refused", file=path.name, reason=problem.code)
            continue
        incoming.keep(path)
        _log.info("settlement report applied", file=path.name, settled=answer.get("settled", 0))


def _paid_to(provider: str, data: bytes) -> BankAccount:
    """Find the bank account that a report's processor pays to. Raises FormatError, NoProcessor, BadSettlement."""
    report = payments.formats.read_settlement(data, mapping=STANDARD)
    currencies = sorted({line.net.currency for line in report.lines})
    if len(currencies) != 1:
        raise BadSettlement(reason="not one currency", currencies=currencies[:5])
    with tenancy.scope(tenancy.PLATFORM):
        route = payments.processor_named(provider, currencies[0])
        account = bank_account_of_settlement(route.settlement_account_id)
    if account is None:
        raise BadSettlement(reason="the processor pays to no account of ours")
    return account


def _why(problem: FormatError | Refusal) -> str:
    """Say why a file was put aside, with its line and place where they are known."""
    if isinstance(problem, FormatError):
        line = f", line {problem.line}" if problem.line else ""
        return f"{problem.code}: {problem.message}{line}" + (f", {problem.place}" if problem.place else "")
    facts = ", ".join(f"{name} {value}" for name, value in problem.facts.items())
    return f"{problem.code}: {problem.title}" + (f" ({facts})" if facts else "")
