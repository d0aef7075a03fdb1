"""What we are in the ACH, what it may carry, and taking accounts up again that a return has stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.ids import public_id
from apps.payments.ach_files import NoAchProfile, holders_of, profiles_at
from apps.payments.domain.references import clean_text
from apps.payments.domain.us_accounts import clean_routing_number
from apps.payments.formats.nacha.codes import CREDIT
from apps.payments.formats.nacha.originate import plain
from apps.payments.models import AchProfile, Counterparty, Payment, SettlementAccount
from apps.payments.rails import adapter
from apps.payments.rails.ach import bank_day, sec_code_for
from apps.payments.rails.base import Instruction, Party
from apps.payments.routing import route_for

_COMPANY_ID = re.compile(r"[0-9A-Z]{1,10}")
_ORIGIN = re.compile(r"[0-9A-Z]{9,10}")


class CounterpartyStopped(Conflict):
    code = "counterparty_stopped"
    title = "A bank has returned a payment to this account for good; nothing is sent there any more."


@dataclass(frozen=True)
class SetAchProfile(Command):
    """Say who we are in the ACH at one of our bank accounts, which has a routing number.

    `origin` is the immediate origin as the bank has assigned it, `destination` the routing number of who
    takes our files (the account's own, if empty). `segregate` puts debits and credits into batches of
    their own. Runs for the whole platform.
    """

    settlement_account_id: UUID
    company_id: str
    company_name: str
    origin: str
    destination: str = ""
    destination_name: str = ""
    origin_name: str = ""
    segregate: bool = False


@handles(SetAchProfile, name="payments.set_ach_profile", version=1, permission="platform.configure")
def set_ach_profile(command: SetAchProfile, context: Context) -> dict[str, Any]:
    """Store or change it, for files that are closed from now on. The counters go on. Raises Invalid."""
    account = SettlementAccount.objects.select_for_update().filter(pk=command.settlement_account_id).first()
    if account is None:
        raise NotFound(object="settlement_account", id=public_id("sta", command.settlement_account_id))
    if not account.routing_number or account.currency != "USD":
        raise Invalid(field="settlement_account_id", reason="not a US dollar account with a routing number")
    values = _checked(command, account)
    there = profiles_at(account.routing_number[:8])
    new = {
        "id": context.new_id(),
        "organisation_id": account.organisation_id,
        "trace_sequence": there[0].trace_sequence if there else 0,
    }
    row, _ = AchProfile.objects.update_or_create(
        settlement_account_id=account.pk, defaults=values, create_defaults={**values, **new}
    )
    context.note("settlement_account", public_id("sta", account.pk), ach_company=row.company_id)
    return {"settlement_account_id": public_id("sta", account.pk), "company_id": row.company_id}


def _checked(command: SetAchProfile, account: SettlementAccount) -> dict[str, Any]:
    for field, form in (("company_id", _COMPANY_ID), ("origin", _ORIGIN)):
        if form.fullmatch(getattr(command, field)) is None:
            raise Invalid(field=field, reason="capital letters and digits, as the bank assigned them")
    company_name = plain(command.company_name, 16)
    if not company_name.strip(" 0."):
        raise Invalid(field="company_name", reason="blank")
    return {
        "company_id": command.company_id,
        "company_name": company_name,
        "origin": command.origin,
        "origin_name": plain(command.origin_name or command.company_name, 23),
        "destination": clean_routing_number(
            command.destination or account.routing_number, field="destination"
        ),
        "destination_name": plain(command.destination_name or account.bank, 23),
        "segregate": command.segregate,
    }


def check_ach(payment: Payment, end: Counterparty, *, at: datetime) -> None:
    """Raise Invalid with the first rule that a payout by ACH would break, CounterpartyStopped, NoAchProfile."""
    if end.stopped_code:
        raise CounterpartyStopped(code=end.stopped_code, counterparty_id=public_id("cpt", end.pk))
    require_profile(payment.currency)
    text = payment.remittance.reveal() if payment.remittance is not None else ""
    sec_code = sec_code_for(
        direction=CREDIT,
        payer=holders_of({payment.account_id})[payment.account_id],
        payee=end.holder,
        remittance=text,
    )
    findings = adapter("ach").validate(
        Instruction(
            reference=payment.end_to_end_id,
            amount=payment.amount,
            debtor=Party("", ""),
            creditor=Party(end.name.reveal(), end.account.reveal(), end.routing_number),
            remittance=text,
            options={
                "sec_code": sec_code,
                "account_kind": end.account_kind,
                "same_day": payment.rail_options.get("same_day", False),
                "on": bank_day(at),
            },
        )
    )
    if findings:
        raise Invalid(field=findings[0].place, reason=findings[0].message, rule=findings[0].code)


def require_profile(currency: str) -> None:
    """Raise NoAchProfile unless the account of ours that pays out in the currency takes part in the ACH."""
    route = route_for(currency)
    with tenancy.scope(tenancy.PLATFORM):
        if not AchProfile.objects.filter(settlement_account_id=route.id).exists():
            raise NoAchProfile


@dataclass(frozen=True)
class ResumeCounterparty(Command):
    """Let payments go to an account again after a return had stopped it."""

    counterparty_id: UUID
    reason: str


@handles(ResumeCounterparty, name="payments.resume_counterparty", version=1, permission="payments.approve")
def resume_counterparty(command: ResumeCounterparty, context: Context) -> dict[str, Any]:
    """Take the stop away, for a reason that is kept. Nothing, where there is none."""
    assert command.organisation_id is not None
    row = (
        Counterparty.objects.select_for_update()
        .filter(pk=command.counterparty_id, organisation_id=command.organisation_id)
        .first()
    )
    if row is None:
        raise NotFound(object="counterparty", id=public_id("cpt", command.counterparty_id))
    reason = clean_text(command.reason, field="reason", length_max=60, required=True)
    stopped, row.stopped_code = row.stopped_code, ""
    row.save(update_fields=["stopped_code"])
    context.note("counterparty", public_id("cpt", row.pk), resumed_after=stopped, reason=reason)
    return {"counterparty_id": public_id("cpt", row.pk), "resumed": bool(stopped)}
