"""The relay: skips nothing, gives up on nothing early, and lets nobody hold up the others."""

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from apps.core import outbox, relay, tenancy
from apps.core.consumers import CONSUMERS, Consumer
from apps.core.models import ConsumerCursor, DeadEvent, OutboxEvent
from tests.horizon import pass_horizon

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def consumer(db):
    """Put a consumer of test events in place of all others, starting at the end of the outbox."""
    kept, seen = dict(CONSUMERS), []
    CONSUMERS.clear()
    name = f"tests.{uuid.uuid4()}"

    def start(react):
        CONSUMERS[name] = Consumer(name, frozenset({"test.happened"}), react)
        with tenancy.scope(tenancy.PLATFORM):
            last = OutboxEvent.objects.order_by("-xid", "-seq").first()
        ConsumerCursor.objects.create(consumer=name, xid=last.xid if last else 0, seq=last.seq if last else 0)
        return name

    yield start, seen
    CONSUMERS.clear()
    CONSUMERS.update(kept)


def insert(cursor, organisation_id, object_id):
    cursor.execute(
        "INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id, payload,"
        " correlation_id, occurred_at) VALUES (%s, %s, 'test.happened', 1, 'thing', %s, '{}', 'c', now())",
        [uuid.uuid4(), organisation_id, object_id],
    )


def happen(organisation_id, object_id):
    with tenancy.scope(organisation_id), connection.cursor() as cursor:
        insert(cursor, organisation_id, object_id)


class TestTheRelay:
    def test_hands_over_each_event_in_order(self, consumer, organisation_id):
        start, seen = consumer
        start(lambda event: seen.append(event.object_id))
        for number in range(5):
            happen(organisation_id, f"t{number}")

        pass_horizon()
        relay.drain()

        assert seen == ["t0", "t1", "t2", "t3", "t4"]

    def test_does_not_skip_what_commits_late(self, consumer, organisation_id):
        start, seen = consumer
        start(lambda event: seen.append(event.object_id))
        address = settings.DATABASES["default"]
        with psycopg.connect(
            dbname=connection.settings_dict["NAME"], user=address["USER"], host=address["HOST"]
        ) as late:
            with late.cursor() as cursor:
                cursor.execute("SELECT set_config('bezant.organisation', %s, true)", [str(organisation_id)])
                insert(cursor, organisation_id, "late")
            happen(organisation_id, "early")
            relay.drain()
            before_the_commit = list(seen)
            late.commit()

        pass_horizon()
        relay.drain()

        assert before_the_commit == []
        assert sorted(seen) == ["early", "late"]

    def test_tries_a_failing_reaction_again_and_then_buries_the_event(self, consumer, organisation_id):
        start, seen = consumer

        def react(event):
            seen.append(event.object_id)
            if event.object_id == "poison":
                raise ValueError("with a name in it")

        name = start(react)
        for object_id in ("first", "poison", "last"):
            happen(organisation_id, object_id)
        moment = NOON
        pass_horizon()
        for _ in range(relay.ATTEMPTS_MAX + 1):
            relay.drain(now=lambda at=moment: at)
            moment += timedelta(minutes=5)

        assert seen == ["first", *["poison"] * relay.ATTEMPTS_MAX, "last"]
        dead = DeadEvent.objects.get(consumer=name)
        assert dead.attempts == relay.ATTEMPTS_MAX
        assert dead.error.startswith("ValueError at ")
        assert "name in it" not in dead.error

    def test_waits_between_attempts(self, consumer, organisation_id):
        start, seen = consumer

        def react(event):
            seen.append(event.object_id)
            raise ValueError

        start(react)
        happen(organisation_id, "poison")

        pass_horizon()
        relay.drain(now=lambda: NOON)
        relay.drain(now=lambda: NOON + timedelta(milliseconds=100))

        assert seen == ["poison"]

    def test_tells_how_long_the_oldest_event_waits(self, consumer, organisation_id):
        start, _ = consumer
        start(lambda event: None)
        happen(organisation_id, "t")

        with tenancy.scope(tenancy.PLATFORM):
            assert outbox.newest_lag_s() > 0
