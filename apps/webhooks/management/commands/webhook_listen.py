"""Print events to a terminal as they come, and on request hand them to a program on this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from apps.core import outbox, tenancy
from apps.core.errors import Refusal
from apps.core.events import StoredEvent
from apps.core.ids import parse_public_id, public_id
from apps.core.outbox import Position
from apps.webhooks.domain.addresses import check_url
from apps.webhooks.domain.filters import is_filter
from apps.webhooks.sending.claiming import event_body
from apps.webhooks.sending.http import Reply, Sender, Target
from apps.webhooks.signatures import standard

PAUSE_S = 0.2
BATCH = 200


class Command(BaseCommand):
    help = (
        "Print events as they come; with --forward-to also POST them, signed, as an endpoint would get them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe what can be chosen."""
        parser.add_argument("--organisation", help="only this organisation's events (org_…)")
        parser.add_argument(
            "--events", action="append", default=[], help='a name, or a prefix such as "payments.*"'
        )
        parser.add_argument("--forward-to", default="", help="a URL, also of this machine")
        parser.add_argument("--limit", type=int, default=0, help="end after so many events")
        parser.add_argument("--seconds", type=float, default=0, help="end after so many seconds")
        parser.add_argument("--json", action="store_true", help="one JSON document a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow the outbox from now on. Ends with Ctrl-C, --limit or --seconds."""
        organisation_id = _checked(options)
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        if options["forward_to"]:
            self.stderr.write(f"Forwarding to {options['forward_to']}, signed with {secret}")
        self.stderr.write("Listening; Ctrl-C ends it.")
        position, shown = _now(), 0
        ends = time.monotonic() + options["seconds"] if options["seconds"] else None
        while ends is None or time.monotonic() < ends:
            with tenancy.scope(tenancy.PLATFORM):
                batch = outbox.read_after(position, limit=BATCH)
            for item in batch:
                position = item.position
                if not _wanted(item.event, organisation_id, options["events"]):
                    continue
                self._show(item.event, options, secret)
                shown += 1
                if shown == options["limit"]:
                    return
            if not batch:
                time.sleep(PAUSE_S)

    def _show(self, event: StoredEvent, options: dict[str, Any], secret: str) -> None:
        body = event_body(
            key=public_id("evt", event.id),
            name=event.name,
            version=event.version,
            object_type=event.object_type,
            object_id=event.object_id,
            payload=event.payload,
            occurred_at=event.occurred_at,
        )
        if options["json"]:
            self.stdout.write(body.decode())
        else:
            told = json.dumps(event.payload, indent=2, ensure_ascii=False)
            self.stdout.write(f"{event.occurred_at:%H:%M:%S} {event.name} {event.object_id}\n{told}")
        if options["forward_to"]:
            reply = asyncio.run(_forward(options["forward_to"], secret, public_id("evt", event.id), body))
            self.stderr.write(f"  → {reply.answer.status_code or reply.answer.error} in {reply.took_ms} ms")
        sys.stdout.flush()


def _checked(options: dict[str, Any]) -> UUID | None:
    """Check what was chosen; return the organisation's key. Raises CommandError."""
    bad = [entry for entry in options["events"] if not is_filter(entry)]
    if bad:
        raise CommandError(f"{bad[0]!r} is not the name of an event, or a prefix that ends in .*")
    try:
        if options["forward_to"]:
            check_url(options["forward_to"], allow_local=True)
        return parse_public_id("org", options["organisation"]) if options["organisation"] else None
    except Refusal as refusal:
        raise CommandError(f"{refusal.title} ({refusal})") from None


def _now() -> Position:
    """Stand behind everything that is committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return Position(cursor.fetchone()[0], -1)


def _wanted(event: StoredEvent, organisation_id: UUID | None, filters: list[str]) -> bool:
    if organisation_id is not None and event.organisation_id != organisation_id:
        return False
    return not filters or any(
        entry in ("*", event.name) or (entry.endswith(".*") and event.name.startswith(entry[:-1]))
        for entry in filters
    )


async def _forward(url: str, secret: str, event_id: str, body: bytes) -> Reply:
    at = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standard.sign(secrets=[secret], message_id=event_id, at=at, body=body),
    }
    # The address is the developer's own choice, on the developer's own machine.
    async with Sender(allow_local=True) as sender:
        return await sender.post(Target(url), headers=headers, body=body)
