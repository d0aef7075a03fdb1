"""A card processor pays out: its report settles the captures, the bank's line is the payout, clearing is empty."""

import json
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core import tenancy
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.formats import Balance, References, Statement, StatementEntry, build_statements
from apps.reconciliation import public as reconciliation
from apps.reconciliation.importing.accounts import bank_account_of_settlement
from apps.reconciliation.models import Break, Expectation, Match
from apps.reconciliation.queries import processor_report
from tests import factories
from tests.integration.reconciliation.conftest import ACTOR
from tests.processor import PROVIDER, CardWorld


@pytest.fixture
def world(db):
    return CardWorld()


@pytest.fixture
def merchant(world):
    return factories.merchant(accounts_count=1)


@pytest.fixture
def account(world):
    with tenancy.scope(tenancy.PLATFORM):
        return bank_account_of_settlement(world.bank.id)


def import_it(path, account, *options):
    out = StringIO()
    try:
        call_command(
            "import_settlement",
            path,
            "--provider",
            PROVIDER,
            "--account",
            public_id("ban", account.id),
            "--cards",
            "--json",
            *options,
            stdout=out,
        )
    except SystemExit:
        pass
    return json.loads(out.getvalue())


def bank_shows(world, account, net, reference):
    """Take in a statement with one line and reconcile."""
    day = world.at.date()
    one = StatementEntry(
        position=1,
        amount=net,
        status="BOOK",
        booking_date=day,
        value_date=day,
        refs=References(end_to_end=reference, acct_svcr=uuid.uuid4().hex[:20]),
    )
    statement = Statement(
        id=uuid.uuid4().hex,
        kind="statement",
        account=world.bank.iban,
        iban=world.bank.iban,
        currency="EUR",
        created_at=world.at,
        from_date=day,
        to_date=day,
        balances=(Balance("OPBD", Money(0, "EUR"), day), Balance("CLBD", net, day)),
        entries=(one,),
    )
    data = build_statements(message_id=statement.id, created_at=world.at, statements=(statement,))
    reconciliation.import_statement(data, file_name="a.xml", actor=ACTOR, at=world.at)
    (run,) = reconciliation.reconcile_accounts(as_of=day, actor=ACTOR, at=world.at, accounts=[account])
    return run


def balances(world):
    with tenancy.scope(tenancy.PLATFORM):
        return [ledger.balance(one).posted for one in (world.bank.cash_id, world.bank.clearing_in_id)]


class TestAPayout:
    def test_is_expected_from_the_report_and_matched_with_the_banks_line(
        self, world, merchant, account, tmp_path
    ):
        key = world.pay(merchant, minor=10_000)
        cash, clearing = balances(world)
        report, net, name = world.processor.pay_out("EUR", at=world.at)
        path = tmp_path / "report.csv"
        path.write_bytes(report)

        would = import_it(path, account, "--dry-run")
        done = import_it(path, account)
        again = import_it(path, account)
        bank_shows(world, account, net, name)

        assert would["settled"] == done["settled"] == 1 and again["known"] == 1
        assert done["payouts"] == {"added": 1, "changed": 0, "known": 0}
        assert again["payouts"] == {"added": 0, "changed": 0, "known": 1}
        assert world.state(key) == "settled"
        assert balances(world) == [cash - net.minor, clearing]
        with tenancy.scope(tenancy.PLATFORM):
            expected = Expectation.objects.get(group_reference=name.upper())
            match = Match.objects.get(id=expected.match_id)
        assert (match.method, match.state, len(match.journals)) == ("settlement", "applied", 1)

    def test_that_differs_from_the_report_is_a_break_with_its_proposal(
        self, world, merchant, account, tmp_path
    ):
        world.pay(merchant, minor=10_000)
        report, net, name = world.processor.pay_out("EUR", at=world.at)
        path = tmp_path / "report.csv"
        path.write_bytes(report)
        import_it(path, account)
        before = balances(world)

        bank_shows(world, account, net - Money(100, "EUR"), name)

        with tenancy.scope(tenancy.PLATFORM):
            found = Break.objects.select_related("expectation").get(
                line__end_to_end=name.upper(), state="open"
            )
        assert (found.reason, found.difference_minor) == ("under", -100)
        assert found.expectation is not None and found.expectation.group_reference == name.upper()
        assert balances(world) == before

    def test_that_does_not_arrive_and_captures_no_report_shows_are_named(
        self, world, merchant, account, tmp_path
    ):
        world.pay(merchant, minor=10_000)
        report, _, name = world.processor.pay_out("EUR", at=world.at)
        path = tmp_path / "report.csv"
        path.write_bytes(report)
        import_it(path, account)
        forgotten = world.pay(merchant, minor=4_321)

        with tenancy.scope(tenancy.PLATFORM):
            now = processor_report(world.at.date())
            later = processor_report(world.at.date() + timedelta(days=30))

        mine = public_id("pay", forgotten)
        assert mine not in {one["payment"] for one in now["unsettled"]}
        assert mine in {one["payment"] for one in later["unsettled"]}
        assert name.upper() in {one["payout"] for one in later["payouts_missing"]}

    @pytest.mark.parametrize(
        ("text", "code"),
        [("nonsense", "columns"), ("", "columns"), ("reference,kind\n", "columns")],
    )
    def test_of_a_report_that_is_wrong_is_refused_with_a_reason(self, account, tmp_path, text, code):
        path = tmp_path / "report.csv"
        path.write_text(text)

        assert import_it(path, account)["code"] == code

    def test_needs_a_mapping_that_is_one(self, account, tmp_path):
        path = tmp_path / "report.csv"
        path.write_text("x")
        bad = tmp_path / "map.json"
        bad.write_text('{"colour": "red"}')

        assert import_it(path, account, "--map", str(bad))["code"] == "bad_settlement"
        bad.write_text("[")
        with pytest.raises(CommandError):
            import_it(path, account, "--map", str(bad))


class TestTheFolder:
    def test_takes_in_what_the_processor_put_there(self, world, merchant, account, settings, tmp_path):
        from apps.reconciliation.tasks import take_in_card_reports

        settings.BANK_INCOMING_DIR = tmp_path
        key = world.pay(merchant)
        report, net, name = world.processor.pay_out("EUR", at=world.at)
        (tmp_path / f"{PROVIDER}.{name}.settlement.csv").write_bytes(report)
        (tmp_path / "nobody.po_1.settlement.csv").write_bytes(report)
        (tmp_path / f"{PROVIDER}.po_2.settlement.csv").write_bytes(b"not a report")
        take_in_card_reports()

        assert world.state(key) == "settled"
        with tenancy.scope(tenancy.PLATFORM):
            expected = Expectation.objects.filter(kind="card_payout", amount_minor=net.minor, state="open")
            assert expected.exists()
        assert len(list((tmp_path / "done").iterdir())) == 1
        assert len(list((tmp_path / "refused").glob("*.reason.txt"))) == 2
