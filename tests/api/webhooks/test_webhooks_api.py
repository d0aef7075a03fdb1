"""The webhooks API as a merchant's program meets it."""

from __future__ import annotations

import uuid

import jsonschema
import pytest
from rest_framework.test import APIClient

from apps.authz.authentication import ApiClient
from apps.core import ids, relay, tenancy
from apps.core.actors import Actor
from apps.core.events import EVENTS
from apps.core.models import StoredAnswer
from apps.webhooks.sending.http import Sender
from apps.webhooks.sending.pump import Pump
from tests.horizon import pass_horizon

ALL = frozenset({"webhooks.read", "webhooks.write", "events.read"})
URL = "https://merchant.example/hook"


class Caller:
    def __init__(self, organisation_id, permissions=ALL):
        self.http = APIClient()
        self.http.force_authenticate(user=ApiClient(Actor("api", "tests", organisation_id, permissions)))

    def get(self, path, **query):
        return self.http.get(f"/api/v1/{path}", query)

    def send(self, method, path, body=None, key=None):
        return getattr(self.http, method)(
            f"/api/v1/{path}",
            body if body is not None else {},
            format="json",
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    def post(self, path, body=None, key=None):
        return self.send("post", path, body, key)


@pytest.fixture
def caller(organisation_id):
    return Caller(organisation_id)


def created(caller, **changes):
    answer = caller.post("webhook-endpoints", {"url": URL} | changes)
    assert answer.status_code == 201, answer.content
    return answer.json()


class TestEndpoints:
    def test_an_endpoint_is_created_with_its_secret(self, caller):
        told = created(caller, event_filters=["payments.*"], description="Shop")

        assert told["id"].startswith("we_")
        assert told["state"] == "active" and told["event_filters"] == ["payments.*"]
        assert told["secrets"][0]["secret"].startswith("whsec_")
        assert "secrets" not in caller.get(f"webhook-endpoints/{told['id']}").json()

    def test_the_secret_is_no_part_of_the_stored_answer(self, caller, organisation_id):
        told = created(caller)

        with tenancy.scope(organisation_id):
            stored = [one.answer for one in StoredAnswer.objects.filter(organisation_id=organisation_id)]
        assert stored and not any(told["secrets"][0]["secret"] in one for one in stored)

    def test_the_same_key_gives_the_same_endpoint(self, caller):
        first = caller.post("webhook-endpoints", {"url": URL}, key="k-1")
        second = caller.post("webhook-endpoints", {"url": URL}, key="k-1")

        assert first.json()["id"] == second.json()["id"]
        assert second["Idempotent-Replayed"] == "true"
        assert caller.post("webhook-endpoints", {"url": URL + "2"}, key="k-1").status_code == 422

    def test_a_list_goes_page_by_page(self, caller):
        made = [created(caller)["id"] for _ in range(3)]

        first = caller.get("webhook-endpoints", limit=2).json()
        second = caller.http.get(first["next"]).json()

        assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
        assert second["next"] is None

    def test_it_can_be_changed_rotated_disabled_and_enabled(self, caller):
        key = created(caller)["id"]

        changed = caller.send("patch", f"webhook-endpoints/{key}", {"url": URL + "/2", "rate_per_s": 5})
        rotated = caller.post(f"webhook-endpoints/{key}/secrets", {"overlap_s": 60})
        secrets = caller.get(f"webhook-endpoints/{key}/secrets").json()["items"]
        disabled = caller.post(f"webhook-endpoints/{key}/disable")
        refused = caller.post(f"webhook-endpoints/{key}/test")
        enabled = caller.post(f"webhook-endpoints/{key}/enable", {"replay_since": "2026-01-01T00:00:00Z"})

        assert (changed.status_code, changed.json()["url"], changed.json()["rate_per_s"]) == (
            200,
            URL + "/2",
            5,
        )
        assert rotated.status_code == 200 and len(secrets) == 2
        assert secrets[0]["valid_until"] is None and secrets[1]["valid_until"] is not None
        assert (disabled.json()["state"], refused.status_code, enabled.json()["state"]) == (
            "disabled",
            409,
            "active",
        )

    def test_of_an_ed25519_key_only_the_public_half_is_shown(self, caller):
        told = created(caller, signature="ed25519")

        assert told["secrets"][0]["secret"].startswith("whpk_")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"url": "http://merchant.example/"},
            {"url": "https://127.0.0.1/"},
            {"url": "https://localhost/"},
            {"url": "https://[::1]/"},
            {"url": "https://169.254.169.254/"},
            {"url": "https://2130706433/"},
            {"url": "https://a.example:22/"},
            {"url": "https://u:p@a.example/"},
            {"url": 7},
            {"url": "x" * 3000},
            {"url": "https://a.example/\x00"},
            {"url": URL, "event_filters": []},
            {"url": URL, "event_filters": ["a*"]},
            {"url": URL, "event_filters": ["*"] * 51},
            {"url": URL, "max_in_flight": 0},
            {"url": URL, "rate_per_s": 10**9},
            {"url": URL, "signature": "rot13"},
            {"url": URL, "client_certificate": "-----BEGIN"},
            {"url": URL, "server_ca": "x"},
            {"url": URL, "description": "x" * 201},
            [],
            "text",
        ],
    )
    def test_what_cannot_be_an_endpoint_is_refused_by_field(self, caller, body):
        answer = caller.post("webhook-endpoints", body)

        assert 400 <= answer.status_code < 500, answer.content
        assert caller.get("webhook-endpoints").json()["items"] == []

    def test_another_organisation_sees_and_changes_nothing(self, caller, make_organisation):
        key = created(caller)["id"]
        stranger = Caller(make_organisation().id)

        assert stranger.get("webhook-endpoints").json()["items"] == []
        assert stranger.get(f"webhook-endpoints/{key}").status_code == 404
        assert stranger.get(f"webhook-endpoints/{key}/secrets").status_code == 404
        for path in ("disable", "enable", "test", "secrets"):
            assert stranger.post(f"webhook-endpoints/{key}/{path}").status_code == 404
        assert stranger.send("patch", f"webhook-endpoints/{key}", {"url": URL}).status_code == 404

    def test_scopes_are_asked_for(self, organisation_id):
        reader = Caller(organisation_id, frozenset({"webhooks.read"}))

        assert reader.get("webhook-endpoints").status_code == 200
        assert reader.post("webhook-endpoints", {"url": URL}).status_code == 403
        assert reader.get("webhook-endpoints/we_0/secrets").status_code == 403
        assert reader.get("events").status_code == 403
        assert APIClient().get("/api/v1/webhook-endpoints").status_code == 401


class TestDeliveriesAndEvents:
    @pytest.fixture
    def delivered(self, caller):
        """Send a test event to an endpoint nobody answers at."""
        key = created(caller, url="https://nobody.invalid/hook")["id"]
        assert caller.post(f"webhook-endpoints/{key}/test").status_code == 202
        pass_horizon()
        relay.drain()
        Pump(sender=Sender(), work_s=5, linger_s=0).run()
        return key

    def test_a_delivery_shows_its_tries(self, caller, delivered):
        (row,) = caller.get("deliveries", endpoint_id=delivered).json()["items"]
        one = caller.get(f"deliveries/{row['id']}").json()

        assert (row["status"], row["latest_error"]) == ("pending", "name_not_found")
        assert one["tries"][0]["number"] == 1 and one["next_attempt_at"] is not None

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({"status": "pending"}, 1),
            ({"status": "dead"}, 0),
            ({"event_type": "webhooks.endpoint_test"}, 1),
            ({"event_type": "x"}, 0),
        ],
    )
    def test_deliveries_are_filtered(self, caller, delivered, query, count):
        assert len(caller.get("deliveries", **query).json()["items"]) == count

    @pytest.mark.parametrize(
        "query",
        [{"status": "odd"}, {"endpoint_id": "we_x"}, {"event_id": "1"}, {"limit": "0"}, {"cursor": "!"}],
    )
    def test_filters_that_mean_nothing_are_refused(self, caller, query):
        assert 400 <= caller.get("deliveries", **query).status_code < 500

    def test_a_delivery_that_is_queued_is_not_queued_twice(self, caller, delivered):
        (row,) = caller.get("deliveries").json()["items"]

        assert caller.post(f"deliveries/{row['id']}/resend").status_code == 409

    def test_an_event_is_shown_as_endpoints_get_it(self, caller, delivered):
        (row,) = caller.get("events", type="webhooks.endpoint_test").json()["items"]

        assert caller.get(f"events/{row['id']}").json() == row
        assert row["object"] == {"type": "webhook_endpoint", "id": delivered}

    def test_strangers_see_neither(self, caller, delivered, make_organisation):
        stranger = Caller(make_organisation().id)
        (delivery,) = caller.get("deliveries").json()["items"]

        assert stranger.get("deliveries").json()["items"] == []
        assert stranger.get(f"deliveries/{delivery['id']}").status_code == 404
        assert stranger.post(f"deliveries/{delivery['id']}/resend").status_code == 404
        assert stranger.get(f"events/{delivery['event_id']}").status_code == 404

    @pytest.mark.parametrize(
        "path",
        ["deliveries/x", "events/x", "events/" + ids.public_id("evt", uuid.UUID(int=1)), "event-types/x"],
    )
    def test_what_is_not_there_is_404(self, caller, path):
        assert caller.get(path).status_code == 404


class TestCatalogue:
    def test_every_event_is_in_it_with_a_schema_that_its_example_fits(self, caller):
        entries = caller.get("event-types").json()["items"]

        assert {(one["name"], one["version"]) for one in entries} == set(EVENTS)
        for entry in entries:
            jsonschema.Draft202012Validator.check_schema(entry["schema"])
            jsonschema.validate(entry["example"]["data"], entry["schema"])
            assert entry["description"]

    def test_one_entry_is_found_by_name(self, caller):
        assert caller.get("event-types/webhooks.endpoint_test").json()["object_type"] == "webhook_endpoint"
