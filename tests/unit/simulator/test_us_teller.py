"""NACHA files through the folders: taken once, answered when due, remembered across a stop."""

import json
from datetime import timedelta

import pytest

from apps.core.money import Money
from apps.payments.formats.bai2 import read_bai2
from apps.payments.formats.nacha import read_nacha, returns_of
from apps.simulator.bank import Bank
from apps.simulator.management.commands.run_bank_simulator import (
    ACH_AT_ONCE,
    STATE_FILE,
    US_STATE_FILE,
    Teller,
    save_bank,
)
from apps.simulator.us_bank import UsBank
from tests.unit.payments.test_ach_rail import RAIL, entry, outgoing
from tests.unit.simulator.test_us_bank import NUMBER


@pytest.fixture
def folders(tmp_path):
    """Leave the state that load_sandbox leaves, and empty folders."""
    save_bank(Bank(bic="MARKDEFF"), tmp_path / "bank" / STATE_FILE)
    bank = UsBank(routing="121042882")
    bank.open_account(NUMBER, "1234567890", Money(0, "USD"))
    save_bank(bank, tmp_path / "bank" / US_STATE_FILE)
    for name in ("out", "in"):
        (tmp_path / name).mkdir()
    return tmp_path


def teller(folders, ahead=timedelta()):
    return Teller(
        outgoing=folders / "out",
        incoming=folders / "in",
        state=folders / "bank" / STATE_FILE,
        statement_after_s=0,
        us_ahead=ahead,
    )


def put(folders, name, data):
    (folders / "out" / name).write_bytes(data)


def came(folders, pattern):
    return sorted(path for path in (folders / "in").glob(pattern) if path.is_file())


class TestTheTeller:
    def test_answers_at_once_when_it_is_asked_to(self, folders):
        data = RAIL.build(outgoing(entry(1, 2_500, remittance="simulate:return R03"))).data
        put(folders, "BEZANT-ACH-000000001.ach", data)

        teller(folders, ACH_AT_ONCE).look()

        (back,) = came(folders, "*.ach")
        (statement,) = came(folders, "*.bai2")
        assert [told.code for told in returns_of(read_nacha(back.read_bytes()).file)] == ["R03"]
        lines = read_bai2(statement.read_bytes()).statements[0].entries
        assert [line.amount.minor for line in lines] == [-2_500, 2_500]
        assert not (folders / "out" / "BEZANT-ACH-000000001.ach").exists()

    def test_takes_a_file_once_also_after_a_stop(self, folders):
        data = RAIL.build(outgoing(entry(1, 2_500))).data
        put(folders, "first.ach", data)
        teller(folders).look()
        put(folders, "again.ach", data)
        teller(folders).look()

        state = json.loads((folders / "bank" / US_STATE_FILE).read_text())
        waiting = state["accounts"][NUMBER]["bookings"]
        shown = [read_bai2(path.read_bytes()) for path in came(folders, "*.bai2")]
        booked = [line for file in shown for one in file.statements for line in one.entries]
        assert len(waiting) + len(booked) == 1

    @pytest.mark.parametrize("data", [b"", b"noise", b"1" * 940])
    def test_puts_aside_what_is_no_file(self, folders, data):
        put(folders, "bad.ach", data)

        teller(folders).look()

        assert came(folders, "*") == []
        assert not (folders / "out" / "bad.ach").exists()
