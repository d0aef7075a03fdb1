"""A worker killed in the middle of its work leaves nothing half done and nothing done twice."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from django.conf import settings

from apps.core import tenancy
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.formats import read_credit_transfer
from tests import factories
from tests.factories import PayoutFactory, do

ROOT = Path(__file__).parents[2]
PAYOUTS = 60
DEADLINE_S = 90


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=PAYOUTS * 100, limit_minor=10_000)


@pytest.fixture
def place(tmp_path, merchant):
    """Give the worker a var folder of its own, with the keys that this run has made by now."""
    var = tmp_path / "var"
    shutil.copytree(Path(settings.VAR_DIR) / "keys", var / "keys")
    shutil.copy(Path(settings.VAR_DIR) / "secret_key", var / "secret_key")
    return var


class Worker:
    """A real Celery worker with beat inside, in a process group of its own."""

    def __init__(self, var):
        self.environment = os.environ | {
            "BEZANT_VAR": str(var),
            "BANK_FILES_EVERY_S": "1",
            "CELERY_BROKER_URL": "filesystem://",
            "REDIS_URL": "",
        }
        self.log = (var / "worker.log").open("ab")

    def start(self):
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "celery",
                "--quiet",
                "-A",
                "config.celery",
                "worker",
                "--beat",
                "--concurrency",
                "2",
                "--without-gossip",
                "--without-mingle",
                "-s",
                os.devnull,
            ],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def states(organisation_id):
    with tenancy.scope(organisation_id):
        rows = payments.payments().filter(organisation_id=organisation_id, kind="payout")
        return [row.state for row in rows]


def check_ledger():
    done = subprocess.run(
        [sys.executable, "manage.py", "check_ledger", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


class TestAWorkerThatIsKilled:
    def test_leaves_each_payout_in_exactly_one_file_and_the_books_balanced(self, merchant, place):
        worker, dice = Worker(place), random.Random(7)
        for number in range(PAYOUTS):
            do(
                PayoutFactory(
                    organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(100, "EUR")
                ),
                key=f"{number}-{uuid.uuid4()}",
            )

        kills, deadline = 0, time.monotonic() + DEADLINE_S
        worker.start()
        try:
            while set(states(merchant.id)) != {"sent"} and time.monotonic() < deadline:
                time.sleep(dice.uniform(1.5, 5))
                if kills < 4:
                    worker.kill()
                    kills += 1
                    worker.start()
        finally:
            worker.kill()

        assert kills >= 1
        assert states(merchant.id) == ["sent"] * PAYOUTS, (place / "worker.log").read_text()[-3000:]
        self.each_is_in_one_file(place, merchant)
        assert (merchant.balance(0).posted, merchant.balance(0).held) == (0, 0)
        assert check_ledger()["ok"] is True

    def each_is_in_one_file(self, place, merchant):
        with tenancy.scope(merchant.id):
            rows = payments.payments().filter(organisation_id=merchant.id, kind="payout")
            ours = {row.end_to_end_id: row.batch_message_id for row in rows}
        found = [
            (transfer.end_to_end_id, batch.message_id)
            for path in (place / "bank" / "outgoing").glob("*.xml")
            for batch in [read_credit_transfer(path.read_bytes())]
            for group in batch.groups
            for transfer in group.transfers
            if transfer.end_to_end_id in ours
        ]
        assert sorted(found) == sorted(ours.items())
