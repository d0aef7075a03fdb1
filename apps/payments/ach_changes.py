"""Notifications of change: what a bank corrects about an account is used from the next entry on.

The old account is never overwritten: the counterparty gets a new row, and the old one names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apps.core.commands import Context
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.payments import counterparties
from apps.payments.domain.us_accounts import clean_account_number, clean_routing_number
from apps.payments.events_ach import CounterpartyChanged
from apps.payments.formats.nacha.originate import plain
from apps.payments.models import AchItem, AchProfile, Counterparty
from apps.payments.models_ach import AccountChange
from apps.payments.rails.ach_codes import CHANGES

APPLIED = frozenset({"C01", "C02", "C03", "C04", "C05", "C06", "C07"})
"""What changes an account. The others ask for another form of entry, which people have to see to."""

WRONG_TRACE, WRONG_COMPANY, BAD_DATA, BAD_TRANSACTION_CODE = "C62", "C63", "C65", "C69"
NAME_CHARS = 22
_KINDS = {"2": "checking", "3": "savings"}


@dataclass(frozen=True)
class ChangeLine:
    """What a file says of one account. `corrected` are values by name, as the change code lays them out."""

    trace: str
    code: str
    company_id: str
    corrected: dict[str, str] = field(default_factory=dict, repr=False)
    line: int = 0


class _Refused(Exception):
    def __init__(self, code: str) -> None:
        self.code = code


def apply_change(
    line: ChangeLine, item: AchItem | None, message_id: str, context: Context
) -> tuple[str, str]:
    """Apply a notification to the account of an entry. Returns its outcome, and the code if it is refused.

    The outcome is applied, noted, refused, or unchanged, where it was told before.
    """
    if item is None:
        return "refused", WRONG_TRACE
    end = Counterparty.objects.select_for_update().get(pk=item.counterparty_id)
    try:
        _check_company(line)
        if line.code not in APPLIED:
            _record(line, item, "noted", message_id, context)
            return "noted", ""
        values = _corrected(line, end)
    except _Refused as refused:
        _record(line, item, "refused", message_id, context, refused_code=refused.code)
        return "refused", refused.code
    latest = counterparties.current(end, at=context.at)
    new = counterparties.corrected(latest, values, context)
    if new.pk == latest.pk:
        return "unchanged", ""
    _record(line, item, "applied", message_id, context, new_counterparty_id=new.pk)
    context.emit(
        CounterpartyChanged(
            counterparty_id=public_id("cpt", latest.pk),
            new_counterparty_id=public_id("cpt", new.pk),
            code=line.code,
            what=CHANGES[line.code],
        ),
        organisation_id=end.organisation_id,
    )
    return "applied", ""


def _check_company(line: ChangeLine) -> None:
    if not AchProfile.objects.filter(company_id=line.company_id).exists():
        raise _Refused(WRONG_COMPANY)


def _corrected(line: ChangeLine, end: Counterparty) -> dict[str, str]:
    """Read what is corrected; what a code does not name stays. Raises _Refused for what cannot be meant."""
    given, values = line.corrected, {}
    try:
        if "routing" in given:
            values["routing_number"] = clean_routing_number(given["routing"])
        if "account" in given:
            values["account_number"] = clean_account_number(given["account"])
    except Invalid:
        raise _Refused(BAD_DATA) from None
    if "name" in given:
        values["name"] = plain(given["name"], NAME_CHARS)
        if not values["name"].strip(" 0."):
            raise _Refused(BAD_DATA)
    if "transaction_code" in given:
        kind = _KINDS.get(given["transaction_code"][:1])
        if kind is None:
            raise _Refused(BAD_TRANSACTION_CODE)
        values["account_kind"] = kind
    if not values:
        raise _Refused(BAD_DATA)
    return values


def _record(
    line: ChangeLine, item: AchItem, outcome: str, message_id: str, context: Context, **more: Any
) -> None:
    AccountChange.objects.create(
        id=context.new_id(),
        organisation_id=item.organisation_id,
        item_id=item.pk,
        counterparty_id=item.counterparty_id,
        code=line.code[:3],
        outcome=outcome,
        external_id=message_id[:140],
        at=context.at,
        **more,
    )
