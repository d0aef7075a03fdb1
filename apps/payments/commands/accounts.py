"""The operator's own bank accounts, and what organisations may pay out without a second person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import routing
from apps.payments.domain.references import NAME_MAX, clean_text
from apps.payments.domain.us_accounts import clean_account_number, clean_routing_number
from apps.payments.models import PayoutPolicy, SettlementAccount

_PARTS = (
    # (part, kind, what it is for)
    ("cash", "asset", "Cash at bank"),
    ("clearing_out", "liability", "Payouts under way"),
    ("clearing_in", "liability", "Money coming in"),
    ("receivable", "asset", "Owed by payment providers"),
    ("suspense", "liability", "Unexplained"),
    ("charges", "expense", "Bank charges"),
)
_RETURN_TO_ZERO = frozenset({"clearing_out", "clearing_in", "receivable", "suspense"})
"""Accounts that are zero when everything under way has arrived; what stays in them has an age."""


@dataclass(frozen=True)
class AddSettlementAccount(Command):
    """Register an account of the operator at a bank and open its ledger accounts.

    Runs for the whole platform: the accounts are shared by the journals of every organisation.
    """

    operator_id: UUID
    iban: str
    currency: str
    holder: str
    bank: str
    bic: str = ""
    pays_out: bool = True
    routing_number: str = ""  # in the United States; `iban` is then the bank's own account number


@handles(
    AddSettlementAccount, name="payments.add_settlement_account", version=1, permission="platform.configure"
)
def add_settlement_account(command: AddSettlementAccount, context: Context) -> dict[str, Any]:
    """Open cash, clearing, receivable, suspense and charges accounts for a bank account of ours."""
    iban, routing_number = _account_at_bank(command)
    if SettlementAccount.objects.filter(iban=iban).exists():
        raise Invalid(field="iban", reason="already registered")
    opened = {
        f"{part}_id": ledger.open_account(
            organisation_id=command.operator_id,
            code=f"{part}:{iban}:{command.currency}",
            name=f"{purpose}, {command.bank} {command.currency}",
            kind=kind,
            currency=command.currency,
            floor_minor=None,
            shared=True,
            clearing=part in _RETURN_TO_ZERO,
        ).id
        for part, kind, purpose in _PARTS
    }
    row = SettlementAccount.objects.create(
        id=context.new_id(),
        organisation_id=command.operator_id,
        iban=iban,
        bic=command.bic,
        routing_number=routing_number,
        holder=clean_text(command.holder, field="holder", length_max=NAME_MAX, required=True),
        bank=clean_text(command.bank, field="bank", length_max=70, required=True),
        currency=command.currency,
        pays_out=command.pays_out,
        created_at=context.at,
        **opened,
    )
    routing.forget_routes()
    context.note(
        "settlement_account",
        public_id("sta", row.pk),
        organisation_id=command.operator_id,
        currency=command.currency,
    )
    return {"id": public_id("sta", row.pk), "currency": command.currency}


def _account_at_bank(command: AddSettlementAccount) -> tuple[str, str]:
    if not command.routing_number:
        return accounts.clean_iban(command.iban), ""
    return clean_account_number(command.iban, field="iban"), clean_routing_number(command.routing_number)


@dataclass(frozen=True)
class SetPayoutPolicy(Command):
    """Say up to which amount an organisation's payouts in a currency need no second person.

    `verify_payee` asks each payout to name a verification of its payee; `bulk_opt_out` does without it for
    bulk orders from accounts that are not a consumer's ((EU) 2024/886). None leaves them as they are.
    """

    auto_approve_up_to: Money
    verify_payee: bool | None = None
    bulk_opt_out: bool | None = None


@handles(SetPayoutPolicy, name="payments.set_payout_policy", version=1, permission="platform.configure")
def set_payout_policy(command: SetPayoutPolicy, context: Context) -> dict[str, Any]:
    """Store the limit; it holds for payouts ordered from now on."""
    assert command.organisation_id is not None
    limit = command.auto_approve_up_to
    if limit.minor < 0:
        raise Invalid(field="auto_approve_up_to", reason="negative")
    values: dict[str, Any] = {"auto_approve_up_to_minor": limit.minor, "changed_at": context.at}
    if command.verify_payee is not None:
        values["verify_payee"] = command.verify_payee
    if command.bulk_opt_out is not None:
        values["bulk_opt_out"] = command.bulk_opt_out
    row, _ = PayoutPolicy.objects.update_or_create(
        organisation_id=command.organisation_id,
        currency=limit.currency,
        defaults=values,
        create_defaults={"id": context.new_id(), **values},
    )
    context.note(
        "payout_policy",
        str(row.pk),
        currency=limit.currency,
        up_to_minor=limit.minor,
        verify_payee=row.verify_payee,
        bulk_opt_out=row.bulk_opt_out,
    )
    return {
        "currency": limit.currency,
        "auto_approve_up_to_minor": limit.minor,
        "verify_payee": row.verify_payee,
    }


def needs_no_second_person(organisation_id: UUID, amount: Money) -> bool:
    """Tell whether the organisation's policy lets a payout of this amount go at once."""
    policy = PayoutPolicy.objects.filter(organisation_id=organisation_id, currency=amount.currency).first()
    return policy is not None and amount.minor <= policy.auto_approve_up_to_minor


def must_verify_payee(organisation_id: UUID, currency: str) -> bool:
    """Tell whether the organisation's policy asks for a verification of the payee before a payout."""
    return PayoutPolicy.objects.filter(
        organisation_id=organisation_id, currency=currency, verify_payee=True
    ).exists()


def must_verify_payees(organisation_id: UUID, currency: str, *, payer: str) -> bool:
    """Tell whether the policy asks for verifications of the payees of a bulk order.

    `payer` is a person or a company: only the latter can have opted out.
    """
    policy = PayoutPolicy.objects.filter(
        organisation_id=organisation_id, currency=currency, verify_payee=True
    ).first()
    return policy is not None and not (policy.bulk_opt_out and payer == "company")
