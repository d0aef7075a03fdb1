"""Dead letters of both directions in one list; replays one by one and in paced sets."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock, tenancy
from apps.core.commands import execute
from apps.core.errors import Conflict, Invalid
from apps.webhooks import housekeeping, inbox, letters, replays
from apps.webhooks.commands.dead_letters import AdvanceReplay, StartReplay, SteerReplay
from apps.webhooks.domain.schedule import INBOX_ATTEMPTS_MAX
from apps.webhooks.models import ReplayJob
from tests.integration.webhooks.conftest import ACTOR, sql
from tests.integration.webhooks.outbound import Merchant, pump
from tests.integration.webhooks.sink import Sink


@pytest.fixture
def merchant(organisation):
    return Merchant(organisation.id)


@pytest.fixture(autouse=True)
def _quiet(db, settings):
    settings.WEBHOOK_ALLOW_LOCAL = True
    sql("DELETE FROM webhooks_queue")
    sql("UPDATE webhooks_replayjob SET state = 'cancelled' WHERE state = 'running'")


def kill_inbox(provider, applier, count=1, error=ValueError):
    def fail(row, context):
        raise error

    applier.behave = fail
    for number in range(count):
        provider.send(f"dead-{error.__name__}-{number:03}")
    sql(
        "UPDATE webhooks_inboxevent SET attempts = %s WHERE source_id = %s AND status = 'received'",
        INBOX_ATTEMPTS_MAX - 1,
        provider.source_id,
    )
    inbox.work(work_s=20, linger_s=0)
    applier.behave = None


def kill_deliveries(merchant, count=1, status=410):
    sink = Sink(answer=lambda _: status)
    merchant.endpoint(sink.url, max_in_flight=1)
    for number in range(count):
        merchant.publish(object_id=f"pay_{number}")
    pump(linger_s=0.2)
    sink.stop()


def listed(merchant_or_provider, **options):
    with tenancy.scope(merchant_or_provider.organisation_id):
        return letters.find(**options)


def manage(*arguments):
    out = io.StringIO()
    call_command("dead_letters", *arguments, stdout=out)
    return json.loads(out.getvalue()) if "--json" in arguments else out.getvalue()


def org(provider):
    from apps.core.ids import public_id

    return public_id("org", provider.organisation_id)


class TestList:
    def test_both_directions_are_in_one_list(self, provider, applier, merchant):
        kill_inbox(provider, applier)
        kill_deliveries(merchant)

        found = listed(merchant)

        assert {letter.direction for letter in found} == {"in", "out"}
        assert all(len(letter.fingerprint) == 16 and letter.attempts and letter.error for letter in found)

    def test_letters_that_died_of_the_same_are_one_group(self, provider, applier):
        kill_inbox(provider, applier, 3, ValueError)
        kill_inbox(provider, applier, 2, KeyError)

        with tenancy.scope(provider.organisation_id):
            groups = letters.groups(direction="in")

        assert [group["count"] for group in groups] == [3, 2]
        assert "ValueError" in groups[0]["error"]

    @pytest.mark.parametrize(
        ("filters", "count"),
        [
            ({"event_type": "tests.happened"}, 1),
            ({"event_type": "x"}, 0),
            ({"since": "2020-01-01T00:00:00+00:00"}, 1),
            ({"until": "2020-01-01T00:00:00+00:00"}, 0),
            ({"fingerprint": "0" * 16}, 0),
        ],
    )
    def test_the_list_is_filtered(self, provider, applier, filters, count):
        kill_inbox(provider, applier)

        assert len(listed(provider, direction="in", filters=filters)) == count

    @pytest.mark.parametrize(
        "filters",
        [
            {"x": "1"},
            {"since": "today"},
            {"since": "2020-01-01"},
            {"place": "x"},
            {"event_type": ""},
            {"event_type": 1},
        ],
    )
    def test_filters_that_mean_nothing_are_refused(self, provider, filters):
        with pytest.raises(Invalid):
            listed(provider, filters=filters)


class TestReplay:
    def start(self, provider, **changes):
        command = StartReplay(
            provider.organisation_id,
            changes.pop("direction", "in"),
            "mended",
            changes.pop("filters", {}),
            changes.pop("rate_per_s", 1000),
        )
        return execute(command, actor=ACTOR, key=None, at=clock.database_now()).answer

    def test_a_whole_set_is_replayed_once_each_in_order_and_audited(self, provider, applier):
        kill_inbox(provider, applier, 25)
        applier.seen.clear()
        answer = self.start(provider, rate_per_s=100)

        replays.work(work_s=20)
        inbox.work(work_s=20, linger_s=0)

        assert answer["total"] == 25
        assert applier.seen == [row.event_id for row in provider.events()] and len(applier.seen) == 25
        assert {row.status for row in provider.events()} == {"applied"}
        audited = sql(
            "SELECT count(*) FROM compliance_auditentry WHERE organisation_id = %s AND object_type = 'inbox_event'"
            " AND action = 'webhooks.advance_replay'",
            provider.organisation_id,
        )
        assert audited == [(25,)]

    def test_a_job_is_paced(self, provider, applier):
        kill_inbox(provider, applier, 30)
        self.start(provider, rate_per_s=50)
        started = datetime.now(UTC)

        replays.work(work_s=20)

        assert datetime.now(UTC) - started > timedelta(seconds=0.5)

    def test_letters_that_die_later_are_not_part_of_it(self, provider, applier):
        kill_inbox(provider, applier, 2)
        self.start(provider)
        kill_inbox(provider, applier, 2, KeyError)

        replays.work(work_s=20)

        assert sorted(row.status for row in provider.events()) == ["dead", "dead", "retry", "retry"]

    def test_a_job_can_be_paused_resumed_and_cancelled(self, provider, applier):
        kill_inbox(provider, applier, 3)
        self.start(provider)
        with tenancy.scope(provider.organisation_id):
            job = ReplayJob.objects.get(organisation_id=provider.organisation_id)

        def steer(to):
            execute(
                SteerReplay(provider.organisation_id, job.pk, to),
                actor=ACTOR,
                key=None,
                at=clock.database_now(),
            )

        steer("paused")
        assert replays.work(work_s=5) == 0
        steer("running")
        assert replays.work(work_s=5) == 3
        with pytest.raises(Conflict):
            steer("cancelled")

    def test_a_worker_that_dies_in_the_middle_replays_nothing_twice(self, provider, applier):
        kill_inbox(provider, applier, 5)
        self.start(provider)
        with tenancy.scope(provider.organisation_id):
            job = ReplayJob.objects.get(organisation_id=provider.organisation_id)
        from unittest import mock

        with (
            mock.patch.object(letters, "requeue", side_effect=[True, True, KeyboardInterrupt]),
            pytest.raises(KeyboardInterrupt),
        ):
            execute(
                AdvanceReplay(provider.organisation_id, job.pk),
                actor=ACTOR,
                key=None,
                at=clock.database_now(),
            )
        replays.work(work_s=5)

        with tenancy.scope(provider.organisation_id):
            assert ReplayJob.objects.get(pk=job.pk).done == 5

    def test_deliveries_are_replayed_under_their_event_ids(self, merchant):
        from apps.webhooks.commands.endpoints import EnableEndpoint

        kill_deliveries(merchant, 4)
        (endpoint_id,) = {one.endpoint_id for one in merchant.deliveries()}
        merchant.run(EnableEndpoint(merchant.organisation_id, endpoint_id))
        before = {one.pk for one in merchant.deliveries()}
        self.start(merchant, direction="out")

        assert replays.work(work_s=5) == 4
        assert {row.pk for row in merchant.queue()} == before

    def test_nothing_to_replay_is_said(self, provider):
        with pytest.raises(Conflict):
            self.start(provider)


class TestManage:
    def test_list_groups_and_preview(self, provider, applier):
        kill_inbox(provider, applier, 2)

        found = manage("list", "--json", "--organisation", org(provider))
        groups = manage("list", "--json", "--group", "--organisation", org(provider))
        preview = manage("replay", "--json", "--preview", "--reason", "look", "--organisation", org(provider))

        assert len(found["letters"]) == 2 and found["letters"][0]["id"].startswith("ine_")
        assert groups["total"] == 2
        assert preview == {"would_replay": {"in": 2, "out": 0}}
        assert "ine_" in manage("list", "--organisation", org(provider))

    def test_replay_one_and_discard_the_rest(self, provider, applier):
        kill_inbox(provider, applier, 2)
        first = manage("list", "--json", "--organisation", org(provider))["letters"][0]["id"]

        replayed = manage("replay", first, "--reason", "mended", "--json")
        discarded = manage("discard", "--reason", "tests", "--organisation", org(provider), "--json")

        assert (len(replayed["replayed"]), len(discarded["discarded"])) == (1, 1)
        assert sorted(row.status for row in provider.events()) == ["discarded", "retry"]

    def test_a_set_becomes_a_job(self, provider, applier):
        kill_inbox(provider, applier, 2)

        (job,) = manage("replay", "--reason", "mended", "--organisation", org(provider), "--json")["jobs"]

        assert (job["total"], job["direction"]) == (2, "in")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("replay", "ine_x", "--reason", "abc"),
            ("list", "--since", "x"),
            ("discard", "zzz", "--reason", "abc"),
        ],
    )
    def test_what_is_refused_is_said_in_a_sentence(self, db, arguments):
        with pytest.raises(CommandError):
            manage(*arguments)


class TestHousekeeping:
    def test_prepares_days_and_removes_what_is_past_its_time(self, provider):
        provider.send("evt-1", sent_body=b"{}")
        sql(
            "UPDATE webhooks_inboundrejection SET refused_at = now() - interval '8 days' WHERE source_id = %s",
            provider.source_id,
        )

        done = housekeeping.keep()

        assert done["rejections_removed"] >= 1
        assert housekeeping.keep()["partitions_made"] == 0

    def test_what_was_told_of_people_goes_after_its_time_and_a_repeat_is_still_told(self, provider, applier):
        provider.send("evt-old")
        provider.send("evt-unfinished")
        sql(
            "UPDATE webhooks_inboxevent SET status = 'applied' WHERE event_id = 'evt-old' AND source_id = %s",
            provider.source_id,
        )
        for table in ("webhooks_inboxevent", "webhooks_inboundrequest"):
            sql(
                f"UPDATE {table} SET received_at = now() - interval '91 days' WHERE source_id = %s",
                provider.source_id,
            )

        done = housekeeping.keep()

        assert done["bodies_removed"] >= 1 and done["payloads_emptied"] >= 1
        assert provider.event("evt-old").payload == {}
        assert provider.event("evt-unfinished").payload["type"] == "tests.happened"
        assert provider.send("evt-old").repeated == 1
        assert sql(
            "SELECT count(*) FROM webhooks_inboundrejection WHERE source_id = %s", provider.source_id
        ) == [(0,)]

    def test_releases_what_waits_for_an_event_long_gone(self, merchant):
        sink = Sink()
        merchant.endpoint(sink.url, ordered=True)
        merchant.publish()
        merchant.publish()
        sql("DELETE FROM webhooks_queue WHERE next_at < 'infinity'")

        assert housekeeping.keep()["released"] == 1
        sink.stop()

    def test_never_drops_the_latest_week_of_history(self, owner_sql):
        before = owner_sql("SELECT count(*) FROM pg_inherits")

        owner_sql("SELECT webhooks_drop_partitions(current_date + 100)")

        assert owner_sql("SELECT count(*) FROM pg_inherits") == before
