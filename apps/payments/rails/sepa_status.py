"""What both SEPA rails in files share: reading status reports, and the codes that banks give."""

from __future__ import annotations

from apps.payments.formats import read_status_report
from apps.payments.rails.base import Action, Classified, InboundEvent, Told

ACCEPTED = frozenset({"ACTC", "ACCP", "ACSP", "ACSC", "ACCC", "ACWC"})

CODES: dict[str, Classified] = {
    "AC01": Classified("account_invalid", Action.FIX),
    "AC04": Classified("account_closed", Action.STOP),
    "AC06": Classified("account_blocked", Action.STOP),
    "AC13": Classified("account_type_invalid", Action.OTHER_RAIL),
    "AG01": Classified("payment_type_forbidden", Action.OTHER_RAIL),
    "AG02": Classified("operation_code_invalid", Action.FIX),
    "AM04": Classified("insufficient_funds", Action.RETRY, 86_400),
    "AM05": Classified("duplicate", Action.NOTHING),
    "BE05": Classified("party_unknown", Action.FIX),
    "DUPL": Classified("duplicate", Action.NOTHING),
    "FF01": Classified("format_invalid", Action.FIX),
    "FOCR": Classified("recalled", Action.NOTHING),
    "MS02": Classified("refused_by_customer", Action.STOP),
    "MS03": Classified("reason_not_told", Action.FIX),
    "RC01": Classified("bank_unknown", Action.FIX),
    "RR01": Classified("regulation", Action.FIX),
    "RR02": Classified("regulation", Action.FIX),
    "RR03": Classified("regulation", Action.FIX),
    "RR04": Classified("regulation", Action.STOP),
}
"""The external status and return reasons that banks give for SEPA payments (ISO 20022 code sets)."""

OTHER = Classified("other", Action.FIX)
"""A code that is not known is the owner's to look at."""


def status_events(data: bytes) -> list[InboundEvent]:
    """Read the lines of a pain.002; the word on the whole file has no line here. Raises FormatError."""
    report = read_status_report(data)
    return [
        InboundEvent(
            told=_told(line.status or group.status),
            reference=line.end_to_end_id,
            message_id=report.message_id,
            code=next((reason.code for reason in line.reasons or group.reasons), ""),
            original_message_id=report.original_message_id,
        )
        for group in report.groups
        for line in group.transactions
    ]


def _told(status: str) -> Told:
    if status == "RJCT":
        return Told.REJECTED
    return Told.ACCEPTED if status in ACCEPTED else Told.PENDING
