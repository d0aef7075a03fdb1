"""The five lines that the guide gives to merchants are run as they stand there."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.webhooks.api.urls import urlpatterns
from apps.webhooks.signatures import standard

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "webhooks.md").read_text()
SECRET, OTHER = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
BODY = '{"id":"evt_1","data":{"name":"Zoë"}}'.encode()


@pytest.fixture(scope="module")
def is_ours():
    names = {}
    exec(re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL).group(1), names)
    return names["is_ours"]


def headers(*, secrets=(SECRET,), at=None):
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standard.sign(secrets=secrets, message_id="evt_1", at=at, body=BODY),
    }


def test_what_we_sign_is_ours(is_ours):
    assert is_ours(SECRET, headers(), BODY)


def test_while_a_secret_is_rolled_both_verify(is_ours):
    both = headers(secrets=(OTHER, SECRET))

    assert is_ours(SECRET, both, BODY) and is_ours(OTHER, both, BODY)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "evt_2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,é v2,x v1a,y"},
    ],
)
def test_what_was_changed_is_not(is_ours, changed):
    assert not is_ours(SECRET, headers() | changed, BODY)


def test_neither_is_another_body_another_secret_an_old_request_or_none_at_all(is_ours):
    assert not is_ours(SECRET, headers(), BODY + b" ")
    assert not is_ours(OTHER, headers(), BODY)
    assert not is_ours(SECRET, headers(at=datetime.now(UTC) - timedelta(minutes=6)), BODY)
    assert not is_ours(SECRET, {}, BODY)


def test_the_addresses_it_names_exist():
    routes = {re.sub(r"<str:\w+>", "{id}", str(one.pattern)) for one in urlpatterns}
    named = re.findall(r"/api/v1/([\w/{}-]+)", GUIDE)
    named += [f"webhook-endpoints/{{id}}/{what}" for what in re.findall(r"…/\{id\}/(\w+)", GUIDE)]

    assert named and not set(named) - routes
