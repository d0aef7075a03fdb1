"""API clients: registered, given another secret, disabled.

No command holds a secret, and no answer does: the caller makes one (`new_client_secret`), hands its
digest to the command and shows the secret once. Stored answers and approvals therefore never know it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from apps.accounts import public as accounts
from apps.authz import queries
from apps.authz.events import ClientDisabled, ClientRegistered, ClientSecretRotated
from apps.authz.models import AccessToken, Application, Grant, RefreshToken
from apps.authz.oauth.validator import CLIENT, CODE, REFRESH
from apps.authz.scopes import CUSTOMER_SCOPES, SCOPES
from apps.core import ids
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid, NotFound

REDIRECT_URIS_MAX, URI_CHARS_MAX = 10, 500
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ClientIsDisabled(Conflict):
    code = "client_disabled"
    title = "The client has been disabled."


@dataclass(frozen=True)
class RegisterApiClient(Command):
    """Register a program of an organisation.

    `secret_digest` is `digest_of(new_client_secret())`; a public client (an app in people's hands, which
    can keep no secret) has none. Redirect URIs are needed for authorization codes.
    """

    name: str
    scopes: tuple[str, ...]
    secret_digest: str = ""
    grant_types: tuple[str, ...] = (CLIENT,)
    redirect_uris: tuple[str, ...] = ()
    public: bool = False


@handles(RegisterApiClient, name="authz.register_api_client", version=1, permission="clients.write")
def register_api_client(command: RegisterApiClient, context: Context) -> dict[str, Any]:
    """Save the client and answer with its id. Raises Invalid naming the field, NotFound."""
    assert command.organisation_id is not None
    organisation = accounts.organisation(command.organisation_id)
    _check_grants(command)
    _check_secret(command.secret_digest, public=command.public)
    scopes = _checked_scopes(command.scopes)
    if command.grant_types and CLIENT not in command.grant_types and not scopes & CUSTOMER_SCOPES:
        raise Invalid(field="scopes", reason="no customer could grant any of them")
    row = Application.objects.create(
        client_id=ids.public_id("cli", context.new_id()),
        organisation_id=organisation.id,
        name=accounts.clean_name(command.name),
        client_secret=command.secret_digest,
        client_type=Application.CLIENT_PUBLIC if command.public else Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=command.grant_types[0] if command.grant_types[0] != REFRESH else CODE,
        grant_types=sorted(set(command.grant_types)),
        allowed_scopes=sorted(scopes),
        redirect_uris=" ".join(_checked_uri(uri) for uri in command.redirect_uris),
        algorithm="ES256",
        token_endpoint_auth_method="none" if command.public else "client_secret_basic",
    )
    context.emit(ClientRegistered(row.client_id, tuple(row.allowed_scopes)))
    context.note("client", row.client_id, scopes=row.allowed_scopes, grant_types=row.grant_types)
    return queries.client_data(row)


@dataclass(frozen=True)
class RotateClientSecret(Command):
    """Give a client another secret; the former one stops at once, tokens live on until they expire."""

    client_id: str
    secret_digest: str

    def target(self) -> str:
        """Name the client: one waiting request about each."""
        return self.client_id


@handles(RotateClientSecret, name="authz.rotate_client_secret", version=1, permission="clients.write")
def rotate_client_secret(command: RotateClientSecret, context: Context) -> dict[str, Any]:
    """Save the digest. Raises NotFound, ClientIsDisabled, Invalid."""
    row = _locked(command.client_id)
    _check_secret(command.secret_digest, public=row.client_type == Application.CLIENT_PUBLIC)
    row.client_secret = command.secret_digest
    row.save(update_fields=["client_secret", "updated"])
    context.emit(ClientSecretRotated(row.client_id))
    context.note("client", row.client_id)
    return queries.client_data(row)


@dataclass(frozen=True)
class DisableApiClient(Command):
    """End a client's access at once and for good."""

    client_id: str

    def target(self) -> str:
        """Name the client: one waiting request about each."""
        return self.client_id


@handles(DisableApiClient, name="authz.disable_api_client", version=1, permission="clients.write")
def disable_api_client(command: DisableApiClient, context: Context) -> dict[str, Any]:
    """Mark the client and delete its tokens and codes. Raises NotFound, ClientIsDisabled."""
    row = _locked(command.client_id)
    row.disabled_at = context.at
    row.save(update_fields=["disabled_at", "updated"])
    RefreshToken.objects.filter(application=row).delete()
    AccessToken.objects.filter(application=row).delete()
    Grant.objects.filter(application=row).delete()
    context.emit(ClientDisabled(row.client_id))
    context.note("client", row.client_id)
    return queries.client_data(row)


def _locked(client_id: str) -> Application:
    row = Application.objects.select_for_update(no_key=True).filter(client_id=client_id).first()
    if row is None:
        raise NotFound(object="client")
    if row.disabled_at is not None:
        raise ClientIsDisabled
    return row


def _check_grants(command: RegisterApiClient) -> None:
    known = {CLIENT, CODE, REFRESH}
    given = set(command.grant_types)
    if not given or given - known or given == {REFRESH}:
        raise Invalid(field="grant_types", known=sorted(known))
    if REFRESH in given and CODE not in given:
        raise Invalid(field="grant_types", reason="only what a customer granted is refreshed")
    if command.public and CLIENT in given:
        raise Invalid(field="grant_types", reason="a public client has no credentials of its own")
    if (CODE in given) != bool(command.redirect_uris) or len(command.redirect_uris) > REDIRECT_URIS_MAX:
        raise Invalid(
            field="redirect_uris", reason=f"1 to {REDIRECT_URIS_MAX}, for authorization codes alone"
        )


def _check_secret(digest: str, *, public: bool) -> None:
    if public and digest:
        raise Invalid(field="secret_digest", reason="a public client keeps no secret")
    if not public and not _DIGEST.fullmatch(digest):
        raise Invalid(field="secret_digest", reason="not the SHA-256 of a secret in hex")


def _checked_scopes(scopes: tuple[str, ...]) -> set[str]:
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise Invalid(field="scopes", unknown=[name[:40] for name in unknown[:5]], known=sorted(SCOPES))
    return set(scopes)


def _checked_uri(uri: str) -> str:
    """Return a redirect URI that a code may be sent to: https, or http to the same machine. Raises Invalid."""
    if len(uri) > URI_CHARS_MAX or not re.fullmatch(r"[\x21-\x7e]+", uri) or "*" in uri or "#" in uri:
        raise Invalid(field="redirect_uris", reason="not a plain address without fragment")
    try:
        parts = urlsplit(uri)
        host, user = parts.hostname or "", parts.username
    except ValueError:
        raise Invalid(field="redirect_uris", reason="not an address") from None
    local = parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")
    if user is not None or not host or not (parts.scheme == "https" or local):
        raise Invalid(field="redirect_uris", reason="https, or http to localhost")
    return uri
