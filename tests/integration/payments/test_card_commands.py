"""The commands and tasks of cards: what they print, and with which exit code they end."""

import json

import pytest
from django.core.management import call_command

from apps.core.ids import parse_public_id
from apps.payments import tasks
from tests import factories
from tests.processor import CardWorld


@pytest.fixture
def world(db):
    return CardWorld()


@pytest.fixture
def merchant(world):
    return factories.merchant(accounts_count=1)


def run(capsys, *arguments):
    call_command(*arguments)
    return json.loads(capsys.readouterr().out)


class TestWorkCards:
    def test_lists_and_sends_what_was_left(self, world, merchant, capsys):
        # The command's clock is the database's, so what it is to find due was ordered a minute ago.
        world.pass_time(minutes=-1)
        answer = world.order(merchant)

        due = run(capsys, "work_cards", "--dry-run", "--json", "--limit", "1000")["due"]
        world.pass_time(minutes=1)
        done = run(capsys, "work_cards", "--json")

        assert answer["next"][0] in due
        assert done["calls"] >= 1
        assert world.attempts(parse_public_id("pay", answer["id"]))[0].state == "authorised"


class TestTasks:
    def test_work_and_expire(self, world, merchant):
        world.pass_time(days=-9)
        left = world.order(merchant)
        key = world.pay(merchant, capture="manual")
        world.pass_time(days=9)
        tasks.work_cards()
        tasks.expire_intents()

        assert world.state(key) == "expired"
        assert world.state(parse_public_id("pay", left["id"])) in ("captured", "expired")
