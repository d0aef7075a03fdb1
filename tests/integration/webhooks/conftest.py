"""What the tests of both doors share: a source that signs like a provider, and appliers that count."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apps.core import clock, tenancy
from apps.core.actors import Actor, system_actor
from apps.core.commands import execute
from apps.webhooks.commands import inbox as inbox_commands
from apps.webhooks.commands.sources import AddSource
from apps.webhooks.domain.effects import Applied
from apps.webhooks.intake import Inbound, receive
from apps.webhooks.models import InboxEvent, Source
from apps.webhooks.signatures import standard
from apps.webhooks.sources import forget_sources

ACTOR = system_actor("tests")
SECRET = "whsec_" + base64.b64encode(b"inbound secret of the tests 1234").decode()


@dataclass
class Provider:
    """A provider that sends Standard Webhooks to one source of an organisation."""

    organisation_id: UUID
    path_token: str
    source_id: UUID
    secret: str = SECRET

    def headers(self, event_id: str, body: bytes, at: datetime | None = None) -> dict[str, str]:
        at = at or datetime.now(UTC)
        signature = standard.sign(secrets=[self.secret], message_id=event_id, at=at, body=body)
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
            "content-type": "application/json",
        }

    def inbound(self, event_id: str | None = None, *, body: bytes | None = None, **changes: Any) -> Inbound:
        event_id = event_id or f"evt-{uuid.uuid4()}"
        body = event_body() if body is None else body
        headers = changes.pop("headers", None) or self.headers(event_id, body)
        return Inbound(
            path_token=self.path_token,
            method="POST",
            url="https://bezant.example/webhooks/in/x",
            headers=headers,
            body=changes.pop("sent_body", body),
            remote_address="192.0.2.1",
            **changes,
        )

    def send(self, event_id: str | None = None, **changes: Any) -> Any:
        return receive(self.inbound(event_id, **changes), at=datetime.now(UTC))

    def events(self) -> list[InboxEvent]:
        with tenancy.scope(self.organisation_id):
            return list(InboxEvent.objects.filter(source_id=self.source_id).order_by("id"))

    def event(self, event_id: str) -> InboxEvent:
        with tenancy.scope(self.organisation_id):
            return InboxEvent.objects.get(source_id=self.source_id, event_id=event_id)


def event_body(**data: Any) -> bytes:
    return json.dumps(
        {"type": "tests.happened", "timestamp": "2026-01-01T00:00:00Z", "data": data or {"id": "x"}}
    ).encode()


@pytest.fixture
def provider(organisation: Any) -> Provider:
    """Give a provider whose source is open, and an inbox that holds nothing of the tests before."""
    sql(
        "UPDATE webhooks_inboxevent SET status = 'discarded' WHERE status NOT IN ('applied', 'ignored', 'dead')"
    )
    outcome = execute(
        AddSource(organisation.id, "standardwebhooks", "tests", SECRET),
        actor=ACTOR,
        key=None,
        at=clock.database_now(),
    )
    token = outcome.answer["path"].rsplit("/", 1)[-1]
    with tenancy.scope(organisation.id):
        source = Source.objects.get(path_token=token)
    forget_sources()
    return Provider(organisation.id, token, source.pk)


@dataclass
class Applier:
    """Stands in for the payments context: remembers what was applied, in a table, so that it commits with it."""

    behave: Any = None
    seen: list[str] = field(default_factory=list)

    def __call__(self, row: InboxEvent, context: Any) -> Any:
        self.seen.append(row.event_id)
        return self.behave(row, context) if self.behave else Applied()


@pytest.fixture
def applier(monkeypatch: pytest.MonkeyPatch) -> Applier:
    """Give an applier for Standard Webhooks events, in place of the payments context."""
    made = Applier()
    monkeypatch.setitem(inbox_commands.APPLIERS, "standardwebhooks", made)
    return made


def make_due(event_row: InboxEvent) -> None:
    """Let an event's pause be over."""
    with tenancy.scope(event_row.organisation_id):
        InboxEvent.objects.filter(pk=event_row.pk).update(next_at=clock.database_now() - timedelta(seconds=1))


def actor_of(organisation_id: UUID, *permissions: str) -> Actor:
    return Actor("api", "tests", organisation_id, frozenset(permissions))


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@dataclass
class Certificates:
    """A certificate authority, a server's context that asks for client certificates, and a client's PEM."""

    ca_pem: str
    client_pem: str
    server_context: Any


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give certificates made for this run."""
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.now(UTC)

    def issue(name: str, issuer: Any, issuer_key: Any, *, authority: bool = False) -> tuple[Any, Any]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        )
        return builder.sign(issuer_key or key, hashes.SHA256()), key

    def pem(certificate: Any, key: Any = None) -> str:
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        if key is not None:
            text += key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
        return text

    ca, ca_key = issue("tests", None, None, authority=True)
    server, client = issue("localhost", ca, ca_key), issue("merchant", ca, ca_key)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_text(pem(*server))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pem(ca))
    context.load_cert_chain(path)
    context.verify_mode = ssl.CERT_REQUIRED
    return Certificates(pem(ca), pem(*client), context)
