"""The pure rules: schedules, the breaker, outcomes, filters and addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.webhooks.domain import breaker, schedule
from apps.webhooks.domain.addresses import BadUrl, check_url, is_allowed_address
from apps.webhooks.domain.breaker import Health
from apps.webhooks.domain.filters import is_filter
from apps.webhooks.domain.outcome import Answer, judge

AT = datetime(2026, 3, 1, tzinfo=UTC)


class TestSchedule:
    def test_eleven_attempts_over_about_75_hours(self):
        assert schedule.DELIVERY_ATTEMPTS_MAX == 11
        assert sum(schedule.DELIVERY_PAUSES_S) / 3600 == pytest.approx(75.6, abs=0.1)

    @given(failed=st.integers(1, 10), chance=st.floats(0, 1))
    def test_a_pause_stays_within_a_fifth_of_the_table(self, failed, chance):
        pause_s = schedule.delivery_pause_s(failed_attempts=failed, chance=chance, retry_after_s=None)

        assert 0.8 <= pause_s / schedule.DELIVERY_PAUSES_S[failed - 1] <= 1.2000001

    def test_after_the_last_attempt_there_is_no_pause(self):
        assert schedule.delivery_pause_s(failed_attempts=11, chance=0.5, retry_after_s=None) is None
        assert schedule.inbox_pause_s(attempts=schedule.INBOX_ATTEMPTS_MAX, chance=0.5) is None

    @given(wanted_s=st.floats(0, 1e9), chance=st.floats(0, 1))
    def test_retry_after_only_lengthens_and_never_beyond_a_day(self, wanted_s, chance):
        plain_s = schedule.delivery_pause_s(failed_attempts=2, chance=chance, retry_after_s=None)
        pause_s = schedule.delivery_pause_s(failed_attempts=2, chance=chance, retry_after_s=wanted_s)

        assert plain_s <= pause_s <= 86_400

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("120", 120),
            (" 7 ", 7),
            ("Sun, 01 Mar 2026 00:01:00 GMT", 60),
            ("Sat, 28 Feb 2026 00:00:00 GMT", 0),
            ("", None),
            ("soon", None),
            ("-5", None),
            ("1e9", None),
            ("9" * 40, None),
            ("٣", None),
        ],
    )
    def test_retry_after_is_seconds_or_a_date(self, text, seconds):
        assert schedule.retry_after_s(text, at=AT) == seconds


class TestBreaker:
    def failing(self, count, health=None, at=AT):
        return breaker.after(health or Health(), successes=0, failures=count, at=at)

    def test_stays_closed_below_ten_attempts(self):
        assert self.failing(9).health.pause_s == 0

    def test_opens_for_thirty_seconds_at_seven_failures_of_ten(self):
        mixed = breaker.after(Health(), successes=3, failures=7, at=AT).health

        assert (mixed.pause_s, mixed.open_until) == (30, AT + timedelta(seconds=30))
        assert breaker.after(Health(), successes=4, failures=6, at=AT).health.pause_s == 0

    def test_a_failed_probe_doubles_the_pause_up_to_half_an_hour(self):
        health, at, pauses = self.failing(10).health, AT, []
        for _ in range(8):
            at = health.open_until
            health = self.failing(1, health, at).health
            pauses.append(health.pause_s)

        assert pauses == [60, 120, 240, 480, 960, 1800, 1800, 1800]

    def test_what_was_in_flight_when_it_opened_is_no_probe(self):
        health = self.failing(10).health

        assert self.failing(5, health, AT + timedelta(seconds=1)).health.pause_s == 30

    def test_a_success_closes_it_and_forgets_the_failures(self):
        opened = self.failing(10).health
        well = breaker.after(opened, successes=1, failures=0, at=opened.open_until).health

        assert (well.pause_s, well.open_until, well.failing_since, well.window_failures) == (0, None, None, 0)

    def test_old_failures_leave_the_window(self):
        health = self.failing(9).health

        assert self.failing(5, health, AT + timedelta(minutes=6)).health.pause_s == 0

    def test_the_owner_is_told_at_24_and_72_hours_and_it_is_disabled_at_120(self):
        health, told = self.failing(1).health, []
        for hours in range(1, 121):
            judgement = self.failing(1, health, AT + timedelta(hours=hours))
            health = judgement.health
            told += [("notice", hours)] if judgement.notice_h is not None else []
            told += [("disable", hours)] if judgement.disable else []

        assert told == [("notice", 24), ("notice", 72), ("disable", 120)]


class TestOutcome:
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            (200, "delivered"),
            (204, "delivered"),
            (299, "delivered"),
            (300, "retry"),
            (304, "retry"),
            (400, "retry"),
            (410, "dead"),
            (500, "retry"),
            (None, "retry"),
        ],
    )
    def test_only_2xx_is_delivered(self, status, outcome):
        assert (
            judge(Answer(status, "" if status else "timeout"), attempts=1, at=AT, chance=0.5).outcome
            == outcome
        )

    def test_retry_after_counts_for_429_and_503_alone(self):
        def pause_s(status):
            return judge(Answer(status, "", "600"), attempts=1, at=AT, chance=0.5).pause_s

        assert (pause_s(429), pause_s(503), pause_s(500)) == (600, 600, 5)


@pytest.mark.parametrize("text", ["*", "a", "a.b", "a.*", "a.b_c.*", "payments.payment_settled"])
def test_usable_filters(text):
    assert is_filter(text)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", "*.a", "a*", "A", "a..b", "a b", "a\n", "a" * 101, "**", "a.*.b"]
)
def test_unusable_filters(text):
    assert not is_filter(text)


FORBIDDEN = """
127.0.0.1 127.255.255.254 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 169.254.170.2
100.64.0.1 100.100.100.200 192.0.0.8 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9 192.88.99.1 224.0.0.1 239.255.255.250
240.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::1 2002:7f00:1::1 2002:a00:1:: 2001::1 2001:db8::1 100::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
fec0::1 ff02::1 ::ffff:0:127.0.0.1 2001:10::1
""".split()


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_never_dialled(address):
    assert not is_allowed_address(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"]
)
def test_public_addresses_are_dialled(address):
    assert is_allowed_address(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5", "[::1]"])
def test_what_is_no_address_is_not_dialled(text):
    assert not is_allowed_address(text)


BAD_URLS = [
    ("http://example.com/", "scheme"),
    ("ftp://example.com/", "scheme"),
    ("//example.com/", "scheme"),
    ("example.com", "scheme"),
    ("https://user:pass@example.com/", "credentials"),
    ("https://user@example.com/", "credentials"),
    ("https://example.com:80/", "port"),
    ("https://example.com:22/", "port"),
    ("https://example.com:99999/", "shape"),
    ("https://example.com/#part", "fragment"),
    ("https:///path", "host"),
    ("https://exa mple.com/", "characters"),
    ("https://example.com/\n", "characters"),
    ("https://ex\u00e4mple.com/", "characters"),
    ("https://example.com\\@evil.example/", "characters"),
    ("https://127.0.0.1/", "address"),
    ("https://[::1]/", "address"),
    ("https://[::ffff:127.0.0.1]/", "address"),
    ("https://2130706433/", "address"),
    ("https://0x7f000001/", "address"),
    ("https://0177.0.0.1/", "address"),
    ("https://127.1/", "address"),
    ("https://0x7f.1/", "address"),
    ("https://localhost/", "address"),
    ("https://localhost./", "address"),
    ("https://metadata/", "address"),
    ("https://metadata.google.internal/", "host"),
    ("https://a.localhost/", "host"),
    ("https://printer.local/", "host"),
    ("https://169.254.169.254/latest/meta-data", "address"),
    ("https://[64:ff9b::7f00:1]/", "address"),
    ("https://[fe80::1%25eth0]/", "host"),
    ("https://[::1/", "shape"),
    ("https://" + "a" * 2000 + ".com/", "characters"),
    ("https://10.0.0.1:8443/", "address"),
]


@pytest.mark.parametrize(("url", "reason"), BAD_URLS)
def test_urls_that_are_refused_and_why(url, reason):
    with pytest.raises(BadUrl) as caught:
        check_url(url)

    assert caught.value.facts["reason"] == reason


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com:8443/a?b=c",
        "https://1.1.1.1/",
        "https://xn--exmple-cua.com/",
    ],
)
def test_urls_that_are_fine(url):
    check_url(url)
