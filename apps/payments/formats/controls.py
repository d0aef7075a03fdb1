"""Control totals: what a message says it holds against what it holds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.payments.formats.amounts import read_amount, sum_text
from apps.payments.formats.errors import Finding, FormatError
from apps.payments.formats.messages import Message
from apps.payments.formats.nodes import Element, find, find_all, line_of, local_name, text


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where a kind of message keeps its transactions and their amounts."""

    transactions: str
    amounts: tuple[str, ...]
    group: str = ""


SHAPES = {
    "pain.001": _Shape("CdtTrfTxInf", ("Amt/InstdAmt", "Amt/EqvtAmt/Amt"), "PmtInf"),
    "pain.008": _Shape("DrctDbtTxInf", ("InstdAmt",), "PmtInf"),
    "pain.013": _Shape("CdtTrfTx", ("Amt/InstdAmt",), "PmtInf"),
    "pacs.008": _Shape("CdtTrfTxInf", ("IntrBkSttlmAmt",)),
    "pacs.003": _Shape("DrctDbtTxInf", ("IntrBkSttlmAmt",)),
    "pacs.004": _Shape("TxInf", ("RtrdIntrBkSttlmAmt",)),
    "pacs.007": _Shape("TxInf", ("RvsdIntrBkSttlmAmt", "OrgnlIntrBkSttlmAmt")),
}


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts and sums of a message, in minor units by currency. `sum` adds amounts as written, whatever their currency."""

    groups: int
    transactions: int
    sum: Decimal
    by_currency: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Write the totals as JSON-able data."""
        sums = {currency: sum_text(minor, currency) for currency, minor in sorted(self.by_currency.items())}
        return {"groups": self.groups, "transactions": self.transactions, "sums": sums}


def control_findings(message: Message) -> tuple[list[Finding], Totals]:
    """Compare the header's and each group's NbOfTxs and CtrlSum with the content.

    A difference is AM18 (number of transactions) or AM10 (control sum), as a bank would answer.
    """
    shape = SHAPES[message.kind]
    findings: list[Finding] = []
    groups = find_all(message.body, shape.group) if shape.group else [message.body]
    counts, sums, by_currency = [], [], defaultdict[str, int](int)
    for at, group in enumerate(groups, start=1):
        count, total = _sum_up(group, shape, by_currency, findings)
        counts.append(count)
        sums.append(total)
        if shape.group:
            findings += _differences(group, count, total, f"{shape.group}[{at}]")
    header = find(message.body, "GrpHdr")
    if header is not None:
        findings += _differences(header, sum(counts), sum(sums, Decimal(0)), "GrpHdr")
        findings += _total_difference(header, sum(sums, Decimal(0)))
    return findings, Totals(
        len(groups) if shape.group else 0, sum(counts), sum(sums, Decimal(0)), dict(by_currency)
    )


def _sum_up(
    group: Element, shape: _Shape, by_currency: dict[str, int], findings: list[Finding]
) -> tuple[int, Decimal]:
    total, count = Decimal(0), 0
    for transaction in find_all(group, shape.transactions):
        count += 1
        found = find(transaction, *shape.amounts)
        if found is None:
            continue
        try:
            money = read_amount((found.text or "").strip(), found.get("Ccy", ""), line=line_of(found))
        except FormatError as error:
            findings.append(Finding(error.code, error.message, error.line, local_name(found)))
            continue
        by_currency[money.currency] += money.minor
        total += Decimal(money.decimal_text())
    return count, total


def _differences(element: Element, count: int, total: Decimal, place: str) -> list[Finding]:
    found = []
    told, control = text(element, "NbOfTxs"), text(element, "CtrlSum")
    if told and (not (told.isascii() and told.isdigit()) or int(told[:15]) != count):
        message = f"AM18: NbOfTxs says another number than the {count} found."
        found.append(Finding("AM18", message, line_of(element), f"{place}/NbOfTxs"))
    if control and _decimal(control) != total:
        message = f"AM10: CtrlSum is not the sum found, {total}."
        found.append(Finding("AM10", message, line_of(element), f"{place}/CtrlSum"))
    return found


def _total_difference(header: Element, total: Decimal) -> list[Finding]:
    """Compare the total interbank settlement amount, which a message in one currency may state."""
    found = find(header, "TtlIntrBkSttlmAmt", "TtlRtrdIntrBkSttlmAmt", "TtlRvsdIntrBkSttlmAmt")
    if found is None or _decimal((found.text or "").strip()) == total:
        return []
    message = f"AM10: the total settlement amount is not the sum found, {total}."
    return [Finding("AM10", message, line_of(found), f"GrpHdr/{local_name(found)}")]


def _decimal(written: str) -> Decimal | None:
    try:
        value = Decimal(written)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def require_totals(message: Message) -> None:
    """Refuse a message whose control totals are wrong. Raises FormatError (AM18, AM10)."""
    findings, _ = control_findings(message)
    if findings:
        raise FormatError.of(findings)
