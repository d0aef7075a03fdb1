"""Answering a dispute: handing in evidence, or letting it stand. `card_calls` delivers the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, NotFound
from apps.core.ids import public_id
from apps.payments.card_store import SEND_AFTER
from apps.payments.domain.card_numbers import refuse_card_number
from apps.payments.domain.cards import DisputeEvent
from apps.payments.domain.references import clean_text
from apps.payments.lifecycle_store import Origin, advance, decide_for, lock, lock_payment
from apps.payments.models_cards import EVIDENCE_MAX, Dispute, DisputeEvidence
from apps.payments.representation import dispute_data


class TooLate(Conflict):
    code = "evidence_too_late"
    title = "The time for evidence is over."


@dataclass(frozen=True)
class ContestDispute(Command):
    """Hand in evidence against an open dispute, once."""

    dispute_id: UUID
    text: str = field(repr=False)


@dataclass(frozen=True)
class AcceptDispute(Command):
    """Let an open dispute stand: it will be lost."""

    dispute_id: UUID


@handles(ContestDispute, name="payments.contest_dispute", version=1, permission="payments.write")
def contest_dispute(command: ContestDispute, context: Context) -> dict[str, Any]:
    """Store the evidence, sealed. Raises IllegalTransition, TooLate, Invalid, CardNumberRefused."""
    row = _locked(command.dispute_id, command.organisation_id)
    lines = [clean_text(line, field="text", length_max=EVIDENCE_MAX) for line in command.text.splitlines()]
    text = clean_text(
        " ".join(line for line in lines if line), field="text", length_max=EVIDENCE_MAX, required=True
    )
    refuse_card_number(text, field="text")
    if row.evidence_due_at is not None and context.at >= row.evidence_due_at:
        raise TooLate(id=public_id("dsp", row.pk), due=row.evidence_due_at.isoformat())
    answer = _answer(row, DisputeEvent.SUBMIT, context)
    DisputeEvidence.objects.create(
        id=context.new_id(),
        organisation_id=row.organisation_id,
        dispute_id=row.pk,
        text=text,
        submitted_by=str(context.actor),
        submitted_at=context.at,
    )
    return answer


@handles(AcceptDispute, name="payments.accept_dispute", version=1, permission="payments.write")
def accept_dispute(command: AcceptDispute, context: Context) -> dict[str, Any]:
    """Accept the dispute. Raises IllegalTransition."""
    return _answer(_locked(command.dispute_id, command.organisation_id), DisputeEvent.ACCEPT, context)


def _locked(dispute_id: UUID, organisation_id: UUID | None) -> Dispute:
    found = Dispute.objects.filter(pk=dispute_id).first()
    if found is None or found.organisation_id != organisation_id:
        raise NotFound(object="dispute", id=public_id("dsp", dispute_id))
    lock_payment(found.payment_id, organisation_id=organisation_id)
    return lock(Dispute, dispute_id, organisation_id=organisation_id)


def _answer(row: Dispute, event: DisputeEvent, context: Context) -> dict[str, Any]:
    transition = decide_for(row, event).transition
    assert transition is not None, "an answer is asked for, never late"
    advance(row, transition, context, Origin(context.actor.kind), ask_at=context.at + SEND_AFTER)
    return {**dispute_data(row), "next": [public_id("dsp", row.pk)]}
