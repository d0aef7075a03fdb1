"""Finding or adding who is at the other end of a payment."""

from __future__ import annotations

from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Context
from apps.core.crypto.fields import matching
from apps.payments.domain.references import NAME_MAX, clean_text
from apps.payments.models import Counterparty


def counterparty(
    *, organisation_id: UUID, name: str, iban: str, country: str = "", town: str = "", context: Context
) -> Counterparty:
    """Return the organisation's counterparty with this name and IBAN, added if it is new.

    Raises Invalid for a name that a bank would not carry, and the refusal of a wrong IBAN.
    """
    checked = accounts.clean_iban(iban)
    tidy = clean_text(name, field="name", length_max=NAME_MAX, required=True)
    found = Counterparty.objects.filter(
        matching(Counterparty, "iban_index", checked, organisation_id=organisation_id),
        matching(Counterparty, "name_index", tidy, organisation_id=organisation_id),
        organisation_id=organisation_id,
    ).first()
    if found is not None:
        return found
    return Counterparty.objects.create(
        id=context.new_id(),
        organisation_id=organisation_id,
        name=tidy,
        iban=checked,
        country=(country or checked[:2]).upper()[:2],
        town=clean_text(town, field="town", length_max=35) or None,
        created_at=context.at,
    )
