"""Card processors of the operator, and what organisations are charged for captures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import exponent
from apps.ledger import public as ledger
from apps.payments.card_routing import forget_processors
from apps.payments.domain.fees import PLATFORM, Fee, Share
from apps.payments.models_cards import CardProcessor, FeeRule
from apps.payments.routing import route_by_id
from apps.payments.transport import BadDestination, check_url

RESERVE_DAYS_MAX = 180
_NAME = re.compile(r"[a-z][a-z0-9_]{1,29}")
_PARTS = (
    # (part, kind, what it is for, whether it should return to zero)
    ("receivable", "asset", "Owed by the card scheme", True),
    ("costs", "expense", "Card processor's costs", False),
    ("refunds", "liability", "Card refunds under way", True),
    ("disputes", "liability", "Disputed card payments", True),
)


@dataclass(frozen=True)
class AddCardProcessor(Command):
    """Register the operator's account with a card processor, in one currency. For the platform.

    Without `base_url` it is reached where the settings say (CARD_PROCESSOR_URL). `name` is the provider whose verified webhooks tell of its payments; `reserve_days` is how long a
    captured amount stays pending.
    """

    operator_id: UUID
    name: str
    currency: str
    base_url: str
    settlement_account_id: UUID
    reserve_days: int = 2


@handles(AddCardProcessor, name="payments.add_card_processor", version=1, permission="platform.configure")
def add_card_processor(command: AddCardProcessor, context: Context) -> dict[str, Any]:
    """Open its receivable, costs, refunds and disputes accounts. Raises Invalid, NoRoute, UnknownCurrency."""
    exponent(command.currency)
    if _NAME.fullmatch(command.name) is None:
        raise Invalid(field="name")
    if not 0 <= command.reserve_days <= RESERVE_DAYS_MAX:
        raise Invalid(field="reserve_days", minimum=0, maximum=RESERVE_DAYS_MAX)
    if command.base_url:
        _check_url(command.base_url)
    if route_by_id(command.settlement_account_id).currency != command.currency:
        raise Invalid(field="settlement_account_id", reason="another currency")
    active = CardProcessor.objects.filter(currency=command.currency, active=True)
    if active.exists() or CardProcessor.objects.filter(name=command.name, currency=command.currency).exists():
        raise Invalid(field="currency", reason="it has a processor already")
    opened = {
        f"{part}_id": ledger.open_account(
            organisation_id=command.operator_id,
            code=f"card_{part}:{command.name}:{command.currency}",
            name=f"{purpose}, {command.name} {command.currency}",
            kind=kind,
            currency=command.currency,
            shared=True,
            clearing=clearing,
        ).id
        for part, kind, purpose, clearing in _PARTS
    }
    row = CardProcessor.objects.create(
        id=context.new_id(),
        organisation_id=command.operator_id,
        name=command.name,
        currency=command.currency,
        base_url=command.base_url.rstrip("/"),
        settlement_account_id=command.settlement_account_id,
        reserve_days=command.reserve_days,
        created_at=context.at,
        **opened,
    )
    forget_processors()
    context.note(
        "card_processor",
        public_id("cpr", row.pk),
        organisation_id=command.operator_id,
        processor=command.name,
        currency=command.currency,
    )
    return {"id": public_id("cpr", row.pk), "currency": command.currency}


def _check_url(url: str) -> None:
    try:
        check_url(url)
        plain = not urlsplit(url).query and not urlsplit(url).fragment and len(url) <= 200
    except (BadDestination, ValueError):
        plain = False
    if not plain:
        raise Invalid(field="base_url", reason="https, or http to this machine")


@dataclass(frozen=True)
class SetFeeRule(Command):
    """Say what an organisation is charged for each capture from a day on, as a new version.

    Amounts are minor units, the percentage basis points; `shares` are (name, parts), the first gets the
    remainder.
    """

    currency: str
    effective_from: date
    flat_minor: int = 0
    percent_bp: int = 0
    min_minor: int = 0
    max_minor: int | None = None
    shares: tuple[tuple[str, int], ...] = ((PLATFORM, 1),)


@handles(SetFeeRule, name="payments.set_fee_rule", version=1, permission="platform.configure")
def set_fee_rule(command: SetFeeRule, context: Context) -> dict[str, Any]:
    """Store the next version and open the income accounts of its shares.

    A rule cannot begin in the past: what was charged stays as it was. Raises Invalid, UnknownCurrency.
    """
    assert command.organisation_id is not None
    exponent(command.currency)
    if command.effective_from < context.at.date():
        raise Invalid(field="effective_from", reason="in the past")
    if any(_NAME.fullmatch(name) is None for name, _ in command.shares):
        raise Invalid(field="shares", reason="name")
    fee = Fee(
        command.currency,
        command.flat_minor,
        command.percent_bp,
        command.min_minor,
        command.max_minor,
        tuple(Share(name, parts) for name, parts in command.shares),
    )
    with tenancy.scope(tenancy.PLATFORM):  # the income is the operator's
        shares = [
            [share.name, share.parts, _income(share.name, command.currency, str(context.actor))]
            for share in fee.shares
        ]
    versions = FeeRule.objects.filter(organisation_id=command.organisation_id, currency=command.currency)
    latest = versions.order_by("-version").values_list("version", flat=True).first()
    row = FeeRule.objects.create(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        currency=command.currency,
        version=(latest or 0) + 1,
        effective_from=command.effective_from,
        flat_minor=fee.flat_minor,
        percent_bp=fee.percent_bp,
        min_minor=fee.min_minor,
        max_minor=fee.max_minor,
        shares=shares,
        set_by=str(context.actor),
        created_at=context.at,
    )
    context.note("fee_rule", public_id("fee", row.pk), currency=row.currency, version=row.version)
    return {"id": public_id("fee", row.pk), "currency": row.currency, "version": row.version}


def _income(name: str, currency: str, actor: str) -> int:
    """Open, or find, the operator's account for a share of the fees."""
    return ledger.open_account(
        organisation_id=accounts.operator().pk,
        code=f"card_fees:{name}:{currency}",
        name=f"Card fees, {name} {currency}",
        kind="income",
        currency=currency,
        shared=True,
        actor=actor,
    ).id
