"""C15 and C22: the same key from many sides at once, and headers that no honest sender writes."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter

import aiohttp
import pytest

from tests.chaos.platform import Platform, platform
from tests.chaos.traffic import Counts, add_source

WHOLE = pytest.mark.chaos
# One at a time: each starts a whole platform. And none is to be cut short on a busy machine.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]


def token_of(running: Platform) -> str:
    """Make an organisation with an API client and return a token of its."""
    return running.manage(
        "from django.test.utils import setup_test_environment\n"
        "setup_test_environment()\n"
        "from apps.core.ids import parse_public_id\n"
        "from apps.accounts import public as accounts\n"
        "from tests.callers import register, token_for\n"
        "from tests.factories import do\n"
        "key = parse_public_id('org', do(accounts.OpenOrganisation(None, 'Chaos', 'NL'))['id'])\n"
        "print(token_for(*register(key, 'webhooks.read', 'webhooks.write')))"
    )


def parallel_keys(folder, name, *, keys, calls, verdicts):
    with platform(folder) as running:
        # An organisation may have a hundred endpoints.
        tokens = [token_of(running) for _ in range(0, keys, 100)]
        running.start("web")
        running.every(1.0, lambda: running.kill_child("web"))
        statuses, answers = Counter(), {}

        async def call(session, number):
            headers = {"Authorization": f"Bearer {tokens[number // 100]}", "Idempotency-Key": f"key-{number}"}
            body = {"url": f"https://merchant.example/{number}"}
            for _ in range(200):
                try:
                    async with session.post(
                        f"http://127.0.0.1:{running.port}/api/v1/webhook-endpoints",
                        json=body,
                        headers=headers,
                    ) as answer:
                        statuses[answer.status] += 1
                        if answer.status == 201:
                            answers.setdefault(number, set()).add((await answer.json())["id"])
                            return
                        assert answer.status in (409, 503), (answer.status, running.failures())
                except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError):
                    statuses[0] += 1
                await asyncio.sleep(0.05)

        async def everything():
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
                work = [call(session, number) for number in range(keys) for _ in range(calls)]
                await asyncio.gather(*work)

        asyncio.run(everything())
        running.calm()
        made = Counter(row[0] for row in running.sql("SELECT url FROM webhooks_endpoint"))
        counts = Counts(
            name,
            lost=keys - len(made),
            double=sum(count > 1 for count in made.values()) + sum(len(ids) > 1 for ids in answers.values()),
            facts={"statuses": dict(statuses), "kills": running.kills},
        )
        verdicts.append(counts)
    return counts


class TestC15Idempotency:
    def test_one_effect_for_each_key(self, tmp_path, verdicts):
        counts = parallel_keys(tmp_path, "C15 idempotency (tenth)", keys=20, calls=20, verdicts=verdicts)

        assert counts.clean and set(counts.facts["statuses"]) <= {0, 201, 409, 503}

    @WHOLE
    def test_at_full_size(self, tmp_path, verdicts):
        assert parallel_keys(tmp_path, "C15 idempotency", keys=200, calls=20, verdicts=verdicts).clean


def raw_request(port: int, head: bytes, body: bytes = b"") -> int:
    """Send bytes as they are; return the status, or 0 when the server hung up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        try:
            peer.sendall(head + body)
            answer = peer.recv(65536)
        except OSError:
            return 0
        return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@pytest.mark.slow
@pytest.mark.scenario
def test_c22_header_abuse_is_refused_cheaply(tmp_path, verdicts):
    with platform(tmp_path, variables={"WEB_PROCESSES": "1"}) as running:
        path = add_source(running)
        running.start("web")
        line = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
        length = b"Content-Length: 2\r\n"
        stamp = f"webhook-id: a\r\nwebhook-timestamp: {int(time.time())}\r\n".encode()
        many = b" ".join([b"v1," + b"A" * 44] * 10_000)
        requests = {
            "10,000 signatures": line + length + stamp + b"webhook-signature: " + many + b"\r\n\r\n{}",
            "300 signatures": line + length + stamp + b"webhook-signature: " + many[:14_000] + b"\r\n\r\n{}",
            "64 kB header": line + length + b"X-Long: " + b"x" * 65_536 + b"\r\n\r\n{}",
            "5,000 headers": line + length + b"".join(b"x-%d: y\r\n" % n for n in range(5_000)) + b"\r\n{}",
            "1 MiB + 1": line + b"Content-Length: 1048577\r\n\r\n" + b"x" * 1_048_577,
            "no length": line + b"\r\n",
            "chunked": line + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "length that lies": line + b"Content-Length: 99999999999999\r\n\r\n{}",
            "NUL in a header": line + length + b"webhook-signature: a\x00b\r\n\r\n{}",
            "bytes in a header": line + length + stamp + b"webhook-signature: \xff\xfe\r\n\r\n{}",
        }
        raw_request(running.port, line + length + b"\r\n{}")

        statuses, used_ms = {}, {}
        for name, request in requests.items():
            before_ms = running.cpu_ms("web")
            statuses[name] = raw_request(running.port, request)
            used_ms[name] = running.cpu_ms("web") - before_ms

        counts = Counts(
            "C22 header abuse", ghost=sum(s >= 500 for s in statuses.values()), facts=dict(statuses)
        )
        # Clock ticks are 10 ms, so one more may have been counted than was used.
        counts.limit("cpu_ms", max(used_ms.values()) - 10, 50)
        verdicts.append(counts)
        assert counts.clean, used_ms
        assert all(status == 0 or 400 <= status < 500 for status in statuses.values()), statuses
        assert running.sql("SELECT count(*) FROM webhooks_inboxevent") == [(0,)]
