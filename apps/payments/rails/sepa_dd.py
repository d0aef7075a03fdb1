"""SEPA direct debit, core and B2B: pain.008.001.08 out, pain.002 and pacs.004 back (EPC016-06, EPC222-07)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from apps.payments.domain.calendars import Calendar, CutOff
from apps.payments.domain.mandates import Scheme, SequenceType
from apps.payments.formats import (
    DirectDebit,
    DirectDebitBatch,
    DirectDebitGroup,
    Finding,
    FormatError,
    MandateReference,
    build_direct_debit,
    detect,
    is_iban,
    read_payment_return,
)
from apps.payments.formats.epc import Address, check_identifier, is_creditor_identifier
from apps.payments.rails.base import (
    Action,
    Built,
    Capabilities,
    Classified,
    Dates,
    InboundEvent,
    Instruction,
    Outgoing,
    Told,
)
from apps.payments.rails.sepa_status import CODES as COMMON_CODES
from apps.payments.rails.sepa_status import OTHER, status_events

AMOUNT_MAX_MINOR = 99_999_999_999
"""999,999,999.99 EUR (EPC, AT-06)."""

LEAD_BUSINESS_DAYS = 1
"""The debtor's bank has a collection at the latest one TARGET day before its date."""

SUBMIT_BUSINESS_DAYS = 2
"""We hand it to our bank a day sooner than that, and not before: until then it can be cancelled."""

EARLIEST_DAYS = 14
"""Nothing is presented sooner than so many calendar days before its date."""

RETURN_BUSINESS_DAYS = 5
"""How long the debtor's bank has to return a core collection by itself."""

REFUND_WEEKS = 8
"""How long the debtor of a core collection has to ask for a refund without a reason."""

B2B_RETURN_BUSINESS_DAYS = 3
"""How long the debtor's bank has to return a B2B collection; there is no refund."""

CUT_OFFS = (CutOff("standard", time(12, 0), "Europe/Amsterdam"),)

CODES: dict[str, Classified] = {
    **COMMON_CODES,
    "CNOR": Classified("bank_unknown", Action.FIX),
    "DNOR": Classified("bank_unknown", Action.FIX),
    "FF05": Classified("format_invalid", Action.FIX),
    "MD01": Classified("mandate_missing", Action.STOP),
    "MD02": Classified("mandate_incorrect", Action.FIX),
    "MD06": Classified("refund_requested", Action.FIX),
    "MD07": Classified("payer_deceased", Action.STOP),
    "SL01": Classified("refused_by_customer", Action.STOP),
}


class SepaDirectDebit:
    """The rail of SEPA direct debits in files.

    An instruction's `options`: scheme, sequence_type, mandate_id, signed_on, creditor_id,
    creditor_name, collection_date, group, and what was amended: original_mandate_id,
    original_creditor_id, account_changed.
    """

    name = "sepa_dd"

    def __init__(self, *, cut_offs: tuple[CutOff, ...] = CUT_OFFS, cost_minor: int = 10) -> None:
        self.cut_offs, self.cost_minor = cut_offs, cost_minor

    def capabilities(self) -> Capabilities:
        """Return what SEPA direct debits carry: euro pulled from others, in files, on TARGET days."""
        return Capabilities(
            rail=self.name,
            currencies=frozenset({"EUR"}),
            amount_max_minor=AMOUNT_MAX_MINOR,
            calendar="TARGET",
            files=True,
            collects=True,
            cut_offs=self.cut_offs,
            cost_minor=self.cost_minor,
        )

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Check currency, amount, the debtor's IBAN, and all that the mandate has to say."""
        findings = []
        if instruction.amount.currency != "EUR":
            findings.append(Finding("currency", "SEPA direct debits are in euro."))
        if not 0 < instruction.amount.minor <= AMOUNT_MAX_MINOR:
            findings.append(Finding("amount", "The amount is not between 0.01 and 999,999,999.99."))
        if not is_iban(instruction.debtor.account):
            findings.append(Finding("debtor_iban", "The debtor's account is not an IBAN."))
        return findings + _mandate_findings(instruction.options)

    def quote_dates(self, instruction: Instruction, now: datetime, calendar: Calendar) -> Dates:
        """Collect on the day asked for (option collection_date), or as soon as the lead time allows."""
        earliest = self.earliest_day(now, calendar)
        asked = instruction.options.get("collection_date") or earliest
        day = calendar.on_or_after(max(asked, earliest))
        submit = calendar.add(day, -LEAD_BUSINESS_DAYS)
        scheme = Scheme(instruction.options.get("scheme", Scheme.CORE))
        return Dates(
            submit_by=self.cut_offs[-1].on(submit),
            execution=day,
            settlement=day,
            final_on=taken_back_until(scheme, day, calendar),
        )

    def earliest_day(self, now: datetime, calendar: Calendar) -> date:
        """Return the first day on which something handed over now can be collected."""
        window = self.cut_offs[-1]
        today = calendar.on_or_after(now.astimezone(window.on(now.date()).tzinfo).date())
        if now >= window.on(today):
            today = calendar.add(today, 1)
        return calendar.add(today, LEAD_BUSINESS_DAYS)

    def build(self, outgoing: Outgoing) -> Built:
        """Write a pain.008.001.08, a group to each scheme, sequence type, date and creditor.

        The groups are named by the option `group` of their instructions. Raises FormatError.
        """
        groups: dict[str, list[Instruction]] = {}
        for instruction in outgoing.instructions:
            groups.setdefault(str(instruction.options["group"]), []).append(instruction)
        batch = DirectDebitBatch(
            message_id=outgoing.message_id,
            created_at=outgoing.created_at,
            initiating_party=outgoing.ours.name,
            groups=tuple(_group(name, groups[name], outgoing) for name in sorted(groups)),
        )
        references = {one.reference: name for name, members in groups.items() for one in members}
        return Built(build_direct_debit(batch), ".xml", references)

    def parse_inbound(self, data: bytes) -> list[InboundEvent]:
        """Read the lines of a pain.002 or a pacs.004. Raises FormatError."""
        if detect(data).startswith("pacs.004"):
            return _returns(data)
        return status_events(data)

    def inquire(self, reference: str, original: Outgoing, *, message_id: str, at: datetime) -> bytes | None:
        """Return None: a file's fate is told by status reports and statements, there is no question."""
        return None

    def classify(self, code: str) -> Classified:
        """Say what a reason code means and what to do about it."""
        return CODES.get(code, OTHER)


def taken_back_until(scheme: Scheme, collected_on: date, calendar: Calendar) -> date:
    """Return the last day on which a settled collection comes back without proof of wrong.

    An unauthorised one can come back for 13 months (core): that is a claim of its own.
    """
    if scheme is Scheme.B2B:
        return calendar.add(collected_on, B2B_RETURN_BUSINESS_DAYS)
    return collected_on + timedelta(weeks=REFUND_WEEKS)


def _mandate_findings(options: Mapping[str, Any]) -> list[Finding]:
    findings = []
    try:
        check_identifier(str(options.get("mandate_id", "")), "mandate_id")
    except FormatError:
        findings.append(Finding("mandate_id", "The mandate's reference breaks the EPC rules."))
    if not isinstance(options.get("signed_on"), date):
        findings.append(Finding("signed_on", "The mandate's day of signature is missing."))
    if not is_creditor_identifier(str(options.get("creditor_id", ""))):
        findings.append(Finding("creditor_id", "The creditor identifier's check digits are wrong."))
    if options.get("scheme") not in set(Scheme):
        findings.append(Finding("scheme", "The scheme is core or b2b."))
    if options.get("sequence_type") not in set(SequenceType):
        findings.append(Finding("sequence_type", "The sequence type is FRST, RCUR, FNAL or OOFF."))
    return findings


def _group(name: str, members: list[Instruction], outgoing: Outgoing) -> DirectDebitGroup:
    first = members[0].options
    earliest = first["collection_date"] - timedelta(days=EARLIEST_DAYS)
    if outgoing.created_at.date() < earliest:
        raise FormatError("too_early", f"It can be presented from {earliest} on.", None, name)
    return DirectDebitGroup(
        id=name,
        creditor_name=str(first["creditor_name"]),
        creditor_iban=outgoing.ours.account,
        creditor_id=str(first["creditor_id"]),
        collection_date=first["collection_date"],
        debits=tuple(_debit(one) for one in members),
        instrument=str(first["scheme"]).upper(),
        sequence_type=str(first["sequence_type"]),
        creditor_bic=outgoing.ours.bank,
    )


def _debit(instruction: Instruction) -> DirectDebit:
    options, debtor = instruction.options, instruction.debtor
    return DirectDebit(
        end_to_end_id=instruction.reference,
        amount=instruction.amount,
        mandate=MandateReference(
            mandate_id=str(options["mandate_id"]),
            signed_on=options["signed_on"],
            original_mandate_id=str(options.get("original_mandate_id", "")),
            original_creditor_id=str(options.get("original_creditor_id", "")),
            # "Same mandate, new debtor account": says so without repeating the old number.
            original_debtor_account="SMNDA" if options.get("account_changed") else "",
        ),
        debtor_name=debtor.name,
        debtor_iban=debtor.account,
        debtor_address=Address(town=debtor.town, country=debtor.country) if debtor.town else None,
        remittance=instruction.remittance,
    )


def _returns(data: bytes) -> list[InboundEvent]:
    message = read_payment_return(data)
    return [
        InboundEvent(
            told=Told.RETURNED,
            reference=item.original.end_to_end_id,
            message_id=message.message_id,
            code=item.reason,
            amount=item.amount,
            original_message_id=item.original.message_id,
        )
        for item in message.returns
    ]
