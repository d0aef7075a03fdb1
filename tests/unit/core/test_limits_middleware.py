"""The middleware: who shares a bucket with whom, and what a refused caller is told."""

from __future__ import annotations

import json

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from apps.core.http import limits
from apps.core.ratelimit import Limit, Limiter

THREE = Limit("api", 3, 60, 3)


@pytest.fixture
def ask(settings, monkeypatch):
    settings.RATE_LIMITS = [("/in/", ("POST",), Limit("inbound", 2, 60, 2)), ("/api/", (), THREE)]
    settings.PROXY_ADDRESSES = {"10.0.0.1"}
    made = Limiter()
    monkeypatch.setattr(limits, "limiter", lambda: made)
    middleware = limits.rate_limits(lambda _: HttpResponse("fine"))

    def send(path="/api/x", method="get", **meta):
        return middleware(getattr(RequestFactory(), method)(path, **meta))

    return send


def test_a_caller_over_the_limit_is_told_when_to_come_again(ask):
    answers = [ask() for _ in range(4)]

    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit"] == '"api";r=2;t=20'
    assert answers[3]["Retry-After"] == "20"
    told = json.loads(answers[3].content)
    assert (told["code"], answers[3]["Content-Type"]) == ("rate_limited", "application/problem+json")


def test_what_no_policy_names_is_not_limited(ask):
    assert all(ask("/static/x").status_code == 200 for _ in range(10))
    assert all(ask("/in/x").status_code == 200 for _ in range(10))


def test_two_clients_at_one_address_have_a_bucket_each(ask):
    for _ in range(3):
        ask(HTTP_AUTHORIZATION="Bearer one")

    assert ask(HTTP_AUTHORIZATION="Bearer one").status_code == 429
    assert ask(HTTP_AUTHORIZATION="Bearer two").status_code == 200


def test_inventing_credentials_does_not_escape_the_address(ask):
    answers = [ask(HTTP_AUTHORIZATION=f"Bearer {number}").status_code for number in range(13)]

    assert answers == [200] * 12 + [429]


def test_a_source_has_one_bucket_whoever_sends(ask):
    answers = [ask("/in/a", "post", REMOTE_ADDR=f"192.0.2.{number}").status_code for number in range(3)]

    assert answers == [200, 200, 429]
    assert ask("/in/b", "post").status_code == 200


def test_guessing_sources_does_not_escape_the_address(ask):
    answers = [ask(f"/in/{number}", "post").status_code for number in range(9)]

    assert answers == [200] * 8 + [429]


def test_forwarded_addresses_count_only_from_our_proxies(ask):
    for number in range(3):
        ask(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.7, 10.0.0.1")
    forged = [
        ask(REMOTE_ADDR="198.51.100.9", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}").status_code for n in range(4)
    ]

    assert ask(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.99, 198.51.100.7").status_code == 429
    assert forged == [200, 200, 200, 429]


def test_an_ipv6_network_counts_as_one_caller(ask):
    answers = [ask(REMOTE_ADDR=f"2001:db8:1:2::{number:x}").status_code for number in range(4)]

    assert answers == [200, 200, 200, 429]
