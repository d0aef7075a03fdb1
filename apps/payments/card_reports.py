"""Reading a processor's settlement report and applying it, part by part."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from apps.core.actors import Actor
from apps.core.commands import execute
from apps.payments.commands.card_settlement import LINES_MAX, SettleCards, SettledCard
from apps.payments.formats.settlement import MAPPINGS, STANDARD, SettlementLine, read_settlement


def settle_report(
    data: bytes, *, provider: str, actor: Actor, at: datetime, mapping: str = STANDARD.name
) -> dict[str, Any]:
    """Apply a settlement report; a second time, nothing changes. Returns the counts, and each payout's net.

    The report is read strictly before anything is applied. Raises FormatError, NoProcessor.
    """
    report = read_settlement(data, mapping=MAPPINGS[mapping])
    lines = [_line(line) for line in report.lines if line.kind != "payout"]
    counts: Counter[str] = Counter()
    for start in range(0, len(lines), LINES_MAX):
        part = SettleCards(None, provider, tuple(lines[start : start + LINES_MAX]))
        answer = execute(part, actor=actor, key=None, at=at).answer
        counts.update({name: count for name, count in answer.items() if isinstance(count, int)})
    payouts = {
        f"{payout} {currency}": net.decimal_text()
        for (payout, currency), net in sorted(report.payouts().items())
    }
    return {"lines": len(lines), **counts, "payouts": payouts}


def preview_report(data: bytes, *, mapping: str = STANDARD.name) -> dict[str, Any]:
    """Read a settlement report and tell what it pays out, applying nothing. Raises FormatError."""
    report = read_settlement(data, mapping=MAPPINGS[mapping])
    kinds = Counter(line.kind for line in report.lines)
    return {
        "lines": len(report.lines) - kinds["payout"],
        "kinds": dict(sorted(kinds.items())),
        "payouts": {
            f"{payout} {currency}": net.decimal_text()
            for (payout, currency), net in sorted(report.payouts().items())
        },
    }


def _line(line: SettlementLine) -> SettledCard:
    return SettledCard(line.reference, line.kind, line.gross, line.fee, line.payout, line.at_date)
