"""Imports beyond the samples: overlaps, order, duplicates, chains, and files that mean harm."""

import hashlib
import json
import random
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments.formats import Balance, References, Statement, StatementEntry, build_statements
from apps.reconciliation import public as reconciliation
from apps.reconciliation.models import BankAccount, StatementLine
from apps.reconciliation.models import Statement as StatementRow
from apps.reconciliation.queries import chain_problems
from tests.integration.reconciliation.conftest import ACTOR, AT

IBAN = "NL08INGB0000001234"
FIRST = date(2026, 11, 2)


def entry(position, minor, day, *, reference="", info=""):
    return StatementEntry(
        position=position,
        amount=Money(minor, "EUR"),
        status="BOOK",
        booking_date=day,
        value_date=day,
        refs=References(acct_svcr=reference),
        info=info,
    )


def statement(number, entries, *, opening, start=FIRST, end=None):
    end = end or start
    return Statement(
        id=f"S{number}",
        kind="statement",
        account=IBAN,
        iban=IBAN,
        currency="EUR",
        sequence=str(number),
        created_at=AT,
        from_date=start,
        to_date=end,
        entries=tuple(entries),
        balances=(
            Balance("OPBD", Money(opening, "EUR"), start),
            Balance("CLBD", Money(opening + sum(one.amount.minor for one in entries), "EUR"), end),
        ),
    )


def written(*statements):
    return build_statements(message_id="M" + statements[0].id, created_at=AT, statements=statements)


@pytest.fixture
def take_in(organisation_id, follow):
    follow(IBAN)

    def run(data, **options):
        return reconciliation.import_statement(
            data, file_name="a.xml", actor=ACTOR, at=AT, organisation_id=organisation_id, **options
        )

    return run


@pytest.fixture
def kept(organisation_id):
    def look():
        with tenancy.scope(organisation_id):
            lines = StatementLine.objects.order_by("id").values_list(
                "id",
                "statement_id",
                "position",
                "part",
                "amount_minor",
                "booking_date",
                "fingerprint",
                "state",
            )
            return list(lines)

    return look


class TestIdenticalLines:
    def test_both_survive_within_one_statement(self, take_in, kept):
        take_in(
            written(
                statement(
                    1, [entry(1, -500, FIRST, info="fee"), entry(2, -500, FIRST, info="fee")], opening=1000
                )
            )
        )

        assert [row[4] for row in kept()] == [-500, -500]

    def test_both_survive_in_statements_that_follow_one_another_on_a_day(self, take_in, kept):
        take_in(written(statement(1, [entry(1, -500, FIRST, info="fee")], opening=1000)))
        take_in(written(statement(2, [entry(1, -500, FIRST, info="fee")], opening=500)))

        assert [row[4] for row in kept()] == [-500, -500]

    def test_the_same_line_in_overlapping_statements_is_one(self, take_in, kept):
        days = [FIRST + timedelta(days=offset) for offset in range(3)]
        entries = [entry(1, 100, days[0], reference="A"), entry(2, 200, days[1], reference="B")]
        take_in(written(statement(1, entries, opening=0, end=days[1])))

        answer = take_in(
            written(
                statement(
                    2,
                    [replace(entries[1], position=1), entry(2, 300, days[2], reference="C")],
                    opening=100,
                    start=days[1],
                    end=days[2],
                )
            )
        )

        assert sorted(row[4] for row in kept()) == [100, 200, 300]
        assert answer["statements"][0]["known_lines"] == 1


class TestOrder:
    def test_any_order_of_files_gives_the_same_rows(self, make_organisation, follow):
        files = _a_month()
        digests = set()
        for seed in range(4):
            shuffled = files[:]
            random.Random(seed).shuffle(shuffled)
            digests.add(_digest_of_import(make_organisation().id, shuffled))

        assert len(digests) == 1

    def test_importing_everything_again_changes_nothing(self, take_in, kept):
        files = _a_month()
        for data in files:
            take_in(data)
        before = kept()

        answers = [take_in(data) for data in reversed(files)]

        assert kept() == before
        assert all(answer["already_imported"] for answer in answers)


def _a_month():
    """Twelve statements with overlaps, in which lines with and without references recur."""
    files, balance = [], 10_000
    for number in range(1, 13):
        start = FIRST + timedelta(days=number)
        entries = [
            entry(
                position,
                position * 100 if position % 2 else -50,
                start,
                reference=f"R{number}-{position}" if position != 3 else "",
                info="monthly fee",
            )
            for position in range(1, 6)
        ]
        files.append(written(statement(number, entries, opening=balance, start=start)))
        balance += sum(one.amount.minor for one in entries)
    last = FIRST + timedelta(days=12)
    again = [
        entry(1, -50, last, reference="R12-2", info="monthly fee"),
        entry(2, 100, last, reference="R12-1", info="monthly fee"),
    ]
    files.append(written(statement(40, again, opening=balance, start=last, end=last + timedelta(days=1))))
    return files


def _digest_of_import(organisation_id, files):
    """Import under an account whose key does not depend on the organisation, and digest what is kept."""
    from apps.core.commands import execute
    from apps.reconciliation.commands import AddBankAccount

    execute(AddBankAccount(organisation_id, number=IBAN, currency="EUR"), actor=ACTOR, key=None, at=AT)
    for data in files:
        reconciliation.import_statement(
            data, file_name="a", actor=ACTOR, at=AT, organisation_id=organisation_id
        )
    with tenancy.scope(organisation_id):
        lines = StatementLine.objects.select_related("statement").order_by("fingerprint", "part")
        rows = [
            [
                line.fingerprint,
                line.part,
                line.amount_minor,
                str(line.booking_date),
                line.state,
                line.position,
                line.statement.bank_id,
                line.bank_reference,
                line.end_to_end,
                line.bank_code,
                line.text.reveal() if line.text else "",
            ]
            for line in lines
        ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


class TestChain:
    def test_a_missing_statement_and_a_wrong_opening_are_named(self, take_in, organisation_id):
        take_in(written(statement(1, [entry(1, 100, FIRST)], opening=0)))
        take_in(
            written(
                statement(
                    3,
                    [entry(1, 100, FIRST + timedelta(days=2))],
                    opening=150,
                    start=FIRST + timedelta(days=2),
                )
            )
        )

        with tenancy.scope(organisation_id):
            problems = chain_problems(BankAccount.objects.get(number=IBAN))

        assert [(one.kind, one.expected, one.found) for one in problems] == [
            ("gap", "2", "3"),
            ("opening_differs", "100", "150"),
        ]


class TestRefusals:
    def test_the_same_statement_in_another_file_is_refused(self, take_in, kept):
        one = statement(1, [entry(1, 100, FIRST)], opening=0)
        take_in(written(one))
        before = kept()

        with pytest.raises(Refusal) as caught:
            take_in(written(one).replace(b"MS1", b"MS2"))

        assert caught.value.code == "duplicate_statement" and kept() == before

    def test_one_foreign_account_keeps_the_whole_file_out(self, take_in, kept):
        ours = statement(1, [entry(1, 100, FIRST)], opening=0)
        foreign = replace(
            statement(2, [], opening=0), account="DE89370400440532013000", iban="DE89370400440532013000"
        )

        with pytest.raises(Refusal) as caught:
            take_in(written(ours, foreign))

        assert caught.value.code == "unknown_bank_account" and kept() == []
        assert "DE89370400440532013000" not in str(caught.value)

    def test_a_day_that_has_not_come_is_refused(self, take_in, kept):
        later = AT.date() + timedelta(days=9)

        with pytest.raises(Refusal) as caught:
            take_in(written(statement(1, [entry(1, 100, later)], opening=0, start=later)))

        assert caught.value.code == "future_date" and kept() == []

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: data[: len(data) // 2],
            lambda data: data.replace(b"<?xml", b'<!DOCTYPE x [<!ENTITY a "b">]><?xml', 1),
            lambda data: data.replace(b"?>", b'?><!DOCTYPE lolz [<!ENTITY lol "lol">]>', 1),
            lambda data: data.replace(b">1.00<", b">1.001<"),
            lambda data: data.replace(b">1.00<", b">1e2<"),
            lambda data: data.decode().encode("utf-16"),
            lambda data: data + b"\0",
            lambda data: b"",
            lambda data: b"PK\x03\x04 not a statement",
        ],
        ids=[
            "truncated",
            "doctype first",
            "entities",
            "decimals",
            "exponent",
            "utf-16",
            "nul",
            "empty",
            "zip",
        ],
    )
    def test_a_broken_or_hostile_file_is_refused_with_a_reason(self, take_in, kept, spoil):
        data = spoil(written(statement(1, [entry(1, 100, FIRST)], opening=0)))

        with pytest.raises(Refusal) as caught:
            take_in(data)

        assert caught.value.code and kept() == []

    def test_a_file_larger_than_any_statement_is_refused_and_leaves_nothing(
        self, tmp_path, organisation_id, kept
    ):
        from django.conf import settings

        path = tmp_path / "huge.xml"
        with path.open("wb") as file:
            file.truncate(200 * 1024 * 1024)

        with pytest.raises(Refusal) as caught:
            reconciliation.import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        assert caught.value.code == "file_too_large" and kept() == []
        assert not list((settings.VAR_DIR / "bank" / "statements").glob(".*"))

    def test_a_refused_file_is_not_kept_in_the_store(self, take_in):
        from django.conf import settings

        data = b"<broken"

        with pytest.raises(Refusal):
            take_in(data)

        assert not (settings.VAR_DIR / "bank" / "statements" / hashlib.sha256(data).hexdigest()).exists()

    def test_trailing_zeros_pass(self, take_in, kept):
        data = written(statement(1, [entry(1, 100, FIRST)], opening=0)).replace(b">1.00<", b">1.0000<")

        take_in(data)

        assert [row[4] for row in kept()] == [100]


class TestCommandLine:
    def test_one_refused_file_fails_the_command_and_does_not_keep_the_others_out(
        self, tmp_path, organisation, follow, kept
    ):
        from apps.core.ids import public_id

        follow(IBAN)
        good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
        good.write_bytes(written(statement(1, [entry(1, 100, FIRST)], opening=0)))
        bad.write_bytes(b"<nothing/>")
        out = StringIO()

        with pytest.raises(SystemExit) as caught:
            call_command(
                "import_statement",
                bad,
                good,
                "--organisation",
                public_id("org", organisation.id),
                "--json",
                stdout=out,
            )

        answer = json.loads(out.getvalue())
        assert caught.value.code == 1 and answer["ok"] is False
        assert [file["result"] for file in answer["files"]] == ["refused", "imported"]
        assert len(kept()) == 1

    def test_a_dry_run_changes_nothing(self, tmp_path, organisation, follow, kept):
        from apps.core.ids import public_id

        follow(IBAN)
        path = tmp_path / "good.xml"
        path.write_bytes(written(statement(1, [entry(1, 100, FIRST)], opening=0)))
        out = StringIO()

        call_command(
            "import_statement",
            path,
            "--organisation",
            public_id("org", organisation.id),
            "--dry-run",
            "--json",
            stdout=out,
        )

        assert json.loads(out.getvalue())["files"][0]["result"] == "would_import" and kept() == []
        with tenancy.scope(organisation.id):
            assert not StatementRow.objects.exists()
