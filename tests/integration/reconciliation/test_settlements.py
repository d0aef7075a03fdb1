"""A processor's report, the net amount at the bank, and breaks resolved in bulk."""

import json
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation.domain.settlements import FIELDS, KINDS, BadSettlement, read_settlement
from tests import factories

PLAIN = {name: name for name in FIELDS}, {kind: kind for kind in KINDS}
HEAD = "group,kind,reference,amount,currency,date\n"


def report(tmp_path, *rows):
    path = tmp_path / "settlement.csv"
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


@pytest.fixture
def collected(bank, merchant):
    """Two payments of 100.00 and 50.00 that a provider collected for the merchant."""
    references = []
    for minor in (10_000, 5_000):
        reference = f"ord_{uuid.uuid4().hex}"
        event = factories.PayinEventFactory(
            organisation_id=merchant.organisation_id,
            account_id=merchant.inner.accounts[0],
            amount=Money(minor, "EUR"),
        )
        event.payload.update(
            id=reference, amount={"amount": Money(minor, "EUR").decimal_text(), "currency": "EUR"}
        )
        factories.do(event)
        references.append(reference)
    bank.reconcile_now()
    return references


def import_it(bank, path, **options):
    out = StringIO()
    call_command(
        "import_settlement",
        path,
        "--provider",
        "bezant_sandbox",
        "--account",
        public_id("ban", bank.account_id),
        "--json",
        stdout=out,
        **options,
    )
    return json.loads(out.getvalue())


class TestNetSettlement:
    def test_is_matched_as_gross_less_fees_and_leaves_nothing_open(self, bank, merchant, collected, tmp_path):
        first, second = collected
        path = report(
            tmp_path,
            f"PO-1,payment,{first},100.00,EUR,2026-11-24",
            f"PO-1,payment,{second},50.00,EUR,2026-11-24",
            "PO-1,fee,F1,2.50,EUR,2026-11-24",
        )

        answer, again = import_it(bank, path), import_it(bank, path)
        bank.books(14_750, end_to_end="PO-1", name="Sandbox Provider")
        run = bank.reconcile()

        assert (answer["linked"], answer["added"]) == (2, 1) and again["known"] == 3
        assert run["matched"] == {"settlement": 1} and run["refused"] == [] and run["break_count"] == 0
        assert bank.cash() == bank.closing() == 14_750
        assert merchant.balance() == 15_000

    def test_a_net_amount_that_is_not_the_sum_is_a_break(self, bank, merchant, collected, tmp_path):
        path = report(
            tmp_path, f"PO-2,payment,{collected[0]},100.00,EUR,2026-11-24", "PO-2,fee,F1,2.50,EUR,2026-11-24"
        )
        import_it(bank, path)
        bank.books(9_700, end_to_end="PO-2")

        assert bank.reconcile()["breaks"] == {"under": 1}
        assert bank.only_break().difference_minor == -50

    def test_an_amount_that_differs_from_its_payment_fails_the_import(
        self, bank, merchant, collected, tmp_path
    ):
        with pytest.raises(SystemExit) as caught:
            import_it(bank, report(tmp_path, f"PO-3,payment,{collected[0]},100.01,EUR,2026-11-24"))

        assert caught.value.code == 1

    def test_reconcile_processor_names_what_is_none_of_ours(self, bank, merchant, collected, tmp_path):
        import_it(bank, report(tmp_path, "PO-4,payment,ord_unknown,7.00,EUR,2026-11-24"))
        out = StringIO()

        with pytest.raises(SystemExit):
            call_command("reconcile_processor", "--as-of", "2026-11-24", "--json", stdout=out)

        assert {"group": "PO-4", "amount": "7.00", "currency": "EUR"} in json.loads(out.getvalue())["unknown"]


class TestReport:
    @pytest.mark.parametrize(
        ("row", "line"),
        [
            ("G,payment,R,1.001,EUR,2026-11-24", 2),
            ("G,payment,R,1e2,EUR,2026-11-24", 2),
            ("G,payment,R,1.00,XXY,2026-11-24", 2),
            ("G,bribe,R,1.00,EUR,2026-11-24", 2),
            ("G,payment,,1.00,EUR,2026-11-24", 2),
            ("G,payment,R,1.00,EUR,yesterday", 2),
            ("G,payment,R,1.00,EUR", 2),
            ("G,payment,R,1.00,EUR,2026-11-24,more", 2),
            ("G,fee,R,1.00,EUR,2026-11-24\nG,fee,R,1.00,EUR,2026-11-24", 3),
            (f"G,fee,{'x' * 999},1.00,EUR,2026-11-24", 2),
        ],
    )
    def test_that_is_wrong_is_refused_with_its_line(self, row, line):
        with pytest.raises(BadSettlement) as caught:
            read_settlement((HEAD + row).encode(), columns=PLAIN[0], kinds=PLAIN[1])

        assert caught.value.facts["line"] == line

    def test_fees_are_negative_however_they_are_written(self):
        data = (HEAD + "G,fee,A,1.00,EUR,2026-11-24\nG,fee,B,-1.00,EUR,2026-11-24\n").encode()

        rows = read_settlement(data, columns=PLAIN[0], kinds=PLAIN[1])

        assert [row.amount.minor for row in rows] == [-100, -100]


class TestBulk:
    def test_all_rows_or_none(self, bank, tmp_path):
        bank.books(5_000, remittance="a")
        bank.books(-300, remittance="b")
        bank.reconcile()
        keys = {row.difference_minor: public_id("brk", row.id) for row in bank.open_breaks()}
        path = tmp_path / "breaks.csv"

        path.write_text(
            f"break,action,value\n{keys[5_000]},suspense,\n{public_id('brk', uuid.UUID(int=5))},charge,\n"
        )
        with pytest.raises(SystemExit):
            call_command("resolve_breaks", path, stdout=StringIO())
        untouched = len(bank.open_breaks())
        path.write_text(f"break,action,value\n{keys[5_000]},suspense,\n{keys[-300]},charge,\n")
        call_command("resolve_breaks", path, stdout=StringIO())
        bank.reconcile_now()

        assert untouched == 2 and bank.open_breaks() == []
        assert bank.cash() == bank.closing()

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "break,action\n1,2\n",
            "break,action,value\nbrk_x,suspense,\n",
            "break,action,value\nx,explode,\n",
        ],
    )
    def test_a_file_that_is_wrong_is_refused(self, bank, tmp_path, text):
        path = tmp_path / "breaks.csv"
        path.write_text(text)

        with pytest.raises(CommandError):
            call_command("resolve_breaks", path, stdout=StringIO())
