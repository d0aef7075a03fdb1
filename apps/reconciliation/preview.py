"""Dry runs: the same handler in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from apps.core import db, logs, tenancy
from apps.core.actors import Actor
from apps.core.commands import Answer, Command, Context, spec_of
from apps.core.errors import Denied
from apps.core.ids import uuid7


def preview(command: Command, *, actor: Actor, at: datetime, before: Sequence[Command] = ()) -> Answer:
    """Give the answer the command would give now, after the ones before it, and change nothing.

    What takes a second person is shown as it would be done once approved.

    Raises what a handler refuses, and Denied. Nothing is audited: nothing was done.
    """
    with db.new_transaction():
        try:
            for earlier in before:
                _run(earlier, actor, at)
            return _run(command, actor, at)
        finally:
            transaction.set_rollback(True)


def _run(command: Command, actor: Actor, at: datetime) -> Answer:
    spec = spec_of(command)
    if not actor.may(spec.permission) or not actor.belongs_to(command.organisation_id):
        raise Denied(permission=spec.permission)
    tenancy.switch(command.organisation_id)
    context = Context(
        actor=actor,
        at=at,
        command_id=uuid7(at),
        organisation_id=command.organisation_id,
        correlation_id=logs.correlation_id(),
        approved_by="preview",
        covers=spec.covers,
    )
    return spec.handler(command, context)
