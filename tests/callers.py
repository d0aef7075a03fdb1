"""Callers of the API with real tokens, and of the authorization server as a program meets it."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.test import Client

from apps.authz import public as authz
from tests.factories import do

FORM = "application/x-www-form-urlencoded"


def register(organisation_id: UUID, *scopes: str, **options: Any) -> tuple[str, str]:
    """Register a client of the organisation and return its id and secret."""
    secret = "" if options.get("public") else authz.new_client_secret()
    digest = authz.digest_of(secret) if secret else ""
    command = authz.RegisterApiClient(
        organisation_id, name="Test program", scopes=scopes, secret_digest=digest, **options
    )
    return do(command)["client_id"], secret


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def post_form(
    path: str, data: dict[str, str], headers: dict[str, str] | None = None, http: Client | None = None
):
    return (http or Client()).post(path, urlencode(data), content_type=FORM, headers=headers or {})


def token_for(client_id: str, secret: str, scope: str = "") -> str:
    """Return a token of the client itself."""
    data = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    answer = post_form("/oauth/token", data, basic(client_id, secret))
    assert answer.status_code == 200, answer.content
    return answer.json()["access_token"]


class Program:
    """A program of an organisation, with a token, calling the API."""

    def __init__(self, organisation_id: UUID, *scopes: str) -> None:
        self.client_id, self.secret = register(organisation_id, *scopes)
        self.use(token_for(self.client_id, self.secret))

    def use(self, token: str) -> Program:
        self.token, self.http = token, Client(headers={"Authorization": f"Bearer {token}"})
        return self

    def get(self, path: str, **query: Any):
        return self.http.get(f"/api/v1/{path}", query)

    def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, raw: bytes | None = None
    ):
        return getattr(self.http, method)(
            f"/api/v1/{path}",
            raw if raw is not None else json.dumps({} if body is None else body),
            content_type="application/json",
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    def post(self, path: str, body: Any = None, **options: Any):
        return self.send("post", path, body, **options)
