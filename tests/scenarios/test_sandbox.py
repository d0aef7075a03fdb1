"""The sandbox: thirty days made through the commands, books that balance, a few honest breaks."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.database import clone_database, environment, start_cluster

ROOT = Path(__file__).parents[2]


class Platform:
    """A database and a var folder of its own, and manage.py on them."""

    def __init__(self, var, database):
        self.var = var
        cluster = start_cluster(settings.RUN_DIR)
        clone_database(cluster, name=database)
        addresses = environment(cluster, database=database)
        self.owner_url = addresses["DATABASE_OWNER_URL"]
        self.environment = os.environ | addresses | {"BEZANT_VAR": str(var)}

    def run(self, *arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def query(self, statement):
        with psycopg.connect(self.owner_url) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture(scope="class")
def sandbox(tmp_path_factory):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    platform = Platform(tmp_path_factory.mktemp("sandbox"), f"bezant_sandbox_{worker}")
    platform.said = platform.run("load_sandbox")
    return platform


@pytest.mark.xdist_group("sandbox")
class TestTheSandbox:
    def test_is_made_with_few_commands(self, sandbox):
        assert "The sandbox is ready" in sandbox.said
        ((made,),) = sandbox.query(
            "SELECT (value->>'commands')::int FROM core_setting WHERE name = 'sandbox'"
        )
        assert 300 < made <= 3_000

    def test_balances_the_books(self, sandbox):
        assert json.loads(sandbox.run("check_ledger", "--json"))["ok"] is True

    def test_makes_payments_that_their_events_prove(self, sandbox):
        assert json.loads(sandbox.run("rebuild_payments", "--verify", "--json"))["ok"] is True

    def test_shows_every_kind_of_ending(self, sandbox):
        endings = set(sandbox.query("SELECT kind, state FROM payments_payment"))

        assert {
            ("payin", "settled"),
            ("transfer", "settled"),
            ("payout", "settled"),
            ("payout", "rejected"),
            ("payout", "returned"),
            ("payout", "ordered"),
            ("refund", "settled"),
            ("collection", "final"),
            ("collection", "settled"),
            ("collection", "rejected"),
            ("collection", "returned"),
        } <= endings

    def test_pays_in_america_too(self, sandbox):
        paid = dict(
            sandbox.query("SELECT state, count(*) FROM payments_payment WHERE rail = 'ach' GROUP BY state")
        )
        changes = sandbox.query("SELECT code, outcome FROM payments_accountchange")

        assert paid["settled"] >= 3
        assert paid["returned"] == 1
        assert changes == [("C01", "applied")]

    def test_exchanges_currencies(self, sandbox):
        made = set(
            sandbox.query("SELECT kind, state FROM payments_payment WHERE quote_id IS NOT NULL GROUP BY 1, 2")
        )
        shown = json.loads(sandbox.run("fx_position", "--verify", "--json"))["currencies"]

        assert {("transfer", "settled"), ("payout", "settled"), ("payout", "cancelled")} <= made
        assert {"EUR", "GBP", "USD"} <= {row["currency"] for row in shown}

    def test_has_three_currencies_and_a_month_of_history(self, sandbox):
        assert set(sandbox.query("SELECT DISTINCT currency FROM payments_payment")) == {
            ("EUR",),
            ("GBP",),
            ("USD",),
        }
        ((days,),) = sandbox.query("SELECT count(DISTINCT created_at::date) FROM payments_payment")
        assert days >= 28

    def test_keeps_its_logins_to_their_owner(self, sandbox):
        for name in ("sandbox_logins.json", "sandbox.env"):
            assert stat.S_IMODE(os.stat(sandbox.var / name).st_mode) == 0o600
        logins = json.loads((sandbox.var / "sandbox_logins.json").read_text())
        assert len({login["password"] for login in logins}) == len(logins) == 7

    def test_is_loaded_once(self, sandbox):
        assert "loaded already" in sandbox.run("load_sandbox")
