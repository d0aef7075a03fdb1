"""Finding out whether a name belongs to an IBAN: from our own accounts, else from a provider.

A provider is anything that answers `PayeeProvider`; the one here speaks JSON over HTTP, as the sandbox's
bank does. What it does not answer in time, or not usably, is "not possible", which is no negative.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import Actor, system_actor
from apps.core.commands import execute
from apps.core.crypto.errors import KeyDestroyed
from apps.core.ids import parse_public_id, public_id
from apps.payments import circuits, transport
from apps.payments.commands.payees import AnswerPayeeVerification, RequestPayeeVerification
from apps.payments.commands.providers import NoteCall
from apps.payments.domain import payee
from apps.payments.domain.payee import Result
from apps.payments.models_instant import PayeeVerification

PROVIDER = "payee_verification"
ANSWER_WITHIN_S = 3.0
"""The scheme gives five seconds in all; the payer waits."""
ANSWER_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, by whom; the holder's name for a close match."""

    result: Result
    provider: str
    matched_name: str = ""
    error: str = ""


class PayeeProvider(Protocol):
    """Whoever knows the holders of accounts elsewhere."""

    def verify(self, *, name: str, iban: str) -> Finding:
        """Answer; never raises for what the other side does."""
        ...


class HttpProvider:
    """A provider that takes {"name", "iban"} and answers {"result", "matched_name"}."""

    def verify(self, *, name: str, iban: str) -> Finding:
        """Ask once."""
        url = transport.url_of(PROVIDER)
        if not url:
            return Finding(Result.NOT_POSSIBLE, "")
        body = json.dumps({"name": name, "iban": iban}).encode()
        reply = transport.post(url, body, content_type="application/json", total_s=ANSWER_WITHIN_S)
        if reply.error:
            return Finding(Result.NOT_POSSIBLE, PROVIDER, error=reply.error)
        return read_answer(reply.body)


def read_answer(body: bytes) -> Finding:
    """Read a provider's answer; what is not one is "not possible" with an error."""
    unusable = Finding(Result.NOT_POSSIBLE, PROVIDER, error="unusable_answer")
    if len(body) > ANSWER_BYTES_MAX:
        return unusable
    try:
        told = json.loads(body)
        result, name = Result(told["result"]), told.get("matched_name") or ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return unusable
    if not isinstance(name, str) or len(name) > payee.NAME_MAX or not name.isprintable():
        return unusable
    if result is Result.CLOSE_MATCH and not name:
        return unusable  # a close match tells the name, or it is none
    return Finding(result, PROVIDER, name if result is Result.CLOSE_MATCH else "")


def verify_payee(
    organisation_id: UUID,
    *,
    name: str,
    iban: str,
    actor: Actor,
    key: str | None,
    provider: PayeeProvider | None = None,
) -> tuple[UUID, bool]:
    """Ask and store. Returns the verification's key, and whether this key was used for it before.

    Raises Invalid, BadIban, and the refusals of idempotency.
    """
    request = RequestPayeeVerification(organisation_id, name, iban)
    asked = execute(request, actor=actor, key=key, at=clock.database_now())
    verification_id = parse_public_id("vop", asked.answer["id"])
    if not asked.replayed or _is_unanswered(organisation_id, verification_id):
        found = _find(organisation_id, verification_id, provider or HttpProvider(), actor)
        answer = AnswerPayeeVerification(
            organisation_id, verification_id, found.result.value, found.provider, found.matched_name
        )
        execute(answer, actor=actor, key=None, at=clock.database_now())
    return verification_id, asked.replayed


def _is_unanswered(organisation_id: UUID, verification_id: UUID) -> bool:
    with tenancy.scope(organisation_id):
        return PayeeVerification.objects.filter(pk=verification_id, result="").exists()


def _find(organisation_id: UUID, verification_id: UUID, provider: PayeeProvider, actor: Actor) -> Finding:
    with tenancy.scope(organisation_id):
        row = PayeeVerification.objects.get(pk=verification_id)
        name, iban = row.name.reveal(), row.iban.reveal()
    ours = our_own(name, iban)
    if ours is not None:
        return ours
    at = clock.database_now()
    with tenancy.scope(tenancy.PLATFORM):
        if not circuits.passable([PROVIDER], at=at)[PROVIDER]:
            return Finding(Result.NOT_POSSIBLE, PROVIDER)
    found = provider.verify(name=name, iban=iban)
    note_call(found.error, at=at)
    return found


def our_own(name: str, iban: str) -> Finding | None:
    """Answer for an account that we hold, whichever organisation's; None for any other."""
    with tenancy.scope(tenancy.PLATFORM):
        account = accounts.payment_account_by_iban(iban)
        if account is None:
            return None
        if account.status == "closed":
            return Finding(Result.NO_MATCH, "own")
        try:
            holder = (
                accounts.customer(account.party_id).name.reveal()
                if account.party_id is not None
                else accounts.organisation(account.organisation_id).name
            )
        except KeyDestroyed:
            return Finding(Result.NOT_POSSIBLE, "own")
    result = payee.compare(name, holder)
    return Finding(result, "own", holder if result is Result.CLOSE_MATCH else "")


def note_call(error: str, *, at: datetime) -> None:
    """Hold a failed call against the provider, or a success in its favour."""
    if error or not circuits.is_clean(PROVIDER):
        execute(NoteCall(None, PROVIDER, error), actor=system_actor("verify_payee"), key=None, at=at)


def verification_data(row: PayeeVerification) -> dict[str, Any]:
    """Return the JSON of a verification. The holder's name is told for a close match alone."""
    close = row.result == Result.CLOSE_MATCH and row.matched_name is not None
    return {
        "id": public_id("vop", row.pk),
        "result": row.result,
        "matched_name": row.matched_name.shown() if close else None,
        "provider": row.provider,
        "requested_at": row.requested_at.isoformat().replace("+00:00", "Z"),
        "answered_at": row.answered_at.isoformat().replace("+00:00", "Z") if row.answered_at else None,
    }
