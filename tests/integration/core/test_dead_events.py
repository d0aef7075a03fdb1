"""Dead events: listed, handed over again, discarded; each once and on record."""

import json
import uuid
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command

from apps.compliance.public import audit_of_object
from apps.core import ids, relay, tenancy
from apps.core.consumers import CONSUMERS, Consumer
from apps.core.ids import public_id
from apps.core.models import DeadEvent, OutboxEvent
from tests.factories import merchant

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.fixture
def dead(db):
    """Return a consumer that fails until it is told not to, and an event that died of it."""
    merchant()
    reactions = []

    def react(event):
        reactions.append(event.id)
        if len(reactions) == 1:
            raise ValueError("not yet")

    name = f"test.{uuid.uuid4()}"
    CONSUMERS[name] = Consumer(name, frozenset(), react)
    with tenancy.scope(tenancy.PLATFORM):
        event = OutboxEvent.objects.order_by("-id").first()
    row = DeadEvent.objects.create(
        id=ids.uuid7(AT),
        consumer=name,
        event_id=event.id,
        name=event.name,
        error="ValueError",
        attempts=relay.ATTEMPTS_MAX,
        died_at=AT,
    )
    yield row, reactions
    del CONSUMERS[name]


def run(row, *arguments):
    out = StringIO()
    try:
        call_command("dead_events", *arguments, "--consumer", row.consumer, "--json", stdout=out)
    except SystemExit as exit_:
        return exit_.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


class TestDeadEvents:
    def test_are_replayed_until_they_work_and_then_off_the_list(self, dead):
        row, reactions = dead

        first, told = run(row, "replay", "--reason", "fixed the parser")
        again, _ = run(row, "replay", "--reason", "fixed the parser")
        _, left = run(row, "list")

        assert (first, again) == (1, 0)
        assert told["dead_events"][0]["error_now"].startswith("ValueError")
        assert reactions == [row.event_id, row.event_id]
        assert left["dead_events"] == []
        with tenancy.scope(tenancy.PLATFORM):
            (entry,) = audit_of_object(public_id("dev", row.pk), limit=10)
            assert entry.action == "core.settle_dead_event"

    def test_are_discarded_with_a_reason(self, dead):
        row, reactions = dead

        assert run(row, "discard", public_id("dev", row.pk), "--reason", "a test merchant")[0] == 0
        row.refresh_from_db()

        assert (row.settled_as, reactions) == ("discarded", [])

    def test_stay_as_they_are_in_a_dry_run(self, dead):
        row, reactions = dead

        assert run(row, "replay", "--dry-run", "--reason", "look")[0] == 0
        assert (len(run(row, "list")[1]["dead_events"]), reactions) == (1, [])
