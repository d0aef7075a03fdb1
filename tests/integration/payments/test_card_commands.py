"""The commands and tasks of cards: what they print, and with which exit code they end."""

import json

import pytest
from django.core.management import CommandError, call_command

from apps.core.ids import parse_public_id
from apps.payments import tasks
from tests import factories
from tests.processor import PROVIDER, CardWorld


@pytest.fixture
def world(db):
    return CardWorld()


@pytest.fixture
def merchant(world):
    return factories.merchant(accounts_count=1)


def run(capsys, *arguments):
    call_command(*arguments)
    return json.loads(capsys.readouterr().out)


class TestSettleCards:
    def test_applies_a_report_once_and_says_what_it_did(self, world, merchant, tmp_path, capsys):
        world.pay(merchant)
        report, net, name = world.processor.pay_out("EUR", at=world.at)
        path = tmp_path / "report.csv"
        path.write_bytes(report)

        seen = run(capsys, "settle_cards", str(path), "--provider", PROVIDER, "--dry-run", "--json")
        first = run(capsys, "settle_cards", str(path), "--provider", PROVIDER, "--json")
        second = run(capsys, "settle_cards", str(path), "--provider", PROVIDER, "--json")

        assert seen["payouts"] == first["payouts"] == {f"{name} EUR": net.decimal_text()}
        assert (first["settled"], second["settled"], second["known"]) == (1, 0, 1)

    def test_ends_with_one_for_lines_that_stay_out(self, world, tmp_path):
        path = tmp_path / "report.csv"
        path.write_text(
            "reference,kind,gross,fee,net,currency,date,payout\n"
            "cap_nobody,payment,10.00,0.20,9.80,EUR,2026-01-02,po_1\n"
        )
        with pytest.raises(CommandError) as error:
            call_command("settle_cards", str(path), "--provider", PROVIDER)
        assert error.value.returncode == 1

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a,b\n",
            "reference,kind,gross,fee,net,currency,date,payout\nx,payment,10.00,0.20,9.79,EUR,2026-01-02,po\n",
            "reference,kind,gross,fee,net,currency,date,payout\nx,payment,1e3,0,1e3,EUR,2026-01-02,po\n",
            "reference,kind,gross,fee,net,currency,date,payout\nx,gift,1,0,1,EUR,2026-01-02,po\n",
            "\x00",
        ],
    )
    def test_refuses_a_report_that_cannot_be_right(self, world, tmp_path, text):
        path = tmp_path / "report.csv"
        path.write_text(text)
        with pytest.raises(CommandError) as error:
            call_command("settle_cards", str(path), "--provider", PROVIDER)
        assert error.value.returncode == 1

    def test_refuses_a_processor_that_is_none(self, world, tmp_path):
        path = tmp_path / "report.csv"
        path.write_text(
            "reference,kind,gross,fee,net,currency,date,payout\nfee_1,fee,0,1.00,-1.00,EUR,2026-01-02,po\n"
        )
        for arguments in ((str(path), "--provider", "nobody"), (str(tmp_path / "none"), "--provider", "x")):
            with pytest.raises(CommandError) as error:
                call_command("settle_cards", *arguments)
            assert error.value.returncode == 1


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
