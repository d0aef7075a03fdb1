"""BAI2: what is written is read back equal, and what cannot be written is refused."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.formats import (
    Balance,
    BankCode,
    FormatError,
    References,
    Statement,
    StatementEntry,
    build_bai2,
)
from apps.payments.formats.bai2 import check_bai2, read_bai2

DAY = date(2026, 5, 5)
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="/,:"), max_size=60)
WORD = WORDS.map(lambda text: " ".join(text.split()))


def line(position, minor, reference="", text=""):
    return StatementEntry(
        position=position,
        amount=Money(minor, "USD"),
        status="BOOK",
        booking_date=DAY,
        value_date=DAY,
        refs=References(end_to_end=reference, acct_svcr=f"R{position}"),
        bank_code=BankCode(proprietary="466" if minor < 0 else "166"),
        remittance_unstructured=text,
    )


def written(*entries, account="123456"):
    total = sum(entry.amount.minor for entry in entries)
    statement = Statement(
        id="1",
        kind="statement",
        account=account,
        iban="",
        currency="USD",
        from_date=DAY,
        to_date=DAY,
        balances=(Balance("OPBD", Money(0, "USD"), DAY), Balance("CLBD", Money(total, "USD"), DAY)),
        entries=entries,
    )
    created = datetime(2026, 5, 5, 12, tzinfo=UTC)
    return build_bai2(
        sender="121042882", receiver="OP", file_id="1", created_at=created, statements=(statement,)
    )


@given(st.lists(st.tuples(st.integers(-(10**12), 10**12), WORD, WORD), max_size=12))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(drawn):
    entries = [line(n, minor, reference, text) for n, (minor, reference, text) in enumerate(drawn, start=1)]

    data = written(*entries)

    (statement,) = read_bai2(data).statements
    assert check_bai2(data)[1].valid
    assert [
        (entry.amount.minor, entry.refs.end_to_end, entry.remittance_unstructured)
        for entry in statement.entries
    ] == [(entry.amount.minor, entry.refs.end_to_end, entry.remittance_unstructured) for entry in entries]
    assert [balance.code for balance in statement.balances] == ["OPBD", "CLBD"]


@pytest.mark.parametrize("account", ["12,3", "12/3", "12\n3", "é"])
def test_what_would_end_a_field_is_refused(account):
    with pytest.raises(FormatError):
        written(account=account)


def test_a_type_code_of_the_other_direction_is_refused():
    wrong = line(1, 5)
    with pytest.raises(FormatError):
        written(StatementEntry(**{**_fields(wrong), "bank_code": BankCode(proprietary="466")}))


def _fields(entry):
    return {name: getattr(entry, name) for name in entry.__slots__}
