"""The token bucket, alone and in a real Redis, under many callers at once."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time

import pytest
import time_machine

from apps.core.ratelimit import Decision, Limit, Limiter, LimitsUnavailable, LocalBuckets

TEN = Limit("ten", count=10, per_s=1, burst=10)


class Clock:
    def __init__(self):
        self.us = 1_000_000_000

    def __call__(self):
        return self.us

    def pass_s(self, seconds):
        self.us += int(seconds * 1e6)


@pytest.fixture
def clock():
    return Clock()


class TestLocalBuckets:
    def test_a_burst_passes_and_then_one_for_each_interval(self, clock):
        buckets = LocalBuckets(clock)

        first = [buckets.check([("a", TEN)])[0].allowed for _ in range(12)]
        clock.pass_s(0.1)
        then = [buckets.check([("a", TEN)])[0].allowed for _ in range(2)]

        assert first == [True] * 10 + [False] * 2
        assert then == [True, False]

    def test_what_is_left_and_when_to_come_again_is_told(self, clock):
        buckets = LocalBuckets(clock)
        decisions = [buckets.check([("a", TEN)])[0] for _ in range(11)]

        assert [one.remaining for one in decisions] == [*range(9, -1, -1), 0]
        assert decisions[-1].retry_after_s == pytest.approx(0.1)
        assert decisions[9].reset_s == pytest.approx(1.0)

    def test_callers_do_not_share_a_bucket(self, clock):
        buckets = LocalBuckets(clock)
        for _ in range(10):
            buckets.check([("a", TEN)])

        assert buckets.check([("b", TEN)])[0].allowed

    def test_when_one_bucket_refuses_none_is_spent(self, clock):
        buckets = LocalBuckets(clock)
        one = Limit("one", 1, 1, 1)
        buckets.check([("a", one)])

        for _ in range(5):
            assert not all(d.allowed for d in buckets.check([("a", one), ("b", TEN)]))

        assert buckets.check([("b", TEN)])[0].remaining == 9

    def test_each_of_several_processes_takes_its_share(self, clock):
        buckets = LocalBuckets(clock)

        allowed = sum(buckets.check([("a", TEN)], processes=2)[0].allowed for _ in range(20))

        assert allowed == 5

    def test_a_flood_of_callers_does_not_fill_the_memory(self, clock, monkeypatch):
        from apps.core import ratelimit

        monkeypatch.setattr(ratelimit, "BUCKETS_MAX", 100)
        buckets = LocalBuckets(clock)
        for number in range(1000):
            buckets.check([(str(number), TEN)])

        assert len(buckets._spent_until) == 100

    def test_a_year_of_silence_gives_no_more_than_a_burst(self, clock):
        buckets = LocalBuckets(clock)
        buckets.check([("a", TEN)])
        clock.pass_s(31_536_000)

        assert sum(buckets.check([("a", TEN)])[0].allowed for _ in range(20)) == 10


def test_a_clock_that_is_set_back_shuts_nobody_out():
    buckets = LocalBuckets()
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False):
        assert buckets.check([("a", TEN)])[0].allowed

    with time_machine.travel("2026-03-01T11:50:00Z", tick=False):
        assert buckets.check([("a", TEN)])[0].allowed


def test_headers_are_those_of_the_draft():
    allowed = Decision(TEN, True, 7, 0.3, 0.0)
    refused = Decision(TEN, False, 0, 1.0, 0.05)

    assert allowed.headers() == {"RateLimit-Policy": '"ten";q=10;w=1', "RateLimit": '"ten";r=7;t=1'}
    assert refused.headers()["Retry-After"] == "1"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(tmp_path_factory.mktemp("redis")),
        ],
        stdout=subprocess.DEVNULL,
    )
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


class TestLimiterWithRedis:
    def test_it_agrees_with_the_buckets_in_the_process(self, redis_url):
        limiter = Limiter(redis_url=redis_url)
        slow = Limit("slow", 10, 1000, 10)

        decisions = [limiter.check([("x", slow)])[0] for _ in range(12)]

        assert [one.allowed for one in decisions] == [True] * 10 + [False] * 2
        assert [one.remaining for one in decisions] == [*range(9, -1, -1), 0, 0]
        assert decisions[-1].retry_after_s == pytest.approx(100, abs=1)

    def test_parallel_callers_do_not_pass_together(self, redis_url):
        limiters = [Limiter(redis_url=redis_url) for _ in range(4)]
        limit, seconds = Limit("flood", 100, 1, 20), 2.0
        allowed, ends = [], time.monotonic() + seconds

        def ask(limiter):
            while time.monotonic() < ends:
                allowed.append(limiter.check([("flood", limit)])[0].allowed)

        threads = [threading.Thread(target=ask, args=[limiters[n % 4]]) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert 100 * seconds * 0.5 <= sum(allowed) <= 100 * seconds * 1.05 + 20

    def test_no_token_or_address_lies_in_redis(self, redis_url):
        import redis

        Limiter(redis_url=redis_url).check([("client Bearer s3cret", TEN)])

        assert not [key for key in redis.Redis.from_url(redis_url).keys() if b"s3cret" in key]

    def test_keys_go_away_by_themselves(self, redis_url):
        import redis

        Limiter(redis_url=redis_url).check([("short", TEN)])
        client = redis.Redis.from_url(redis_url)

        assert all(client.pttl(key) > 0 for key in client.keys("bezant:limit:*"))


class TestLimiterWithoutRedis:
    NOWHERE = "redis://127.0.0.1:1/0"

    def test_it_counts_in_the_process_and_waits_for_nothing(self):
        limiter = Limiter(redis_url=self.NOWHERE, processes=2)
        started = time.monotonic()

        allowed = sum(limiter.check([("a", TEN)])[0].allowed for _ in range(20))

        assert allowed == 5
        assert time.monotonic() - started < 5

    def test_a_strict_limit_refuses(self):
        with pytest.raises(LimitsUnavailable):
            Limiter(redis_url=self.NOWHERE).check([("a", Limit("money", 10, 1, 10, strict=True))])

    def test_a_strict_limit_is_counted_where_redis_was_never_configured(self):
        assert Limiter().check([("a", Limit("money", 10, 1, 10, strict=True))])[0].allowed
