"""How many transfers a second the API takes, on a private durable server: `python -m tests.bench.api_speed`.

Needs `wrk`. At the end half the ceiling is offered evenly, and the latency counted from the moment each
request was due. Everything of a request is measured: token, limit, idempotency, posting, audit, outbox.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from apps.core.bench_server import ROOT
from apps.ledger.bench.run import Bench, machine, private_server

ACCOUNTS, FUNDS_MINOR = 100, 1_000_000_000
WORLD = """
import json, django; django.setup()
from apps.core import ids
from apps.core.money import Money
from tests.callers import register
from tests.factories import PayinEventFactory, do, merchant
one = merchant(accounts_count={accounts})
for account in one.accounts:
    do(PayinEventFactory(organisation_id=one.id, account_id=account, amount=Money({funds}, "EUR")))
client, secret = register(one.id, "payments.read", "payments.write")
print(json.dumps(dict(client=client, secret=secret, accounts=[ids.public_id("acc", key) for key in one.accounts])))
"""
LUA = """
math.randomseed({seed})
local accounts = {{{accounts}}}
local n = 0
request = function()
  n = n + 1
  local a = math.random(1, #accounts)
  local b = 1 + (a + math.random(0, #accounts - 2)) % #accounts
  local body = string.format('{{"type": "transfer", "account_id": "%s", "destination_account_id": "%s", '
    .. '"amount": {{"amount": "0.01", "currency": "EUR"}}}}', accounts[a], accounts[b])
  return wrk.format("POST", "/api/v1/payments", {{["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer {token}", ["Idempotency-Key"] = "{seed}-" .. n}}, body)
end
"""


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="one case in one round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--open-seconds", type=int, default=10)
    options = parser.parse_args()
    with private_server(options.seconds) as bench, serving(bench) as (address, world):
        load(address, world, seconds=2, connections=options.connections)  # warm
        rounds = [
            load(address, world, seconds=options.seconds, connections=options.connections)
            for _ in range(options.rounds)
        ]
        rate = statistics.median(one["per_s"] for one in rounds)
        result = {
            "transfers_per_s": round(rate),
            "p50_ms": statistics.median(one["p50_ms"] for one in rounds),
            "p99_ms": statistics.median(one["p99_ms"] for one in rounds),
            "refused": sum(one["refused"] for one in rounds),
            "open_loop_at_half": open_loop(address, world, rate=rate / 2, seconds=options.open_seconds),
            "machine": machine(),
        }
    print(json.dumps(result, indent=2))


@contextmanager
def serving(bench: Bench) -> Iterator[tuple[tuple[str, int], dict[str, Any]]]:
    """Serve the project from the bench's database, with a merchant whose accounts hold plenty."""
    code = WORLD.format(accounts=ACCOUNTS, funds=FUNDS_MINOR)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = bench.environment() | {
        "PORT": str(port),
        "RATE_LIMIT_MONEY": "1000000",
        "RATE_LIMIT_API": "1000000",
    }
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    world = json.loads(made.stdout.strip().splitlines()[-1])
    command = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.conf.py"]
    log = (bench.folder / "web.log").open("w")
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        address = ("127.0.0.1", port)
        world["token"] = _token(address, world)
        yield address, world
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _token(address: tuple[str, int], world: dict[str, Any]) -> str:
    secret = base64.b64encode(f"{world['client']}:{world['secret']}".encode()).decode()
    request = urllib.request.Request(
        f"http://{address[0]}:{address[1]}/oauth/token",
        data=b"grant_type=client_credentials",
        headers={"Authorization": f"Basic {secret}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    for _ in range(100):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return str(json.load(answer)["access_token"])
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not come up")


def load(
    address: tuple[str, int], world: dict[str, Any], *, seconds: int, connections: int
) -> dict[str, float]:
    """Send transfers as fast as they are answered; return the rate and the latencies in milliseconds."""
    script = Path(f"/tmp/bezant-wrk-{os.getpid()}.lua")
    accounts = ", ".join(f'"{one}"' for one in world["accounts"])
    script.write_text(LUA.format(seed=time.time_ns() % 2**31, accounts=accounts, token=world["token"]))
    try:
        said = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script),
             f"http://{address[0]}:{address[1]}"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    finally:
        script.unlink(missing_ok=True)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {
        "per_s": float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        "p50_ms": _milliseconds(_found(r"(?m)^\s+50%\s+(\S+)", said)),
        "p99_ms": _milliseconds(_found(r"(?m)^\s+99%\s+(\S+)", said)),
        "refused": int(bad[1]) if bad else 0,
    }


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"wrk said something unexpected:\n{text}")
    return match[1]


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    if match is None:  # wrk prints nan where nothing was answered
        raise SystemExit(f"no request was answered (wrk said {text})")
    return float(match[1]) * {"us": 0.001, "ms": 1, "s": 1000}[match[2]]


def open_loop(
    address: tuple[str, int], world: dict[str, Any], *, rate: float, seconds: int, threads: int = 16
) -> dict[str, float]:
    """Offer requests evenly, whether or not the earlier ones are answered; count from when each was due."""
    local = threading.local()
    start = time.perf_counter() + 0.5
    accounts = world["accounts"]

    def send(number: int) -> tuple[float, int]:
        due = start + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        connection = getattr(local, "connection", None) or HTTPConnection(*address, timeout=10)
        local.connection = connection
        body = {
            "type": "transfer",
            "account_id": accounts[number % ACCOUNTS],
            "destination_account_id": accounts[(number * 7 + 1) % ACCOUNTS],
            "amount": {"amount": "0.01", "currency": "EUR"},
        }
        if body["account_id"] == body["destination_account_id"]:
            body["destination_account_id"] = accounts[(number + 1) % ACCOUNTS]
        headers = {
            "Authorization": f"Bearer {world['token']}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"open-{os.getpid()}-{number}",
        }
        connection.request("POST", "/api/v1/payments", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return (time.perf_counter() - due) * 1000, answer.status

    with ThreadPoolExecutor(threads) as pool:
        told = list(pool.map(send, range(int(rate * seconds))))
    latencies = sorted(latency for latency, _ in told)
    return {
        "offered_per_s": round(rate),
        "p50_ms": round(latencies[len(latencies) // 2], 2),
        "p99_ms": round(latencies[int(len(latencies) * 0.99)], 2),
        "refused": sum(status != 201 for _, status in told),
    }


if __name__ == "__main__":
    main()
