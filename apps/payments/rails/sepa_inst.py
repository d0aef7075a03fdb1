"""SEPA instant credit transfer: pacs.008 out, pacs.002 back within ten seconds, pacs.028 after silence.

EPC004-16 (scheme rulebook), EPC122-16 (interbank messages). Our bank is the participant; the payee's bank
follows from the IBAN, and no BIC is derived here.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from apps.payments.formats import (
    Finding,
    InterbankTransfer,
    PaymentType,
    SepaProfile,
    TransferMessage,
    build_interbank_transfer,
    is_iban,
)
from apps.payments.formats.epc import DEFAULT_PROFILE, Address, check_address, to_epc_text
from apps.payments.formats.interbank import Agent
from apps.payments.rails.base import Built, Instruction, Outgoing
from apps.payments.rails.instant import InstantRail

AMOUNT_MAX_MINOR = 99_999_999_999
"""The scheme's own cap of 100,000.00 ended in October 2025; a bank's may be lower (`SEPA_INST_AMOUNT_MAX_MINOR`)."""

_TYPE = PaymentType(service_level="SEPA", local_instrument="INST")
_BY_IBAN = Agent(member="NOTPROVIDED")


class SepaInstant(InstantRail):
    """The rail of SEPA instant credit transfers."""

    name, currency, zone = "sepa_inst", "EUR", "Europe/Brussels"
    answer_within_s, inquire_after_s, first_inquiry_s = 10, 10, 30

    def __init__(
        self,
        *,
        amount_max_minor: int = AMOUNT_MAX_MINOR,
        cost_minor: int = 20,
        profile: SepaProfile = DEFAULT_PROFILE,
    ) -> None:
        super().__init__(amount_max_minor=amount_max_minor, cost_minor=cost_minor)
        self.profile = profile

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Check currency, amount and the payee's IBAN."""
        findings = super().validate(instruction)
        if not is_iban(instruction.creditor.account):
            findings.append(Finding("creditor_iban", "The payee's account is not an IBAN."))
        return findings

    def build(self, outgoing: Outgoing) -> Built:
        """Write a pacs.008.001.08 with one transfer. Its time stamp starts the clock. Raises FormatError."""
        (instruction,) = outgoing.instructions
        ours, theirs = self.agents(outgoing)
        payee = instruction.creditor
        transfer = InterbankTransfer(
            end_to_end_id=instruction.reference,
            tx_id=outgoing.message_id,
            amount=instruction.amount,
            debtor_name=to_epc_text(instruction.debtor.name, chars_max=70),
            debtor_account=instruction.debtor.account,
            debtor_agent=ours,
            creditor_name=to_epc_text(payee.name, chars_max=70),
            creditor_account=payee.account,
            creditor_agent=theirs,
            creditor_address=check_address(
                Address(town=payee.town, country=payee.country) if payee.town else None,
                "Cdtr",
                profile=self.profile,
                on=outgoing.execution_date,
            ),
            accepted_at=_milliseconds(outgoing.created_at),
            settlement_date=_day(outgoing.created_at, self.zone),
            remittance=to_epc_text(instruction.remittance, chars_max=140),
            type=_TYPE,
        )
        message = TransferMessage(
            message_id=outgoing.message_id,
            created_at=_milliseconds(outgoing.created_at),
            transfers=(transfer,),
            total=instruction.amount,
        )
        return Built(
            build_interbank_transfer(message), ".xml", {instruction.reference: instruction.reference}
        )

    def agents(self, outgoing: Outgoing) -> tuple[Agent, Agent]:
        """Return our bank, and the payee's by its BIC if the payee gave one, else by the IBAN alone."""
        (instruction,) = outgoing.instructions
        payee_bic = instruction.creditor.bank
        ours = Agent(bic=outgoing.ours.bank) if outgoing.ours.bank else _BY_IBAN
        return ours, Agent(bic=payee_bic) if payee_bic else _BY_IBAN


def _milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()
