"""The ACH as a rail: what it carries, when it settles, the files it writes, what it reads of those that come."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.domain.calendars import Calendar
from apps.payments.formats import FormatError
from apps.payments.formats.nacha import check_nacha, read_nacha
from apps.payments.formats.nacha.codes import CONTESTED, DISHONOURED, RETURN_CODES
from apps.payments.rails import ach_codes
from apps.payments.rails.ach import OPERATOR_WINDOWS, Ach, sec_code_for
from apps.payments.rails.base import Action, Instruction, Outgoing, Party, Told

RAIL = Ach()
FED = Calendar("FED", frozenset(holidays.financial_holidays("FED", years=range(2025, 2029))))
EASTERN = ZoneInfo("America/New_York")
OURS = Party("Test Operator Inc", "123456789012", "121042882")
THEIRS = Party("Ada Example", "000123456789", "021000021")
GOLDEN = Path(__file__).parent / "golden" / "ach_rail.ach"
PROFILE = {
    "company_id": "1234567890",
    "company_name": "TEST OPERATOR",
    "odfi": "12104288",
    "destination": "121042882",
    "destination_name": "FIRST TEST BANK",
    "origin": "121042882",
    "origin_name": "TEST OPERATOR",
    "segregate": False,
    "modifier": "A",
    "first_batch_number": 7,
    "same_day": False,
}


def entry(sequence=1, minor=2_500, *, to=THEIRS, remittance="", reference="", **options):
    debit = options.get("direction") == "debit"
    return Instruction(
        reference=reference or f"REF{sequence:012d}",
        amount=Money(minor, "USD"),
        debtor=to if debit else OURS,
        creditor=OURS if debit else to,
        remittance=remittance,
        options={"sec_code": "PPD", "trace_sequence": sequence, "account_kind": "checking"} | options,
    )


def outgoing(*entries, **changes):
    return Outgoing(
        message_id="BEZANT-ACH-000000001",
        created_at=datetime(2026, 5, 4, 20, 15, tzinfo=UTC),
        execution_date=date(2026, 5, 5),
        ours=OURS,
        instructions=entries,
        options=PROFILE | changes,
    )


def eastern(day, hour, minute=0, second=0):
    return datetime.combine(day, time(hour, minute, second), tzinfo=EASTERN)


class TestWhatItCarries:
    def test_is_dollars_in_files_on_the_days_of_the_reserve_banks(self):
        can = RAIL.capabilities()

        assert (can.currencies, can.calendar, can.files, can.collects) == ({"USD"}, "FED", True, True)
        assert [f"{window.at:%H:%M}" for window in can.cut_offs] == ["10:00", "14:15", "16:15", "17:30"]

    def test_closes_before_the_operator_does(self):
        ours = [window.at for window in RAIL.same_day]

        assert all(mine < theirs for mine, (_, theirs) in zip(ours, OPERATOR_WINDOWS, strict=True))

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"minor": 0}, "amount"),
            ({"minor": 10**10}, "amount"),
            ({"to": Party("Ada", "1", "021000022")}, "creditor_routing"),
            ({"to": Party("Ada", "1" * 18, "021000021")}, "creditor_account"),
            ({"to": Party("...", "1", "021000021")}, "name"),
            ({"account_kind": "gold"}, "account_kind"),
            ({"sec_code": "POP"}, "sec_code"),
            ({"sec_code": "TEL"}, "sec_code"),
            ({"remittance": "x" * 81}, "remittance"),
            ({"same_day": True, "minor": 100_000_001, "on": date(2026, 5, 4)}, "same_day_limit"),
        ],
    )
    def test_names_what_it_cannot(self, changes, code):
        assert [finding.code for finding in RAIL.validate(entry(**changes))] == [code]

    def test_has_a_limit_for_the_same_day_that_changes_with_the_rules(self):
        asked = [date(2016, 1, 1), date(2019, 1, 1), date(2021, 1, 1), date(2026, 1, 1), date(2027, 9, 17)]

        assert [RAIL.same_day_limit_minor(day) for day in asked] == [
            0,
            2_500_000,
            10_000_000,
            100_000_000,
            1_000_000_000,
        ]
        assert RAIL.validate(entry(same_day=True, minor=100_000_000, on=date(2026, 5, 4))) == []


class TestDates:
    FRIDAY, MONDAY = date(2026, 5, 8), date(2026, 5, 11)

    def quote(self, now, **options):
        minor = options.pop("minor", 2_500)
        return RAIL.quote_dates(entry(minor=minor, **options), now, FED)

    @pytest.mark.parametrize("direction", ["credit", "debit"])
    def test_an_entry_takes_effect_one_banking_day_after_its_file(self, direction):
        dates = self.quote(eastern(self.FRIDAY, 17, 29), direction=direction)

        assert (dates.execution, dates.settlement) == (self.MONDAY, self.MONDAY)
        assert dates.submit_by == eastern(self.FRIDAY, 17, 30)
        assert dates.final_on == date(2026, 5, 13)

    def test_a_cut_off_exactly_reached_is_too_late(self):
        assert self.quote(eastern(self.FRIDAY, 17, 30)).execution == date(2026, 5, 12)
        just_before = eastern(self.FRIDAY, 16, 15) - timedelta(microseconds=1)
        assert self.quote(just_before, same_day=True).execution == self.FRIDAY
        assert self.quote(eastern(self.FRIDAY, 16, 15), same_day=True).execution == self.MONDAY

    def test_the_same_day_has_three_windows(self):
        submit_by = [
            self.quote(eastern(self.FRIDAY, hour), same_day=True).submit_by.strftime("%H:%M")
            for hour in (9, 10, 15)
        ]

        assert submit_by == ["10:00", "14:15", "16:15"]

    def test_more_than_the_limit_does_not_go_the_same_day(self):
        limit = 100_000_000
        now = eastern(self.FRIDAY, 9)

        assert self.quote(now, same_day=True, minor=limit).execution == self.FRIDAY
        assert self.quote(now, same_day=True, minor=limit + 1).execution == self.MONDAY

    @pytest.mark.parametrize(
        ("ordered", "effective"),
        [
            (date(2026, 7, 2), date(2026, 7, 3)),  # 4 July is a Saturday: Friday is a banking day
            (date(2026, 7, 3), date(2026, 7, 6)),
            (date(2027, 12, 23), date(2027, 12, 24)),  # Christmas on a Saturday
            (date(2027, 12, 31), date(2028, 1, 3)),  # New Year on a Saturday
            (date(2027, 7, 2), date(2027, 7, 6)),  # 4 July on a Sunday is kept on Monday
            (date(2026, 11, 25), date(2026, 11, 27)),  # Thanksgiving
        ],
    )
    def test_follow_the_reserve_banks_and_not_the_government(self, ordered, effective):
        assert self.quote(eastern(ordered, 9)).execution == effective

    def test_a_bank_without_windows_of_the_same_day_has_none(self):
        rail = Ach(cut_offs=tuple(w for w in RAIL.cut_offs if not w.settles_same_day))

        assert rail.quote_dates(entry(same_day=True), eastern(self.FRIDAY, 9), FED).execution == self.MONDAY

    @given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1)), st.booleans(), st.booleans())
    @settings(max_examples=200, deadline=None)
    def test_are_always_banking_days_and_in_order(self, at, same_day, debit):
        now = at.replace(tzinfo=UTC)

        dates = self.quote(now, same_day=same_day, direction="debit" if debit else "credit")

        assert FED.is_open(dates.execution)
        assert now < dates.submit_by
        assert dates.submit_by.date() <= dates.execution == dates.settlement < dates.final_on


class TestTheEntryClass:
    @pytest.mark.parametrize(
        ("asked", "code"),
        [
            ({"direction": "credit", "payer": "company", "payee": "person"}, "PPD"),
            ({"direction": "credit", "payer": "person", "payee": "person"}, "WEB"),
            ({"direction": "credit", "payer": "person", "payee": "company"}, "CCD"),
            ({"direction": "credit", "payer": "company", "payee": "company", "remittance": "x" * 80}, "CCD"),
            ({"direction": "credit", "payer": "company", "payee": "company", "remittance": "x" * 81}, "CTX"),
            ({"direction": "debit", "payer": "company", "payee": "company"}, "CCD"),
            ({"direction": "debit", "payer": "person", "payee": "company"}, "PPD"),
            (
                {"direction": "debit", "payer": "person", "payee": "company", "authorised_by": "internet"},
                "WEB",
            ),
            ({"direction": "debit", "payer": "person", "payee": "company", "authorised_by": "phone"}, "TEL"),
        ],
    )
    def test_follows_from_who_pays_whom(self, asked, code):
        assert sec_code_for(**asked) == code


class TestAFile:
    def entries(self):
        return (
            entry(1, 2_500, remittance="Invoice 4711"),
            entry(2, 990, sec_code="CCD", to=Party("Müller & Söhne", "77-A", "021000021")),
            entry(3, 100_000, sec_code="CTX", remittance="4711 " * 27, to=Party("Acme", "5", "011000015")),
            entry(4, 1_250, sec_code="WEB", account_kind="savings"),
            entry(5, 4_400, sec_code="TEL", direction="debit"),
            entry(6, 3_300, direction="debit"),
            entry(7, 0, prenote=True),
        )

    def test_passes_every_rule_and_keeps_its_numbers(self):
        built = RAIL.build(outgoing(*self.entries()))

        report = check_nacha(built.data)
        batches = read_nacha(built.data).file.batches
        assert report.valid, report.findings
        assert built.suffix == ".ach"
        assert [batch.header["batch_number"] for batch in batches] == [f"{n:07d}" for n in range(7, 12)]
        assert built.references["REF000000000003"] == "121042880000003"
        assert {batch.header["discretionary_data"] for batch in batches} == {"BEZANT-ACH-000000001"}
        assert (report.totals["debit"], report.totals["credit"]) == ("77.00", "1047.40")

    def test_is_the_same_bytes_whatever_the_order(self):
        entries = self.entries()

        assert RAIL.build(outgoing(*entries)) == RAIL.build(outgoing(*reversed(entries)))

    def test_is_the_golden_one(self):
        assert RAIL.build(outgoing(*self.entries())).data == GOLDEN.read_bytes()

    def test_puts_debits_and_credits_apart_where_the_bank_wants_it(self):
        built = RAIL.build(outgoing(*self.entries(), segregate=True))

        classes = [batch.header["service_class"] for batch in read_nacha(built.data).file.batches]
        assert "200" not in classes
        assert {"220", "225"} <= set(classes)

    def test_says_the_same_day_in_the_descriptive_date(self):
        built = RAIL.build(outgoing(entry(), same_day=True))

        (batch,) = read_nacha(built.data).file.batches
        assert batch.header["descriptive_date"] == "SD1615"

    def test_is_not_written_with_what_breaks_a_rule(self):
        with pytest.raises(FormatError):
            RAIL.build(outgoing(entry(to=Party("Ada", "1", "021000022"))))

    @given(
        st.lists(
            st.tuples(
                st.integers(1, 10**10 - 1),
                st.sampled_from(["PPD", "CCD", "CTX", "WEB"]),
                st.text(max_size=80),
                st.text(max_size=90),
            ),
            min_size=1,
            max_size=12,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_reads_back_what_was_written(self, drawn):
        entries = [
            entry(n, minor, sec_code=code, remittance=text, to=Party(f"A{name}", "1-A", "021000021"))
            for n, (minor, code, text, name) in enumerate(drawn, start=1)
        ]

        built = RAIL.build(outgoing(*entries))

        read = [item for batch in read_nacha(built.data).file.batches for item in batch.entries]
        assert sorted(item.amount_minor for item in read) == sorted(minor for minor, *_ in drawn)
        assert {item.record["trace"] for item in read} == set(built.references.values())


class TestWhatComesIn:
    DATA = Path(__file__).parents[2] / "data" / "nacha"

    @given(st.binary(max_size=400) | st.text(alphabet="1567890 RC", max_size=2_000).map(str.encode))
    @settings(max_examples=100, deadline=None)
    def test_is_refused_or_read_and_never_fails(self, data):
        try:
            reading = RAIL.read(data)
        except FormatError:
            return
        assert reading.findings or reading.events == ()

    def test_is_nothing_to_ask_about(self):
        out = outgoing(entry())
        assert RAIL.inquire("REF", out, message_id="M", at=out.created_at) is None

    def test_tells_returns_and_changes_apart(self):
        told = set()
        for path in sorted(self.DATA.glob("returns/*")):
            try:
                told |= {(event.told, event.code[:1]) for event in RAIL.parse_inbound(path.read_bytes())}
            except FormatError:
                continue
        assert told == {(Told.RETURNED, "R"), (Told.CHANGED, "C")}


class TestCodes:
    def test_every_code_in_use_has_a_class_and_an_action(self):
        assert set(ach_codes.RETURNS) == RETURN_CODES

    def test_classes_follow_the_rules(self):
        by_class = {
            group: {code for code, item in ach_codes.RETURNS.items() if item.group is group}
            for group in ach_codes.ReturnClass
        }

        assert by_class["dishonoured"] == DISHONOURED
        assert by_class["contested"] == CONTESTED
        assert {"R05", "R07", "R10", "R11", "R37", "R38", "R51", "R52", "R53"} <= by_class["unauthorised"]
        assert {"R13", "R18", "R19", "R25", "R26", "R27", "R28", "R32"} <= by_class["operator"]
        assert {"R01", "R02", "R03", "R04", "R08", "R09", "R16", "R20", "R23", "R24", "R29"} <= by_class[
            "administrative"
        ]

    @pytest.mark.parametrize("code", ["R01", "R09"])
    def test_a_lack_of_funds_is_tried_again(self, code):
        assert RAIL.classify(code).action is Action.RETRY

    @pytest.mark.parametrize("code", ["R02", "R03", "R04", "R07", "R10", "R29"])
    def test_an_account_or_mandate_that_is_gone_stops(self, code):
        assert RAIL.classify(code).action is Action.STOP

    def test_an_unknown_code_is_for_people(self):
        assert RAIL.classify("R99").action is Action.FIX
        assert RAIL.classify("C01").code == "account_changed"
