"""Sources of inbound webhooks: add, roll the secret, switch on and off."""

from __future__ import annotations

import base64
import secrets as randomness
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid, NotFound
from apps.core.ids import public_id
from apps.webhooks.models import Source, SourceSecret
from apps.webhooks.signatures import PROVIDERS
from apps.webhooks.sources import forget_sources

OVERLAP_MAX = timedelta(days=30)


@dataclass(frozen=True)
class AddSource(Command):
    """Open an address for a provider's account. `secret` is what the provider shows, or "" to make one."""

    provider: str
    title: str
    secret: str = field(repr=False)
    config: dict[str, Any] = field(default_factory=dict)


@handles(AddSource, name="webhooks.add_source", version=1, permission="webhooks.write")
def add_source(command: AddSource, context: Context) -> dict[str, Any]:
    """Return the source's id and path; a secret is never a part of an answer, since answers are stored.

    Raises Invalid.
    """
    if command.provider not in PROVIDERS:
        raise Invalid(field="provider", allowed=sorted(PROVIDERS))
    if not 0 < len(command.title) <= 100:
        raise Invalid(field="title")
    source = Source.objects.create(
        id=context.new_id(),
        organisation_id=_organisation(command),
        provider=command.provider,
        title=command.title,
        path_token=randomness.token_urlsafe(32),
        config=command.config,
        created_at=context.at,
    )
    _add_secret(
        source, command.secret or _new_secret(), context, valid_from=context.at - timedelta(minutes=5)
    )
    context.note("webhook_source", public_id("src", source.pk), provider=command.provider)
    return {"id": public_id("src", source.pk), "path": f"/webhooks/in/{source.path_token}"}


@dataclass(frozen=True)
class RollSourceSecret(Command):
    """Add a secret to a source; the older ones end after `overlap_s` seconds."""

    source_id: UUID
    secret: str = field(repr=False)
    overlap_s: int = 86_400


@handles(RollSourceSecret, name="webhooks.roll_source_secret", version=1, permission="webhooks.write")
def roll_source_secret(command: RollSourceSecret, context: Context) -> dict[str, Any]:
    """Return when the older secrets end. Raises NotFound, Invalid."""
    source = _locked(command)
    if not 0 <= command.overlap_s <= OVERLAP_MAX.total_seconds():
        raise Invalid(field="overlap_s", max=int(OVERLAP_MAX.total_seconds()))
    ends_at = context.at + timedelta(seconds=command.overlap_s)
    signing = SourceSecret.objects.filter(source_id=source.pk, use=SourceSecret.Use.SIGNING)
    signing.filter(valid_until=None).update(valid_until=ends_at)
    _add_secret(
        source, command.secret or _new_secret(), context, valid_from=context.at - timedelta(minutes=5)
    )
    context.note("webhook_source", public_id("src", source.pk), older_end_at=ends_at.isoformat())
    forget_sources()
    return {"id": public_id("src", source.pk), "older_end_at": ends_at.isoformat()}


@dataclass(frozen=True)
class SetSourceApiKey(Command):
    """Give the reconciler a key of the provider's API; the former one is used no more."""

    source_id: UUID
    api_key: str = field(repr=False)


@handles(SetSourceApiKey, name="webhooks.set_source_api_key", version=1, permission="webhooks.write")
def set_source_api_key(command: SetSourceApiKey, context: Context) -> dict[str, Any]:
    """Return the source's id. Raises NotFound, Invalid."""
    source = _locked(command)
    former = SourceSecret.objects.filter(source_id=source.pk, use=SourceSecret.Use.API, valid_until=None)
    former.update(valid_until=context.at)
    _add_secret(source, command.api_key, context, valid_from=context.at, use=SourceSecret.Use.API)
    context.note("webhook_source", public_id("src", source.pk), what="api key")
    return {"id": public_id("src", source.pk)}


@dataclass(frozen=True)
class SwitchSource(Command):
    """Open or close a source's address. A closed one answers 404, as if it had never been."""

    source_id: UUID
    active: bool


@handles(SwitchSource, name="webhooks.switch_source", version=1, permission="webhooks.write")
def switch_source(command: SwitchSource, context: Context) -> dict[str, Any]:
    """Return the new state. Raises NotFound."""
    source = _locked(command)
    source.state = Source.State.ACTIVE if command.active else Source.State.DISABLED
    source.save(update_fields=["state"])
    context.note("webhook_source", public_id("src", source.pk), state=source.state)
    forget_sources()
    return {"id": public_id("src", source.pk), "state": str(source.state)}


def _locked(command: RollSourceSecret | SetSourceApiKey | SwitchSource) -> Source:
    source = Source.objects.select_for_update().filter(pk=command.source_id).first()
    if source is None or source.organisation_id != command.organisation_id:
        raise NotFound(source=public_id("src", command.source_id))
    return source


def _add_secret(
    source: Source,
    secret: str,
    context: Context,
    *,
    valid_from: datetime,
    use: SourceSecret.Use = SourceSecret.Use.SIGNING,
) -> None:
    if not 0 < len(secret) <= 8_000:
        raise Invalid(field="secret")
    SourceSecret.objects.create(
        id=context.new_id(),
        organisation_id=source.organisation_id,
        source_id=source.pk,
        use=use,
        value=secret,
        valid_from=valid_from,
    )


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(randomness.token_bytes(32)).decode()


def _organisation(command: Command) -> UUID:
    if command.organisation_id is None:
        raise Invalid(field="organisation_id")
    return command.organisation_id
