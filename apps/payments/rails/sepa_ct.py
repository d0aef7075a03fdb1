"""SEPA credit transfer: pain.001.001.09 out, pain.002 back (EPC125-05, EPC115-06)."""

from __future__ import annotations

from datetime import datetime, time

from apps.payments.domain.calendars import Calendar, CutOff, next_cut_off
from apps.payments.formats import (
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    Finding,
    build_credit_transfer,
    is_iban,
)
from apps.payments.formats.epc import Address
from apps.payments.rails.base import (
    Built,
    Capabilities,
    Classified,
    Dates,
    InboundEvent,
    Instruction,
    Outgoing,
)
from apps.payments.rails.sepa_status import CODES, OTHER, status_events

AMOUNT_MAX_MINOR = 99_999_999_999
"""999,999,999.99 EUR (EPC, AT-04)."""

CUT_OFFS = (CutOff("standard", time(16, 0), "Europe/Amsterdam", settles_same_day=True),)
"""The bank's latest moment for execution on the same day; a profile may bring its own."""


class SepaCreditTransfer:
    """The rail of SEPA credit transfers in files."""

    name = "sepa_ct"

    def __init__(self, *, cut_offs: tuple[CutOff, ...] = CUT_OFFS, cost_minor: int = 10) -> None:
        self.cut_offs, self.cost_minor = cut_offs, cost_minor

    def capabilities(self) -> Capabilities:
        """Return what SEPA credit transfers carry: euro, in files, on TARGET days."""
        return Capabilities(
            rail=self.name,
            currencies=frozenset({"EUR"}),
            amount_max_minor=AMOUNT_MAX_MINOR,
            calendar="TARGET",
            files=True,
            cut_offs=self.cut_offs,
            cost_minor=self.cost_minor,
        )

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Check currency, amount and the payee's IBAN."""
        findings = []
        if instruction.amount.currency != "EUR":
            findings.append(Finding("currency", "SEPA credit transfers are in euro."))
        if not 0 < instruction.amount.minor <= AMOUNT_MAX_MINOR:
            findings.append(Finding("amount", "The amount is not between 0.01 and 999,999,999.99."))
        if not is_iban(instruction.creditor.account):
            findings.append(Finding("creditor_iban", "The payee's account is not an IBAN."))
        return findings

    def quote_dates(self, instruction: Instruction, now: datetime, calendar: Calendar) -> Dates:
        """Execution on the day of the next cut-off, settlement one business day later at most."""
        window, day = next_cut_off(self.cut_offs, calendar, now)
        return Dates(submit_by=window.on(day), execution=day, settlement=calendar.add(day, 1))

    def build(self, outgoing: Outgoing) -> Built:
        """Write a pain.001.001.09 with one group. Raises FormatError."""
        group = CreditTransferGroup(
            id=f"{outgoing.message_id}-1",
            debtor_name=outgoing.ours.name,
            debtor_iban=outgoing.ours.account,
            debtor_bic=outgoing.ours.bank,
            execution_date=outgoing.execution_date,
            transfers=tuple(_transfer(instruction) for instruction in outgoing.instructions),
        )
        batch = CreditTransferBatch(
            message_id=outgoing.message_id,
            created_at=outgoing.created_at,
            initiating_party=outgoing.ours.name,
            groups=(group,),
        )
        references = {instruction.reference: instruction.reference for instruction in outgoing.instructions}
        return Built(build_credit_transfer(batch), ".xml", references)

    def parse_inbound(self, data: bytes) -> list[InboundEvent]:
        """Read the lines of a pain.002; the word on the whole file has no line here. Raises FormatError."""
        return status_events(data)

    def inquire(self, reference: str, original: Outgoing, *, message_id: str, at: datetime) -> bytes | None:
        """Return None: a file's fate is told by status reports and statements, there is no question."""
        return None

    def classify(self, code: str) -> Classified:
        """Say what a reason code means; one that is not known is the owner's to look at."""
        return CODES.get(code, OTHER)


def _transfer(instruction: Instruction) -> CreditTransfer:
    payee = instruction.creditor
    return CreditTransfer(
        end_to_end_id=instruction.reference,
        amount=instruction.amount,
        creditor_name=payee.name,
        creditor_iban=payee.account,
        remittance=instruction.remittance,
        creditor_address=Address(town=payee.town, country=payee.country) if payee.town else None,
    )
