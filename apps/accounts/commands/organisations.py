"""Opening organisations: the operator first, then the merchants it serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts import domain, queries
from apps.accounts.events import OrganisationOpened
from apps.accounts.models import Organisation
from apps.core import ids
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Denied, Invalid


class OperatorExists(Conflict):
    code = "operator_exists"
    title = "This deployment has its operator already."


@dataclass(frozen=True)
class OpenOrganisation(Command):
    """Open an organisation. A command of the platform: `organisation_id` is None.

    `bank_code` is the operator's national bank code, of which its IBANs are made; merchants have none.
    `id` lets the caller choose the key, which the sandbox does to stay the same at each run.
    """

    name: str
    country: str
    kind: str = "merchant"
    bank_code: str = ""
    id: UUID | None = None


@handles(OpenOrganisation, name="accounts.open_organisation", version=1, permission="organisations.write")
def open_organisation(command: OpenOrganisation, context: Context) -> dict[str, Any]:
    """Save the organisation. Raises Invalid, OperatorExists, Denied for an actor bound to an organisation."""
    if command.organisation_id is not None or context.actor.organisation_id is not None:
        raise Denied(reason="organisations are opened by the operator's staff")
    if command.kind not in Organisation.Kind.values:
        raise Invalid(field="kind", known=Organisation.Kind.values)
    is_operator = command.kind == Organisation.Kind.OPERATOR
    if is_operator and Organisation.objects.filter(kind=command.kind).exists():
        raise OperatorExists
    row = Organisation.objects.create(
        id=command.id or context.new_id(),
        name=domain.clean_name(command.name),
        kind=command.kind,
        country=domain.clean_country(command.country),
        bank_code=_bank_code(command) if is_operator else "",
        created_at=context.at,
    )
    context.emit(OrganisationOpened(row.public_id, str(row.kind)), organisation_id=row.id)
    context.note("organisation", row.public_id, organisation_id=row.id, kind=str(row.kind))
    return queries.organisation_data(row)


def _bank_code(command: OpenOrganisation) -> str:
    """Return the bank code once an IBAN has been made of it. Raises Invalid."""
    if not re.fullmatch(r"[A-Z0-9]{2,12}", command.bank_code):
        raise Invalid(field="bank_code", reason="2 to 12 capitals and digits")
    try:
        domain.issue_iban(command.country, command.bank_code, 100_001)
    except domain.NoSuchNumber:
        raise Invalid(
            field="bank_code", reason="no IBAN can be made of it", country=command.country
        ) from None
    return command.bank_code


def organisation_key(public_id: str) -> UUID:
    """Read an organisation's public id. Raises BadId."""
    return ids.parse_public_id("org", public_id)
