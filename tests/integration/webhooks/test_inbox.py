"""The inbound door from the request to the effect."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.db import OperationalError
from django.test import Client

from apps.core import clock, tenancy
from apps.core.commands import execute
from apps.core.db import Busy
from apps.core.errors import Conflict, Invalid, NotFound
from apps.webhooks import inbox, intake
from apps.webhooks.commands.inbox import ApplyInboxEvent, DiscardInboxEvent, LeaseLost, ReplayInboxEvent
from apps.webhooks.commands.sources import RollSourceSecret, SwitchSource
from apps.webhooks.domain.effects import Applied, Ignored, WaitingFor
from apps.webhooks.domain.schedule import INBOX_ATTEMPTS_MAX
from apps.webhooks.sources import forget_sources
from tests.integration.webhooks.conftest import ACTOR, SECRET, event_body, make_due, sql


def NOW():
    return datetime.now(UTC)


def work() -> int:
    return inbox.work(work_s=10, linger_s=0)


class TestReceive:
    def test_a_genuine_event_is_committed_before_the_answer(self, provider):
        receipt = provider.send("evt-1")

        assert (receipt.status, receipt.stored) == (200, 1)
        (row,) = provider.events()
        assert (row.event_id, row.event_type, row.status) == ("evt-1", "tests.happened", "received")
        (request,) = sql("SELECT body, headers FROM webhooks_inboundrequest WHERE id = %s", row.request_id)
        assert bytes(request[0]) == event_body()

    def test_a_repeat_is_accepted_and_changes_nothing(self, provider):
        provider.send("evt-1")

        receipt = provider.send("evt-1")

        assert (receipt.status, receipt.stored, receipt.repeated) == (200, 0, 1)
        assert len(provider.events()) == 1

    def test_a_repeat_with_other_content_keeps_the_first_and_is_recorded(self, provider):
        provider.send("evt-1")

        receipt = provider.send("evt-1", body=event_body(id="another"))

        assert (receipt.status, receipt.stored) == (200, 0)
        assert provider.event("evt-1").payload["data"] == {"id": "x"}
        rows = sql(
            "SELECT reason, event_id FROM webhooks_inboundrejection WHERE source_id = %s", provider.source_id
        )
        assert rows == [("changed_under_its_id", "evt-1")]

    def test_a_forged_request_does_not_take_up_the_id(self, provider):
        forged = provider.send("evt-1", sent_body=event_body(id="forged"))
        genuine = provider.send("evt-1")

        assert (forged.status, forged.code) == (401, "signature_mismatch")
        assert (genuine.status, genuine.stored) == (200, 1)
        assert provider.event("evt-1").payload["data"] == {"id": "x"}

    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"headers": {"x": "y"}}, 401, "missing_signature"),
            ({"body": b"x" * (1024 * 1024 + 1)}, 413, "body_too_large"),
            ({"body": b"\xff\xfe"}, 400, "not_utf8"),
            ({"body": b"[]"}, 400, "not_an_object"),
            ({"body": b'{"type":"a","data":NaN}'}, 400, "not_json"),
            ({"body": b'{"type":"a\\u0000"}'}, 400, "unstorable_text"),
            ({"body": b'{"type":"a","x":"\\ud800"}'}, 400, "unstorable_text"),
            ({"body": b'{"type":7}'}, 400, "bad_type"),
            ({"body": b"[" * 100_000}, 400, "not_json"),
        ],
    )
    def test_what_cannot_be_taken_is_refused_by_name(self, provider, changes, status, code):
        receipt = provider.send("evt-1", **changes)

        assert (receipt.status, receipt.code) == (status, code)
        assert provider.events() == []

    def test_stale_and_future_times_are_refused(self, provider):
        body = event_body()
        old = provider.headers("e", body, at=NOW() - timedelta(seconds=302))
        early = provider.headers("e", body, at=NOW() + timedelta(seconds=302))

        assert provider.send("e", headers=old).code == "timestamp_too_old"
        assert provider.send("e", headers=early).code == "timestamp_in_future"

    def test_numbers_with_a_point_stay_the_text_they_came_as(self, provider):
        provider.send("evt-1", body=b'{"type":"a","data":{"amount":0.10000000000000000001}}')

        assert provider.event("evt-1").payload["data"]["amount"] == "0.10000000000000000001"

    def test_an_empty_body_with_a_right_signature_is_a_ping(self, provider, applier):
        assert provider.send("ping-1", body=b"").status == 200
        assert provider.event("ping-1").event_type == "ping"

    def test_rejections_are_sampled(self, provider):
        for _ in range(intake.REJECTIONS_PER_MINUTE + 5):
            provider.send("evt-1", sent_body=b"{}")

        (count,) = sql(
            "SELECT count(*) FROM webhooks_inboundrejection WHERE source_id = %s", provider.source_id
        )[0]
        assert count == intake.REJECTIONS_PER_MINUTE

    def test_a_secret_that_is_rolled_leaves_both_valid_until_the_old_one_ends(self, provider):
        new = "whsec_" + "bmV3" * 8
        execute(
            RollSourceSecret(provider.organisation_id, provider.source_id, new, 3600),
            actor=ACTOR,
            key=None,
            at=clock.database_now(),
        )
        old_one = provider.send("evt-old")
        provider.secret = new

        assert old_one.status == 200
        assert provider.send("evt-new").status == 200
        later = intake.receive(provider.inbound("evt-late", headers=None), at=NOW() + timedelta(seconds=1))
        assert later.status == 200
        provider.secret = SECRET
        at = NOW() + timedelta(hours=2)
        body = event_body()
        ended = intake.receive(
            provider.inbound("evt-x", headers=provider.headers("evt-x", body, at=at)), at=at
        )
        assert ended.code == "signature_mismatch"

    def test_a_closed_source_is_as_if_it_had_never_been(self, provider):
        execute(
            SwitchSource(provider.organisation_id, provider.source_id, False),
            actor=ACTOR,
            key=None,
            at=clock.database_now(),
        )

        assert provider.send("evt-1").status == 404

    def test_secrets_are_sealed_in_their_table(self, provider):
        (sealed,) = sql("SELECT value FROM webhooks_sourcesecret WHERE source_id = %s", provider.source_id)[0]

        assert SECRET.encode() not in bytes(sealed)
        assert b"inbound secret" not in bytes(sealed)

    def test_every_event_of_a_request_has_its_own_row(self, organisation):
        from apps.webhooks.commands.sources import AddSource
        from apps.webhooks.signatures.base import hmac_hex

        path = execute(
            AddSource(organisation.id, "gocardless", "tests", "s3cret"),
            actor=ACTOR,
            key=None,
            at=clock.database_now(),
        ).answer["path"]
        events = [{"id": f"EV{n}", "resource_type": "payments", "action": "paid_out"} for n in range(3)]

        def send(chosen):
            body = json.dumps({"events": chosen}).encode()
            return intake.receive(
                intake.Inbound(
                    path.rsplit("/", 1)[-1],
                    "POST",
                    "",
                    {"webhook-signature": hmac_hex(b"s3cret", body)},
                    body,
                    "",
                ),
                at=NOW(),
            )

        first, second = send(events[:2]), send(events)

        assert (first.stored, second.stored, second.repeated) == (2, 1, 2)


class TestView:
    def post(self, provider, **changes):
        inbound = provider.inbound("evt-1", **changes)
        headers = {name: value for name, value in inbound.headers.items() if name != "content-type"}
        return Client(enforce_csrf_checks=True).post(
            f"/webhooks/in/{inbound.path_token}",
            data=inbound.body,
            content_type="application/json",
            headers=headers,
        )

    def test_answers_200_with_what_was_stored(self, provider):
        answer = self.post(provider)

        assert (answer.status_code, answer.json()) == (200, {"code": "stored", "stored": 1, "repeated": 0})

    def test_answers_404_to_an_unknown_token(self, db):
        assert (
            Client().post("/webhooks/in/nobody", data=b"{}", content_type="application/json").status_code
            == 404
        )

    def test_answers_405_to_anything_but_post(self, provider):
        assert Client().get(f"/webhooks/in/{provider.path_token}").status_code == 405

    def test_answers_413_to_one_byte_too_many(self, provider):
        assert self.post(provider, body=b"x" * (1024 * 1024 + 1)).status_code == 413

    def test_answers_503_when_the_database_is_away_so_that_the_sender_comes_again(self, provider):
        with mock.patch("apps.webhooks.views.receive", side_effect=OperationalError("gone")):
            answer = self.post(provider)

        assert (answer.status_code, answer["Retry-After"]) == (503, "5")


class TestWork:
    def test_applies_once_what_was_received_three_times(self, provider, applier):
        for _ in range(3):
            provider.send("evt-1")

        work()

        assert applier.seen == ["evt-1"]
        assert provider.event("evt-1").status == "applied"

    def test_effect_and_mark_commit_together_or_not_at_all(self, provider, applier):
        def half(row, context):
            context.note("tests", "x", what="half done")
            raise RuntimeError("after the effect")

        applier.behave = half
        provider.send("evt-1")

        work()

        row = provider.event("evt-1")
        assert (row.status, row.attempts) == ("retry", 1)
        assert "RuntimeError" in row.reason and "after the effect" not in row.reason
        assert (
            sql(
                "SELECT 1 FROM compliance_auditentry WHERE organisation_id = %s AND object_type = 'tests'",
                provider.organisation_id,
            )
            == []
        )

    def test_an_event_that_never_works_becomes_a_dead_letter_and_others_go_on(self, provider, applier):
        def poison(row, context):
            if row.event_id == "bad":
                raise ValueError("no")
            return Applied()

        applier.behave = poison
        provider.send("bad")
        provider.send("good")

        for _ in range(INBOX_ATTEMPTS_MAX):
            work()
            make_due(provider.event("bad")) if provider.event("bad").status == "retry" else None

        assert provider.event("bad").status == "dead"
        assert len(provider.event("bad").fingerprint) == 16
        assert provider.event("good").status == "applied"
        assert applier.seen.count("bad") == INBOX_ATTEMPTS_MAX
        told = sql(
            "SELECT payload->>'reason' FROM core_outboxevent WHERE name = 'webhooks.inbox_event_died'"
            " AND organisation_id = %s",
            provider.organisation_id,
        )
        assert len(told) == 1

    def test_a_collision_uses_up_no_try(self, provider, applier):
        def busy(row, context):
            raise Busy

        applier.behave = busy
        provider.send("evt-1")

        work()

        assert (provider.event("evt-1").status, provider.event("evt-1").attempts) == ("retry", 0)

    def test_an_event_may_be_ignored_with_a_reason(self, provider, applier):
        applier.behave = lambda row, context: Ignored("older than what we know")
        provider.send("evt-1")

        work()

        assert (provider.event("evt-1").status, provider.event("evt-1").reason) == (
            "ignored",
            "older than what we know",
        )

    def test_an_event_waits_for_its_object_and_is_applied_when_it_comes(self, provider, applier):
        applier.behave = lambda row, context: WaitingFor("pay_1")
        provider.send("evt-1")
        work()
        waiting = provider.event("evt-1")
        applier.behave = None
        make_due(waiting)

        work()

        assert (waiting.status, waiting.reason) == ("waiting", "waits for pay_1")
        assert provider.event("evt-1").status == "applied"

    def test_an_event_that_waits_for_a_day_is_dead(self, provider, applier):
        applier.behave = lambda row, context: WaitingFor("pay_1")
        provider.send("evt-1")
        sql(
            "UPDATE webhooks_inboxevent SET received_at = now() - interval '25 hours' WHERE source_id = %s",
            provider.source_id,
        )

        work()

        assert provider.event("evt-1").status == "dead"


class TestLease:
    def test_what_one_worker_holds_no_other_takes(self, provider):
        provider.send("evt-1")

        mine = [one for one in inbox.claim(limit=500) if one.organisation_id == provider.organisation_id]
        others = [one for one in inbox.claim(limit=500) if one.organisation_id == provider.organisation_id]

        assert (len(mine), len(others)) == (1, 0)

    def test_a_slow_worker_whose_lease_was_taken_over_changes_nothing(self, provider, applier):
        provider.send("evt-1")
        (slow,) = [one for one in inbox.claim(limit=500) if one.organisation_id == provider.organisation_id]
        make_due(provider.event("evt-1"))
        work()

        with pytest.raises(LeaseLost):
            execute(
                ApplyInboxEvent(slow.organisation_id, slow.id, slow.lease_token),
                actor=ACTOR,
                key=None,
                at=clock.database_now(),
            )

        assert applier.seen == ["evt-1"]

    def test_a_row_that_workers_died_of_is_taken_alone_and_buried(self, provider, applier):
        provider.send("killer")
        for number in range(5):
            provider.send(f"innocent-{number}")
        killer = provider.event("killer").pk

        deaths = 0
        for _ in range(40):
            for claimed in inbox.claim():
                if claimed.id == killer and claimed.attempts <= INBOX_ATTEMPTS_MAX:
                    deaths += 1
                    for row in provider.events():
                        make_due(row) if row.status == "processing" else None
                    break
                inbox.apply(claimed)

        assert deaths == INBOX_ATTEMPTS_MAX
        assert {provider.event(f"innocent-{number}").status for number in range(5)} == {"applied"}
        assert (provider.event("killer").status, provider.event("killer").fingerprint) == ("dead", "crash")
        assert "killer" not in applier.seen


class TestDeadLetterCommands:
    def dead(self, provider, applier):
        applier.behave = mock.Mock(side_effect=ValueError)
        provider.send("evt-1")
        sql(
            "UPDATE webhooks_inboxevent SET attempts = %s WHERE source_id = %s",
            INBOX_ATTEMPTS_MAX - 1,
            provider.source_id,
        )
        work()
        applier.behave = None
        return provider.event("evt-1")

    def run(self, command):
        return execute(command, actor=ACTOR, key=None, at=clock.database_now())

    def test_a_replay_applies_the_same_event_under_its_id(self, provider, applier):
        row = self.dead(provider, applier)

        self.run(ReplayInboxEvent(provider.organisation_id, row.pk, "the handler was mended"))
        work()

        assert (row.status, provider.event("evt-1").status) == ("dead", "applied")

    def test_a_discard_needs_a_reason_and_a_dead_letter(self, provider, applier):
        row = self.dead(provider, applier)

        with pytest.raises(Invalid):
            self.run(DiscardInboxEvent(provider.organisation_id, row.pk, " "))
        self.run(DiscardInboxEvent(provider.organisation_id, row.pk, "a test of the provider's"))
        with pytest.raises(Conflict):
            self.run(DiscardInboxEvent(provider.organisation_id, row.pk, "once more"))

        assert provider.event("evt-1").status == "discarded"

    def test_another_organisation_finds_nothing(self, provider, applier, make_organisation):
        row = self.dead(provider, applier)

        with pytest.raises(NotFound):
            self.run(ReplayInboxEvent(make_organisation().id, row.pk, "not mine"))


def test_no_row_of_another_organisation_is_seen(provider, make_organisation):
    provider.send("evt-1")
    forget_sources()

    with tenancy.scope(make_organisation().id):
        from apps.webhooks.models import InboundRequest, InboxEvent, Source, SourceSecret

        counts = [model.objects.count() for model in (Source, SourceSecret, InboxEvent, InboundRequest)]

    assert counts == [0, 0, 0, 0]
