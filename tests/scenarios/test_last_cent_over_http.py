"""Two hundred requests that try to spend the same last cent, against the real web server."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from apps.core.ids import public_id
from apps.core.money import Money
from tests import factories
from tests.callers import register, token_for
from tests.factories import TransferFactory, do

ROOT = Path(__file__).parents[2]
CALLERS = 200


@pytest.fixture
def merchant(db):
    merchant = factories.merchant(accounts_count=3, funded_minor=100)
    do(
        TransferFactory(
            organisation_id=merchant.id,
            account_id=merchant.accounts[0],
            other_account_id=merchant.accounts[1],
            amount=Money(99, "EUR"),
        )
    )
    return merchant


@pytest.fixture
def port(tmp_path):
    """Serve the platform with gunicorn, as the Procfile does, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (tmp_path / "web.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.conf.py"],
        cwd=ROOT,
        stdout=log,
        stderr=log,
        env=os.environ | {"PORT": str(port), "LOG_LEVEL": "ERROR"},
        start_new_session=True,
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


class TestTheLastCent:
    def test_is_spent_by_exactly_one_of_two_hundred_requests(self, merchant, port):
        token = token_for(*register(merchant.id, "payments.read", "payments.write"))
        body = json.dumps(
            {
                "type": "transfer",
                "account_id": public_id("acc", merchant.accounts[0]),
                "destination_account_id": public_id("acc", merchant.accounts[2]),
                "amount": {"amount": "0.01", "currency": "EUR"},
            }
        )
        together, answers = threading.Barrier(CALLERS), []

        def spend():
            together.wait(60)
            answers.append(self.post(port, token, body))

        threads = [threading.Thread(target=spend) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)

        told = Counter(
            (status, json.loads(text).get("code", json.loads(text).get("state"))) for status, text in answers
        )
        assert told == {(201, "settled"): 1, (422, "insufficient_funds"): CALLERS - 1}
        assert (merchant.balance(0).posted, merchant.balance(2).posted) == (0, 1)

    def post(self, port, token, body):
        """Send one request and return its status and body; a busy server is asked again, under the same key."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
        }
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("POST", "/api/v1/payments", body, headers)
                response = connection.getresponse()
                text = response.read()
                if response.status not in (429, 503):
                    return response.status, text
                time.sleep(0.2)
            finally:
                connection.close()
