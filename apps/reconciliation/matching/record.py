"""Writes down what a run found: new breaks, changed ones, those that went away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from apps.core.commands import Context
from apps.reconciliation.domain.breaks import Changes, compare
from apps.reconciliation.domain.words import BreakState, Reason, Resolution
from apps.reconciliation.lines import content_id
from apps.reconciliation.matching.findings import Finding
from apps.reconciliation.models import BankAccount, Break, BreakEvent

_CHUNK = 1_000


def record_breaks(account: BankAccount, findings: list[Finding], context: Context) -> Changes[Break, Finding]:
    """Bring the open breaks of an account in line with the findings. Needs the platform's scope."""
    stored = list(
        Break.objects.filter(bank_account_id=account.id, state=BreakState.OPEN.value).exclude(
            reason=Reason.LATE_EFFECT.value
        )
    )
    changes = compare(
        stored,
        _without_taken(account, findings),
        of_stored=lambda row: (row.line_id, row.expectation_id, row.reason),
        of_found=lambda one: (one.line_id, one.expectation_id, one.reason),
    )
    # The old ones go first: a line or an expectation is in one open break at a time.
    for row in changes.gone:
        close_break(row, Resolution.EXPLAINED, context)
    _open_breaks(account, changes.new, context)
    for row, finding in changes.changed:
        _change(row, finding, context)
    return changes


def _without_taken(account: BankAccount, findings: list[Finding]) -> list[Finding]:
    """Leave out expectations that are in a break of another account already."""
    wanted = [finding.expectation_id for finding in findings if finding.expectation_id]
    taken = set(
        Break.objects.filter(state=BreakState.OPEN.value, expectation_id__in=wanted)
        .exclude(bank_account_id=account.id)
        .values_list("expectation_id", flat=True)
    )
    kept = []
    for finding in findings:
        if finding.expectation_id not in taken:
            kept.append(finding)
        elif finding.line_id is not None:
            kept.append(
                Finding(
                    finding.line_id,
                    None,
                    None,
                    finding.reason,
                    finding.day,
                    finding.difference_minor,
                    finding.currency,
                    finding.candidates,
                )
            )
    return kept


def _open_breaks(account: BankAccount, findings: list[Finding], context: Context) -> None:
    earlier = _times_before(account, findings)
    rows = [
        _new_break(account, one, earlier.get((one.line_id, one.expectation_id), 0), context)
        for one in findings
    ]
    Break.objects.bulk_create(rows, batch_size=_CHUNK)
    BreakEvent.objects.bulk_create(
        [break_event(row, "found", context, reason=row.reason) for row in rows], batch_size=_CHUNK
    )


def _times_before(
    account: BankAccount, findings: Iterable[Finding]
) -> dict[tuple[UUID | None, UUID | None], int]:
    """Count how often a line and an expectation were a break before: each time is a break of its own."""
    counts: dict[tuple[UUID | None, UUID | None], int] = {}
    keys = {(one.line_id, one.expectation_id) for one in findings}
    resolved = Break.objects.filter(bank_account_id=account.id, state=BreakState.RESOLVED.value)
    for key in resolved.values_list("line_id", "expectation_id").iterator():
        if key in keys:
            counts[key] = counts.get(key, 0) + 1
    return counts


def _new_break(account: BankAccount, finding: Finding, times: int, context: Context) -> Break:
    return Break(
        id=content_id(finding.day, "break", str(finding.line_id), str(finding.expectation_id), str(times)),
        organisation_id=account.organisation_id,
        bank_account_id=account.id,
        line_id=finding.line_id,
        expectation_id=finding.expectation_id,
        expectation_organisation_id=finding.owner_id,
        reason=finding.reason,
        difference_minor=finding.difference_minor,
        currency=finding.currency,
        day=finding.day,
        detail=_detail(finding),
        state=BreakState.OPEN.value,
        version=1,
        found_at=context.at,
    )


def _detail(finding: Finding) -> dict[str, Any]:
    return {"candidates": [str(candidate) for candidate in finding.candidates]}


def _change(row: Break, finding: Finding, context: Context) -> None:
    row.reason, row.difference_minor, row.detail = finding.reason, finding.difference_minor, _detail(finding)
    row.version += 1
    row.save(update_fields=["reason", "difference_minor", "detail", "version"])
    break_event(row, "changed", context, reason=row.reason).save(force_insert=True)


def close_break(row: Break, resolution: Resolution, context: Context, *, note: str | None = None) -> None:
    """Resolve a break and leave a version. Needs the platform's scope."""
    row.state, row.resolution, row.resolved_at = BreakState.RESOLVED.value, resolution.value, context.at
    row.version += 1
    row.save(update_fields=["state", "resolution", "resolved_at", "version"])
    break_event(row, "resolved", context, note=note, resolution=resolution.value).save(force_insert=True)


def break_event(
    row: Break, action: str, context: Context, *, note: str | None = None, **data: Any
) -> BreakEvent:
    """Make the record of one thing that happened to a break."""
    return BreakEvent(
        id=content_id(row.day, "break_event", str(row.id), str(row.version)),
        organisation_id=row.organisation_id,
        break_of_id=row.id,
        version=row.version,
        action=action,
        actor=str(context.actor),
        data=data,
        note=note,
        subject_id=row.id,
        at=context.at,
    )
