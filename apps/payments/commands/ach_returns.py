"""Files of the ACH's answers: returns, arguments about them, notifications of change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core.commands import Command, Context, handles
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments.ach_changes import ChangeLine, apply_change
from apps.payments.ach_files import numbers_for_refusal
from apps.payments.ach_prenotes import prenote_came_back
from apps.payments.domain.references import clean_text
from apps.payments.domain.return_disputes import DisputeEvent
from apps.payments.events_ach import ReturnDisputed
from apps.payments.inbound import keep_record, take_once
from apps.payments.lifecycle_store import (
    Origin,
    advance,
    begin,
    decide_for,
    lock,
    lock_payment,
    record_no_op,
    tells,
)
from apps.payments.models import AchItem, Payment, SettlementAccount
from apps.payments.models_ach import ReturnDispute
from apps.payments.rails.ach_codes import classify
from apps.payments.rails.base import Action
from apps.payments.returning import ToldReturn, come_back
from apps.payments.routing import route_for
from apps.payments.stopping import stop_account

_EVENTS = {"dishonoured": DisputeEvent.DISHONOUR, "contested": DisputeEvent.CONTEST}
_CODE_OF = {DisputeEvent.DISHONOUR: "dishonour_code", DisputeEvent.CONTEST: "contest_code"}


@dataclass(frozen=True)
class AchReturnLine:
    """What a file says of one entry. `kind` is return, dishonoured or contested."""

    trace: str
    amount: Money
    code: str
    kind: str
    line: int = 0


@dataclass(frozen=True)
class FileFinding:
    """What is wrong with a line of a file, by the reader's rule; its entry is not applied."""

    code: str
    line: int = 0


@dataclass(frozen=True)
class ApplyAchReturns(Command):
    """Apply a file of the ACH. Runs for the whole platform: it is about entries of every organisation."""

    sha256: str
    file_name: str
    format: str
    message_id: str
    returns: tuple[AchReturnLine, ...]
    changes: tuple[ChangeLine, ...]
    findings: tuple[FileFinding, ...] = ()


@handles(ApplyAchReturns, name="payments.apply_ach_returns", version=1, permission="payments.batch")
def apply_ach_returns(command: ApplyAchReturns, context: Context) -> dict[str, Any]:
    """Apply the good entries: money back on its customer's side, arguments recorded, accounts corrected.

    What was told before changes nothing. Answers counts, the notifications that are refused, and a
    finding with its line for each entry that is bad, unknown, or of another amount. Raises DuplicateFile.
    """
    take_once(command.sha256, command.file_name)
    counts = {"applied": 0, "unchanged": 0, "changes_applied": 0, "changes_noted": 0}
    findings: list[dict[str, Any]] = [{"line": item.line, "code": item.code} for item in command.findings]
    items = _items({line.trace for line in command.returns} | {line.trace for line in command.changes})
    for line in sorted(command.returns, key=lambda one: _order(items.get(one.trace))):
        result = _safely(line, items.get(line.trace), command.message_id, context)
        if result in counts:
            counts[result] += 1
        else:
            findings.append({"line": line.line, "code": result, "reference": line.trace})
    refused = []
    for change in command.changes:
        outcome, code = apply_change(change, items.get(change.trace), command.message_id, context)
        if outcome == "refused":
            refused.append({"line": change.line, "code": code, "reference": change.trace})
        else:
            counts["unchanged" if outcome == "unchanged" else f"changes_{outcome}"] += 1
    done = counts["applied"] + counts["changes_applied"] + counts["changes_noted"]
    keep_record(command, applied=done, findings=len(findings) + len(refused), context=context)
    findings.sort(key=lambda finding: finding["line"])
    return {"format": command.format, **counts, "refused_changes": refused, "findings": findings}


def _items(traces: set[str]) -> dict[str, AchItem]:
    """Find the entries of these traces; after ten million a trace comes again, and the newest is meant."""
    rows = AchItem.objects.filter(trace__in=traces).order_by("trace", "created_at", "id")
    return {row.trace: row for row in rows}


def _order(item: AchItem | None) -> str:
    """Return by what payments are locked: always in the order of their keys."""
    return str(item.payment_id or "") if item is not None else ""


def _safely(line: AchReturnLine, item: AchItem | None, message_id: str, context: Context) -> str:
    """Apply one entry, or nothing of it. Returns applied, unchanged, or the code of what is wrong."""
    if item is None:
        return "unknown_trace"
    before = len(context.events), len(context.records)
    try:
        with transaction.atomic():
            return _apply(line, item, message_id, context)
    except Refusal as refusal:
        del context.events[before[0] :], context.records[before[1] :]
        return refusal.code


def _apply(line: AchReturnLine, item: AchItem, message_id: str, context: Context) -> str:
    origin = Origin("file", message_id[:140], reason=line.code)
    if item.payment_id is None:
        return _prenote_failed(line, item, context, origin)
    payment = lock_payment(item.payment_id)
    if line.kind in _EVENTS:
        return _argue(payment, _EVENTS[line.kind], line.code, context, origin)
    told = ToldReturn(line.amount, line.code, context.at.date(), at_bank=False)
    return "applied" if come_back(payment, told, context, origin)["applied"] else "unchanged"


def _prenote_failed(line: AchReturnLine, item: AchItem, context: Context, origin: Origin) -> str:
    """Let a prenote fail, and stop its account where the code says so; no money had moved."""
    meaning = classify(line.code)
    news = prenote_came_back(item, line.code, meaning, context, origin)
    if meaning.action is Action.STOP:
        stop_account(
            item.counterparty_id, line.code, context, organisation_id=item.organisation_id, payment_id=None
        )
    return "applied" if news else "unchanged"


def _argue(payment: Payment, event: DisputeEvent, code: str, context: Context, origin: Origin) -> str:
    known = ReturnDispute.objects.filter(payment_id=payment.pk).first()
    if known is None:
        row = ReturnDispute(
            id=context.new_id(),
            organisation_id=payment.organisation_id,
            payment_id=payment.pk,
            created_at=context.at,
            **{_CODE_OF[event]: code},
        )
        begin(row, event, context, origin)
        return "applied"
    row = lock(ReturnDispute, known.pk)
    decision = decide_for(row, event)
    if decision.transition is None:
        record_no_op(row, event, context, origin, reason=decision.reason)
        return "unchanged"
    said: dict[str, Any] = {_CODE_OF[event]: code}
    advance(row, decision.transition, context, origin, **said)
    return "applied"


@dataclass(frozen=True)
class TakeRefusalNumbers(Command):
    """Take the numbers for a file that refuses notifications of change. Runs for the whole platform."""

    sha256: str  # of the file that brought them
    count: int


@handles(TakeRefusalNumbers, name="payments.take_refusal_numbers", version=1, permission="payments.batch")
def take_refusal_numbers(command: TakeRefusalNumbers, context: Context) -> dict[str, Any]:
    """Number the file as any other of the account that pays out dollars. Raises NoRoute, NoAchProfile."""
    account = SettlementAccount.objects.select_for_update().get(pk=route_for("USD").id)
    taken = numbers_for_refusal(account, command.count, context)
    context.note(
        "settlement_account", public_id("sta", account.pk), refuses=command.count, file=command.sha256
    )
    return taken


@dataclass(frozen=True)
class CloseReturnDispute(Command):
    """Say that an argument about a return is settled, and how."""

    dispute_id: UUID
    reason: str


@handles(CloseReturnDispute, name="payments.close_return_dispute", version=1, permission="payments.approve")
def close_return_dispute(command: CloseReturnDispute, context: Context) -> dict[str, Any]:
    """Close it; what the money needs is a transfer of its own. Raises NotFound, IllegalTransition."""
    row = lock(ReturnDispute, command.dispute_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=60, required=True)
    transition = decide_for(row, DisputeEvent.CLOSE).transition
    assert transition is not None, "closing is asked for, never late"
    advance(row, transition, context, Origin(context.actor.kind, reason=reason))
    return dispute_data(row)


def dispute_data(row: ReturnDispute) -> dict[str, Any]:
    """Return the JSON of an argument about a return."""
    return {
        "id": public_id("rdp", row.pk),
        "payment_id": public_id("pay", row.payment_id),
        "state": row.state,
        "dishonour_code": row.dishonour_code,
        "contest_code": row.contest_code,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "changed_at": row.changed_at.isoformat().replace("+00:00", "Z"),
    }


@tells(ReturnDispute)
def _dispute_changed(row: ReturnDispute, before: str) -> ReturnDisputed:
    return ReturnDisputed(
        dispute_id=public_id("rdp", row.pk),
        payment_id=public_id("pay", row.payment_id),
        dishonour_code=row.dishonour_code,
        contest_code=row.contest_code,
        state=row.state,
        previous_state=before,
    )
