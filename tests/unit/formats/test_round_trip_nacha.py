"""NACHA: what is originated passes every rule and is read back; returns come back as they were sent."""

from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.formats import FormatError, detect
from apps.payments.formats.nacha import (
    AchBatch,
    AchEntry,
    AchFile,
    Batch,
    NachaFile,
    NotificationOfChange,
    build_ach,
    change_entry,
    check_nacha,
    contest_entry,
    dishonour_entry,
    encode_nacha,
    read_nacha,
    return_entry,
    returns_of,
    reversal_of,
    trace_numbers,
    write_nacha,
)
from apps.payments.formats.nacha.codes import check_digit
from apps.payments.formats.nacha.records import Record

few = settings(max_examples=60)
routings = st.integers(1, 10**8 - 1).map(lambda n: f"{n:08d}{check_digit(f'{n:08d}')}")
plain = (
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -.", min_size=1, max_size=16)
    .map(lambda value: " ".join(value.split()))
    .filter(lambda value: value.strip("0 ."))
)
numbers = st.text("0123456789ABC-", min_size=1, max_size=17)
addenda = (
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ*\\ 0123456789", min_size=1, max_size=80).map(str.strip).filter(bool)
)
LIMITS = {"PPD": 1, "CCD": 1, "WEB": 1, "TEL": 0, "CTX": 5}


@st.composite
def entries(draw, sec: str) -> AchEntry:
    directions = ["debit"] if sec == "TEL" else ["credit", "debit"]
    return AchEntry(
        direction=draw(st.sampled_from(directions)),
        routing=draw(routings),
        account=draw(numbers),
        amount=Money(draw(st.integers(0, 9_999_999_999)), "USD"),
        name=draw(plain),
        individual_id=draw(st.text("0123456789ABC", max_size=15)),
        account_kind=draw(st.sampled_from(["checking", "savings", "ledger"])),
        addenda=tuple(draw(st.lists(addenda, max_size=LIMITS[sec]))),
        payment_type=draw(st.sampled_from(["", "S", "R"])) if sec in ("WEB", "TEL") else "",
    )


@st.composite
def files(draw) -> AchFile:
    batches = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        sec = draw(st.sampled_from(sorted(LIMITS)))
        batches.append(
            AchBatch(
                company_name=draw(plain),
                company_id=draw(st.text("0123456789", min_size=9, max_size=10)),
                sec_code=sec,
                entry_description=draw(plain)[:10].strip() or "PAYROLL",
                effective_date=draw(st.dates(date(2024, 1, 1), date(2035, 1, 1))),
                odfi=draw(routings)[:8],
                entries=tuple(draw(st.lists(entries(sec), min_size=1, max_size=12))),
                batch_number=number,
                first_trace_sequence=draw(st.integers(1, 9_000_000)),
            )
        )
    return AchFile(
        destination_routing=draw(routings),
        origin=draw(st.text("0123456789", min_size=9, max_size=10)),
        created_at=draw(st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1))),
        batches=tuple(batches),
        modifier=draw(st.sampled_from("AZ09")),
        destination_name="FEDERAL RESERVE BANK",
        origin_name=draw(plain),
    )


def acceptable(file: AchFile) -> bool:
    names = [batch.company_name for batch in file.batches] + [
        batch.entry_description for batch in file.batches
    ]
    return all(name.strip(" 0") for name in names)


class TestOrigination:
    @few
    @given(files().filter(acceptable))
    def test_passes_every_rule_and_is_read_back(self, file):
        data = build_ach(file)

        assert build_ach(file) == data
        assert detect(data) == "NACHA"
        assert all(len(line) == 94 for line in data.decode("ascii").splitlines())
        assert len(data.splitlines()) % 10 == 0
        read = read_nacha(data)
        assert encode_nacha(read.file) == data
        for batch, said in zip(read.file.batches, file.batches, strict=True):
            assert batch.header["sec_code"] == said.sec_code
            assert tuple(entry.record["trace"] for entry in batch.entries) == trace_numbers(said)
            for entry, wanted in zip(batch.entries, said.entries, strict=True):
                assert entry.amount_minor == wanted.amount.minor
                assert entry.record["account"] == wanted.account
                assert entry.record["name"].strip() == wanted.name[:22]
                assert tuple(record["information"] for record in entry.addenda) == wanted.addenda

    @few
    @given(files().filter(acceptable))
    def test_sums_up_to_its_entries(self, file):
        totals = check_nacha(build_ach(file)).totals

        flat = [entry for batch in file.batches for entry in batch.entries]
        debit = sum(entry.amount.minor for entry in flat if entry.direction == "debit")
        assert totals["debit"] == Money(debit, "USD").decimal_text()
        assert totals["entries"] == len(flat)
        assert totals["entry_hash"] == f"{sum(int(entry.routing[:8]) for entry in flat) % 10**10:010d}"

    @few
    @given(files().filter(acceptable))
    def test_can_be_reversed(self, file):
        batch = file.batches[0]
        reversal = reversal_of(
            batch, effective_date=date(2026, 9, 3), batch_number=1, first_trace_sequence=500
        )

        data = build_ach(AchFile(file.destination_routing, file.origin, file.created_at, (reversal,)))

        (read,) = read_nacha(data).file.batches
        assert read.header["entry_description"] == "REVERSAL"
        assert [entry.direction for entry in reversal.entries] != [entry.direction for entry in batch.entries]


SAMPLE = AchFile(
    destination_routing="231380104",
    origin="121042882",
    created_at=datetime(2026, 9, 1, 10, 0),
    batches=(
        AchBatch(
            company_name="ACME",
            company_id="1234567890",
            sec_code="PPD",
            entry_description="PAYROLL",
            effective_date=date(2026, 9, 2),
            odfi="12104288",
            entries=(
                AchEntry("debit", "231380104", "12345678", Money(10000, "USD"), "Ada Lovelace", "INV-1"),
                AchEntry("credit", "231380104", "87654321", Money(2500, "USD"), "Alan Turing", "INV-2"),
            ),
        ),
    ),
)


def answered(batch: Batch, entries, sec="PPD"):
    """The answering bank's file: its own header over the returned entries."""
    header = Record(
        "batch_header", batch.header.fields | {"sec_code": sec, "odfi": "23138010", "service_class": "200"}
    )
    return NachaFile(read_nacha(build_ach(SAMPLE)).file.header, (Batch(header, tuple(entries)),))


class TestReturns:
    batch = read_nacha(build_ach(SAMPLE)).file.batches[0]

    def test_come_back_with_the_original_trace(self):
        entries = [
            return_entry(entry, code=code, trace=f"23138010000000{at}")
            for at, (entry, code) in enumerate(zip(self.batch.entries, ["R01", "R03"], strict=True), start=1)
        ]

        first, second = returns_of(read_nacha(write_nacha(answered(self.batch, entries))).file)

        assert (first.code, first.direction, first.amount.minor, first.action) == (
            "R01",
            "debit",
            10000,
            "retry",
        )
        assert (second.code, second.direction, second.action) == ("R03", "credit", "block")
        assert [first.original_trace, second.original_trace] == list(trace_numbers(SAMPLE.batches[0]))

    def test_can_be_dishonoured_and_contested(self):
        returned = return_entry(self.batch.entries[0], code="R01", trace="231380100000001")
        dishonoured = dishonour_entry(returned, code="R68", trace="121042880000009", information="Untimely")
        contested = contest_entry(dishonoured, code="R73", trace="231380100000002")

        (first,) = returns_of(read_nacha(write_nacha(answered(self.batch, [dishonoured]))).file)
        (second,) = returns_of(read_nacha(write_nacha(answered(self.batch, [contested]))).file)

        assert (first.kind, first.code, first.information) == ("dishonoured", "R68", "Untimely")
        assert (second.kind, second.code) == ("contested", "R73")
        assert second.original_trace == trace_numbers(SAMPLE.batches[0])[0]

    def test_that_are_sound_are_applied_beside_one_that_is_not(self):
        entries = [
            return_entry(entry, code=code, trace=f"23138010000000{at}")
            for at, (entry, code) in enumerate(zip(self.batch.entries, ["R01", "R03"], strict=True), start=1)
        ]
        data = write_nacha(answered(self.batch, entries)).replace(b"799R01", b"799R96", 1)

        reading = read_nacha(data, lenient=True)

        assert not reading.report.valid
        assert [item.code for item in returns_of(reading.file)] == ["R96", "R03"]
        assert [item.code for item in returns_of(reading.file, only=reading.is_sound)] == ["R03"]
        assert [finding.code for finding in reading.findings] == ["return_code"]

    def test_refuse_a_code_of_another_kind(self):
        with pytest.raises(FormatError):
            return_entry(self.batch.entries[0], code="R68", trace="231380100000001")
        with pytest.raises(FormatError):
            return_entry(self.batch.entries[0], code="R96", trace="231380100000001")


class TestNotificationsOfChange:
    @pytest.mark.parametrize(
        ("code", "values"),
        [
            ("C01", {"account": "1918171614"}),
            ("C02", {"routing": "121042882"}),
            ("C03", {"routing": "121042882", "account": "1918171614"}),
            ("C04", {"name": "ADA BYRON"}),
            ("C05", {"transaction_code": "37"}),
            ("C06", {"account": "1918171614", "transaction_code": "37"}),
            ("C07", {"routing": "121042882", "account": "1918171614", "transaction_code": "37"}),
            ("C09", {"individual_id": "X-9"}),
        ],
    )
    def test_carry_the_corrected_values(self, code, values):
        entry = change_entry(TestReturns.batch.entries[0], code=code, values=values, trace="231380100000001")

        (change,) = returns_of(read_nacha(write_nacha(answered(TestReturns.batch, [entry], "COR"))).file)

        assert isinstance(change, NotificationOfChange)
        told = {
            name: getattr(change, name)
            for name in ("account", "routing", "name", "transaction_code", "individual_id")
            if getattr(change, name) is not None
        }
        assert (change.code, told) == (code, values)

    def test_with_other_values_than_the_code_asks_for_are_refused(self):
        with pytest.raises(FormatError) as refusal:
            change_entry(
                TestReturns.batch.entries[0], code="C01", values={"routing": "1"}, trace="231380100000001"
            )

        assert refusal.value.code == "corrected_data"
