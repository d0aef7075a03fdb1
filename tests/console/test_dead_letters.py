"""The page of dead letters: its groups, its jobs, and what each button does."""

from __future__ import annotations

import re
import uuid

import pytest

from apps.core import clock, ids, tenancy
from apps.core.ids import public_id
from apps.webhooks.models import InboxEvent, ReplayJob, Source
from apps.webhooks.public import AddSource, masked
from tests.console.world import do, open_world


@pytest.fixture
def letters(db):
    """Three dead provider events of a world of its own, two of which died of the same."""
    world = open_world()
    path = do(AddSource(world.organisation_id, "stripe", "dead", "whsec_x"))["path"]
    at = clock.database_now()
    with tenancy.scope(world.organisation_id):
        source = Source.objects.get(path_token=path.rsplit("/", 1)[-1])
        return [
            InboxEvent.objects.create(
                id=ids.uuid7(at),
                organisation_id=world.organisation_id,
                source_id=source.pk,
                request_id=uuid.uuid4(),
                provider="stripe",
                event_id=f"evt_{n}",
                event_type="charge.succeeded",
                received_at=at,
                payload={"type": "charge.succeeded", "data": {"amount": 7, "name": "Helena Brandt"}},
                payload_sha256=b"\0" * 32,
                correlation_id="c",
                status="dead",
                attempts=8,
                next_at=at,
                reason=reason,
                fingerprint=world.organisation_id.hex[-14:] + reason[-2:],
                finished_at=at,
            )
            for n, reason in enumerate(["ValueError 01", "ValueError 01", "KeyError 02"])
        ]


def post(client, url, **data):
    page = client.get(url).content.decode()
    key = re.search(r'name="key" value="([^"]+)"', page).group(1)
    return client.post(url, {"key": key, "reason": "repaired", **data})


def group_url(letter):
    return f"/console/dead-letters/in/{public_id('org', letter.organisation_id)}/{letter.fingerprint}/replay/"


def test_letters_are_grouped_by_what_they_died_of(letters, logged_in):
    page = logged_in("integrations").get(f"/console/dead-letters/?fingerprint={letters[0].fingerprint}")

    text = page.content.decode()
    assert group_url(letters[0]) in text and group_url(letters[2]) in text
    assert public_id("ine", letters[0].pk)[:12] in text
    assert f"/console/inbox/{public_id('ine', letters[2].pk)}/" not in text


def test_a_group_goes_again_as_a_job_that_can_be_paused_resumed_and_cancelled(letters, logged_in):
    client = logged_in("integrations")
    assert b">2<" in client.get(group_url(letters[0])).content

    answer = post(client, group_url(letters[0]), rate_per_s=20)

    assert answer.status_code == 302
    with tenancy.scope(tenancy.PLATFORM):
        job = ReplayJob.objects.get(organisation_id=letters[0].organisation_id)
    assert (job.total, job.rate_per_s, job.reason) == (2, 20, "repaired")
    for to in ("paused", "running", "cancelled"):
        post(client, f"/console/dead-letters/jobs/{public_id('rpl', job.pk)}/{to}/")
        with tenancy.scope(tenancy.PLATFORM):
            job.refresh_from_db()
        assert job.state == to


def test_one_letter_is_given_up_with_a_reason(letters, logged_in):
    client = logged_in("integrations")
    url = f"/console/inbox/{public_id('ine', letters[2].pk)}/"

    page = client.get(url).content.decode()
    post(client, url + "discard/")

    assert "Helena" not in page and "••• (13)" in page
    with tenancy.scope(tenancy.PLATFORM):
        letters[2].refresh_from_db()
    assert (letters[2].status, letters[2].reason) == ("discarded", "repaired")
    assert client.get(url + "discard/").status_code == 404


def test_who_may_only_look_finds_no_buttons(letters, logged_in):
    client = logged_in("viewer")
    page = client.get("/console/dead-letters/")
    if page.status_code == 200:
        assert "Send all again" not in page.content.decode()
    assert client.get(group_url(letters[0])).status_code == 403
    assert client.post(group_url(letters[0])).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "in/org_x/f/replay/",
        "sideways/{org}/f/replay/",
        "in/{org}/nothing/replay/",
        "jobs/rpl_x/paused/",
        "jobs/{job}/paused/",
    ],
)
def test_what_is_not_there_is_not_found(letters, logged_in, path):
    url = path.format(org=public_id("org", letters[0].organisation_id), job=public_id("rpl", uuid.uuid4()))

    assert logged_in("integrations").get(f"/console/dead-letters/{url}").status_code == 404


def test_a_mask_ends_whatever_it_is_given():
    deep = []
    for _ in range(100):
        deep = [deep]

    assert masked(deep) and masked({"name": "x", "n": 1, "ok": None, "type": "t", "list": ["a"] * 99}) == {
        "name": "••• (1)",
        "n": 1,
        "ok": None,
        "type": "t",
        "list": ["••• (1)"] * 20,
    }
