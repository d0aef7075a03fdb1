"""What a user can cause. A refusal carries facts; the sentence for people is made at the edge."""

from __future__ import annotations

from typing import Any, ClassVar


class Refusal(Exception):
    """The platform understood the request and will not do it.

    `code` is stable and machine-readable, `status` the HTTP status it maps to, `title` one sentence
    for people, `facts` the numbers and names behind the decision (JSON-able, no personal data).
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 422
    title: ClassVar[str] = "The request was refused."

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.code)
        self.facts = facts

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code} ({facts})" if facts else self.code


class Invalid(Refusal):
    """A field has a value it cannot have; the fact `field` names it."""

    code = "invalid"
    title = "A field has a value that it cannot have."


class Denied(Refusal):
    """The actor is not allowed to do this."""

    code = "denied"
    status = 403
    title = "You are not allowed to do this."


class NotFound(Refusal):
    """There is no such object, or none that the actor may see: the two are not told apart."""

    code = "not_found"
    status = 404
    title = "There is no such object."


class Conflict(Refusal):
    """The object is not in a state in which this can be done."""

    code = "conflict"
    status = 409
    title = "The object is not in a state in which this can be done."


class ApprovalNeeded(Conflict):
    """A part of what was asked for takes a second person, and nobody has approved the whole with it."""

    code = "approval_needed"
    title = "A part of this takes a second person; ask for that part by itself."


class InFlight(Refusal):
    """A request with the same idempotency key is being worked on at this moment."""

    code = "in_flight"
    status = 409
    title = "A request with this idempotency key is still running; try again shortly."


class IdempotencyConflict(Refusal):
    """The idempotency key was used before, for another request."""

    code = "idempotency_conflict"
    title = "This idempotency key was used before for another request."


class StoredRefusal(Refusal):
    """A refusal given before under the same idempotency key, told again with its code and facts."""

    def __init__(self, *, code: str, status: int, title: str, facts: dict[str, Any]) -> None:
        super().__init__(**facts)
        self.code = code  # type: ignore[misc]  # one stored refusal is one instance, with its own code
        self.status = status  # type: ignore[misc]
        self.title = title  # type: ignore[misc]
        self.args = (code,)
