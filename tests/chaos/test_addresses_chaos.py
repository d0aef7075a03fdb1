"""C17: sixty ways to make the platform call itself or its neighbours, and not one connection."""

from __future__ import annotations

import asyncio
import socket
import threading

import aiohttp
import pytest

from apps.webhooks.domain.addresses import BadUrl, check_url
from apps.webhooks.sending.http import Sender, Target
from tests.chaos.traffic import Counts

LITERALS = """
127.0.0.1 127.0.0.2 127.255.255.254 127.1 127.0.1 0 0.0.0.0 2130706433 0x7f000001 0x7f.0.0.1 0177.0.0.1 017700000001
0x7F.1 127.0.0.1. localhost LOCALHOST localhost. sub.localhost ip6-localhost [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1]
[::ffff:7f00:1] [::127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:7f00:1::1]
[::ffff:0:127.0.0.1] [fe80::1] [fc00::1] [fd00:ec2::254] [fec0::1] [ff02::1] [2001:db8::1] [100::1]
10.0.0.1 172.16.0.1 192.168.0.1 169.254.169.254 169.254.170.2 100.64.0.1 100.100.100.200 192.0.0.192 198.18.0.1 224.0.0.1 255.255.255.255
metadata.google.internal metadata
""".split()
SHAPES = (
    "http://{}:{}/",
    "https://user@{}:{}/",
    "https://example.com@{}:{}/",
    "https://{}:{}/#@example.com",
    "ftp://{}:{}/",
    "https://example.com\\@{}:{}/",
)


class Trap:
    """A socket that listens on every address of this machine and counts who calls."""

    def __enter__(self):
        self.calls = 0
        self.server = socket.create_server(("0.0.0.0", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.close()

    def _accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            self.calls += 1
            peer.close()


class Liar(aiohttp.abc.AbstractResolver):
    """A name server of the attacker's: a public address at the first look, this machine at the next."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            {
                "hostname": host,
                "host": found,
                "port": port,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
                "family": socket.AF_INET6 if ":" in found else socket.AF_INET,
            }
        ]

    async def close(self):
        return None


async def attack(urls, resolvers):
    errors = []
    async with Sender(total_s=3) as sender:
        errors += [(await sender.post(Target(url), headers={}, body=b"{}")).answer.error for url in urls]
    for resolver in resolvers:
        async with Sender(total_s=3, resolver=resolver) as sender:
            for _ in range(3):
                reply = await sender.post(Target("https://rebinding.example:8443/"), headers={}, body=b"{}")
                errors.append(reply.answer.error)
    return errors


@pytest.mark.scenario
def test_c17_no_connection_to_a_forbidden_address(verdicts, monkeypatch):
    with Trap() as trap:
        # The trap's port is let through, so that nothing but the address can stop a call.
        monkeypatch.setattr("apps.webhooks.domain.addresses.PORTS", (443, 8443, trap.port))
        urls = [f"https://{host}:{trap.port}/hook" for host in LITERALS]
        urls += [shape.format("127.0.0.1", trap.port) for shape in SHAPES]
        resolvers = [
            Liar(one)
            for one in (
                "127.0.0.1",
                "10.0.0.1",
                "::1",
                "::ffff:127.0.0.1",
                "64:ff9b::7f00:1",
                "2002:7f00:1::",
            )
        ]

        errors = asyncio.run(attack(urls, resolvers))

        verdicts.append(Counts("C17 forbidden addresses", ghost=trap.calls, facts={"urls": len(errors)}))
        assert trap.calls == 0
        assert len(errors) >= 60
        assert all(error == "forbidden_address" or error.startswith("refused_url") for error in errors), (
            errors
        )


@pytest.mark.parametrize("host", LITERALS)
def test_most_are_refused_when_the_endpoint_is_registered(host):
    with pytest.raises(BadUrl):
        check_url(f"https://{host}/hook")


def test_a_name_that_points_here_is_refused_at_the_dial_although_its_url_is_fine():
    check_url("https://rebinding.example:8443/")

    (first, *_) = asyncio.run(attack([], [Liar("127.0.0.1")]))

    assert first == "forbidden_address"
