"""Play the sandbox's payment provider: sign an event and send it to the platform, as a real one would."""

from __future__ import annotations

import json
import os
import uuid
from datetime import datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.webhooks import queries
from apps.webhooks.commands.sources import AddSource
from apps.webhooks.models import Source
from apps.webhooks.signatures import standard

PROVIDER, TITLE = "bezant_sandbox", "The sandbox's provider"
TIMEOUT_S = 10


class Command(BaseCommand):
    help = (
        "Tell the platform, by a signed webhook, that a customer has paid into an account (payin.succeeded)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the event."""
        parser.add_argument("account", help="the payment account that is credited (acc_…)")
        parser.add_argument("amount", help='such as "25.00"')
        parser.add_argument("currency")
        parser.add_argument("--type", default="payin.succeeded", help="payin.created, payin.failed, …")
        parser.add_argument("--event-id", default="", help="send under this id: a repeat changes nothing")
        parser.add_argument("--debtor-name", default="Helena Brandt")
        parser.add_argument("--debtor-iban", default="DE02120300000000202051")
        parser.add_argument("--reference", default="")
        parser.add_argument("--url", default="", help="where the platform is; by default this machine")
        parser.add_argument(
            "--tamper", action="store_true", help="change the body after signing: it must be refused"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send the event and print the answer. Raises CommandError for what cannot be sent or is refused."""
        if settings.ENVIRONMENT == "live":
            raise CommandError("The sandbox's provider does not exist where ENVIRONMENT is live.")
        at = clock.database_now()
        try:
            account_id = parse_public_id("acc", options["account"])
            amount = Money.parse(options["amount"], options["currency"])
            source = _source(_organisation_of(account_id), at)
        except Refusal as refusal:
            raise CommandError(f"{refusal.title} ({refusal})") from None
        with tenancy.scope(source.organisation_id):
            secret = queries.source_secret(source.pk)
        event_id = options["event_id"] or f"evt_{uuid.uuid4().hex}"
        body = _body(options, amount, event_id, at)
        base = options["url"] or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
        status, answer = _post(
            f"{base}/webhooks/in/{source.path_token}", body, options["tamper"], secret, event_id, at
        )
        self.stdout.write(json.dumps({"event_id": event_id, "status": status, "answer": answer}))
        if status != 200:
            raise CommandError(f"The platform answered {status}.")


def _organisation_of(account_id: UUID) -> UUID:
    with tenancy.scope(tenancy.PLATFORM):
        organisation_id: UUID = accounts.payment_account(account_id).organisation_id
        return organisation_id


def _source(organisation_id: UUID, at: datetime) -> Source:
    """Find the provider's source in the organisation, or open it."""
    with tenancy.scope(organisation_id):
        found = queries.sources().filter(provider=PROVIDER, state=Source.State.ACTIVE).first()
    if found is None:
        command = AddSource(organisation_id, PROVIDER, TITLE, "")
        answer = execute(command, actor=system_actor("manage.sandbox_provider"), key=None, at=at).answer
        with tenancy.scope(organisation_id):
            found = Source.objects.get(pk=parse_public_id("src", answer["id"]))
    return found


def _body(options: dict[str, Any], amount: Money, event_id: str, at: datetime) -> bytes:
    # A repeat under the same id must be the same event, so what it is about follows from the id.
    told = {
        "type": options["type"],
        "timestamp": at.isoformat(),
        "data": {
            "id": f"ord_{uuid.uuid5(uuid.NAMESPACE_URL, event_id).hex}",
            "account_id": public_id("acc", parse_public_id("acc", options["account"])),
            "amount": {"amount": amount.decimal_text(), "currency": amount.currency},
            "debtor": {"name": options["debtor_name"], "iban": options["debtor_iban"]},
            "reference": options["reference"] or f"Order {event_id[-6:]}",
        },
    }
    return json.dumps(told).encode()


def _post(
    url: str, body: bytes, tamper: bool, secret: str, event_id: str, at: datetime
) -> tuple[int, dict[str, Any]]:
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standard.sign(secrets=[secret], message_id=event_id, at=at, body=body),
    }
    sent = body.replace(b'"amount": "', b'"amount": "9', 1) if tamper else body
    request = Request(url, data=sent, headers=headers, method="POST")  # noqa: S310  # the platform's own URL
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)
    except (URLError, OSError) as error:
        raise CommandError(
            f"Nothing answers at {url.split('/webhooks/', maxsplit=1)[0]}: is the platform running?"
        ) from error
