"""Verification of payee: asked, answered, and confirmed by the payment that names it.

Asking the provider is not a command: `payments.payee_verification` commits the request, calls, and
stores the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, NotFound
from apps.core.ids import public_id
from apps.payments.bulk_results import VALID_FOR
from apps.payments.commands.accounts import must_verify_payee
from apps.payments.domain.payee import NAME_MAX as HOLDER_MAX
from apps.payments.domain.payee import Result, normalised
from apps.payments.domain.references import NAME_MAX, clean_text
from apps.payments.models_instant import PayeeVerification


class PayeeNotVerified(Conflict):
    code = "payee_not_verified"
    title = "The payment needs a verification of its payee that is answered, recent and of the same payee."


@dataclass(frozen=True)
class RequestPayeeVerification(Command):
    """Write down that somebody asks whether a name belongs to an IBAN."""

    name: str
    iban: str


@handles(
    RequestPayeeVerification,
    name="payments.request_payee_verification",
    version=1,
    permission="payments.write",
)
def request_payee_verification(command: RequestPayeeVerification, context: Context) -> dict[str, Any]:
    """Store the request, sealed. Raises Invalid, BadIban."""
    assert command.organisation_id is not None
    row = PayeeVerification.objects.create(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        name=clean_text(command.name, field="name", length_max=NAME_MAX, required=True),
        iban=accounts.clean_iban(command.iban),
        requested_by=str(context.actor),
        requested_at=context.at,
    )
    context.note("payee_verification", public_id("vop", row.pk))
    return {"id": public_id("vop", row.pk)}


@dataclass(frozen=True)
class AnswerPayeeVerification(Command):
    """Store what was found. `matched_name` is the holder's, for a close match alone."""

    verification_id: UUID
    result: str
    provider: str
    matched_name: str = ""


@handles(
    AnswerPayeeVerification,
    name="payments.answer_payee_verification",
    version=1,
    permission="payments.write",
)
def answer_payee_verification(command: AnswerPayeeVerification, context: Context) -> dict[str, Any]:
    """Store the first answer; a second one changes nothing. Raises NotFound."""
    assert command.organisation_id is not None
    row = (
        PayeeVerification.objects.select_for_update()
        .filter(pk=command.verification_id, organisation_id=command.organisation_id)
        .first()
    )
    if row is None:
        raise NotFound(object="payee_verification", id=public_id("vop", command.verification_id))
    if not row.result:
        row.result = Result(command.result).value
        row.provider, row.answered_at = command.provider[:30], context.at
        if row.result == Result.CLOSE_MATCH:
            row.matched_name = clean_text(command.matched_name, field="matched_name", length_max=HOLDER_MAX)
        row.save()
        context.note("payee_verification", public_id("vop", row.pk), result=row.result)
    return {"id": public_id("vop", row.pk), "result": row.result}


def confirmed_result(
    organisation_id: UUID, verification_id: UUID | None, *, name: str, iban: str, currency: str, at: datetime
) -> str:
    """Return what the verification found that an order confirms; nothing if it names none.

    Any result will do, since the payer has seen it and decides: the law gives a warning, not a veto.
    Raises NotFound, PayeeNotVerified.
    """
    if verification_id is None:
        if must_verify_payee(organisation_id, currency):
            raise PayeeNotVerified(reason="missing")
        return ""
    row = PayeeVerification.objects.filter(pk=verification_id, organisation_id=organisation_id).first()
    if row is None:
        raise NotFound(object="payee_verification", id=public_id("vop", verification_id))
    if row.answered_at is None:
        raise PayeeNotVerified(reason="unanswered")
    if row.answered_at < at - VALID_FOR:
        raise PayeeNotVerified(reason="too_old")
    if row.iban.reveal() != accounts.clean_iban(iban):
        raise PayeeNotVerified(reason="another_account")
    names = {normalised(row.name.reveal())}
    if row.matched_name is not None:
        names.add(normalised(row.matched_name.reveal()))  # whoever was told the right name may use it
    if normalised(name) not in names:
        raise PayeeNotVerified(reason="another_name")
    return row.result
