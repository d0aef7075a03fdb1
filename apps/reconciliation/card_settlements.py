"""A card processor's settlement report on its way into payments and into what we expect at the bank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime
from typing import Any

from apps.core.actors import Actor
from apps.core.commands import Command, execute
from apps.payments import public as payments
from apps.reconciliation.commands.card_payouts import CardPayout, ExpectCardPayouts
from apps.reconciliation.domain.settlements import BadSettlement
from apps.reconciliation.models import BankAccount
from apps.reconciliation.preview import preview

LINES_AT_ONCE = 500

Mapping = payments.formats.SettlementMapping
STANDARD = payments.formats.settlement.STANDARD


def mapping_of(data: dict[str, Any]) -> Mapping:
    """Make a mapping out of JSON: columns and kinds, and how amounts and dates are written.

    Raises BadSettlement for a field that a mapping has not.
    """
    known = {one.name for one in fields(Mapping)}
    if unknown := sorted(set(data) - known):
        raise BadSettlement(reason="unknown field of a mapping", field=unknown[0][:60])
    try:
        return Mapping(**{"name": "declared", **data})
    except TypeError:
        raise BadSettlement(reason="a mapping has columns and kinds") from None


def import_card_report(
    data: bytes,
    *,
    provider: str,
    account: BankAccount,
    mapping: Mapping,
    actor: Actor,
    at: datetime,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Settle the report's captures, refunds and disputes in payments, and expect its payouts at the bank.

    Importing again changes nothing. The report is read strictly before anything is done; a crash in between is
    mended by importing again. Raises FormatError, NoProcessor, Invalid.
    """
    report = payments.formats.read_settlement(data, mapping=mapping)
    lines = [one for one in report.lines if one.kind != "payout"]
    days: dict[tuple[str, str], date] = {}
    for one in lines:
        key = (one.payout, one.net.currency)
        days[key] = max(days.get(key, one.at_date), one.at_date)
    expected = ExpectCardPayouts(
        None,
        provider,
        account.id,
        tuple(
            CardPayout(name, net, days[name, currency])
            for (name, currency), net in sorted(report.payouts().items())
        ),
    )

    def do(command: Command) -> dict[str, Any]:
        if dry_run:
            return preview(command, actor=actor, at=at)
        return execute(command, actor=actor, key=None, at=at).answer

    payouts = do(expected)  # first, since it refuses what is not of this account
    counts: Counter[str] = Counter()
    for start in range(0, len(lines), LINES_AT_ONCE):
        part = tuple(
            payments.SettledCard(one.reference, one.kind, one.gross, one.fee, one.payout, one.at_date)
            for one in lines[start : start + LINES_AT_ONCE]
        )
        answer = do(payments.SettleCards(None, provider, part))
        counts.update({name: count for name, count in answer.items() if isinstance(count, int)})
        if progress is not None:
            progress(min(start + LINES_AT_ONCE, len(lines)), len(lines))
    return {"lines": len(lines), **counts, "payouts": payouts}
