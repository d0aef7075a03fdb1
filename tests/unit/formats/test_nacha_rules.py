"""Each rule of a NACHA file, broken alone in an otherwise valid file, is found and named with its line."""

import pytest

from apps.core.money import Money
from apps.payments.formats import FormatError
from apps.payments.formats.nacha import (
    AchBatch,
    AchEntry,
    AchFile,
    build_ach,
    check_nacha,
    classify_return,
    is_routing,
)
from apps.payments.formats.nacha.codes import RETURN_CODES, SEC_CODES, check_digit
from apps.payments.formats.nacha.records import LAYOUTS, RECORD_CHARS
from tests.unit.formats.samples import DATA
from tests.unit.formats.test_round_trip_nacha import SAMPLE

GOOD = build_ach(SAMPLE)
# Lines: 1 file header, 2 batch header, 3 debit entry, 4 credit entry, 5 batch control, 6 file control.


def broken(line: int, column: int, text: str, data: bytes = GOOD) -> bytes:
    lines = data.decode().splitlines()
    old = lines[line - 1]
    lines[line - 1] = old[: column - 1] + text + old[column - 1 + len(text) :]
    return ("\n".join(lines) + "\n").encode()


def codes(data: bytes) -> dict[str, int | None]:
    return {
        finding.code: finding.line for finding in check_nacha(data).findings if finding.severity == "error"
    }


class TestFieldTable:
    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
    def test_has_no_overlaps_and_fits_the_record(self, layout):
        taken = [column for item in layout.fields for column in range(item.first, item.last + 1)]

        assert len(taken) == len(set(taken))
        assert max(taken) <= RECORD_CHARS

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
    def test_writes_records_of_94_characters_that_read_back(self, layout):
        values = {item.name: "1" * item.width for item in layout.fields if not item.kind.startswith("=")}

        line = layout.write(values)

        assert len(line) == RECORD_CHARS
        assert layout.read(line) == values

    @pytest.mark.parametrize("value", ["é", "12\n", "x" * 100])
    def test_refuses_what_does_not_fit(self, value):
        with pytest.raises(FormatError) as refusal:
            LAYOUTS["entry"].write({"name": value})

        assert (refusal.value.code, refusal.value.place) == ("field", "entry.name")


class TestRules:
    def test_hold_in_the_sample(self):
        assert codes(GOOD) == {}

    @pytest.mark.parametrize(
        ("line", "column", "text", "code"),
        [
            (1, 2, "02", "priority"),
            (1, 5, "231380105", "destination"),
            (1, 14, " " * 10, "origin"),
            (1, 24, "261301", "creation_date"),
            (1, 34, "a", "file_id_modifier"),
            (1, 35, "095", "file_header_constants"),
            (2, 2, "250", "service_class"),
            (2, 5, " " * 16, "company_name"),
            (2, 5, "0" * 16, "company_name"),
            (2, 41, " " * 10, "company_id"),
            (2, 51, "XYZ", "sec_code"),
            (2, 54, " " * 10, "entry_description"),
            (2, 70, "260230", "effective_date"),
            (2, 79, "7", "originator_status"),
            (2, 80, "12104289", "trace_odfi"),
            (3, 2, "90", "transaction_code"),
            (3, 2, "81", "transaction_code"),
            (3, 12, "5", "check_digit"),
            (3, 13, " " * 17, "account"),
            (3, 30, "00000A0000", "numeric"),
            (3, 30, "0000000000", "amount"),
            (3, 2, "28", "prenote_amount"),
            (3, 2, "29", "zero_dollar"),
            (3, 55, " " * 22, "name"),
            (3, 79, "1", "addenda_indicator"),
            (4, 80, "121042880000001", "trace_order"),
            (5, 2, "225", "control_mismatch"),
            (5, 5, "000003", "entry_count"),
            (5, 11, "0046276021", "entry_hash"),
            (5, 21, "000000010001", "debit_total"),
            (5, 33, "000000002501", "credit_total"),
            (5, 45, "1234567891", "control_mismatch"),
            (5, 88, "0000002", "control_mismatch"),
            (6, 2, "000002", "batch_count"),
            (6, 8, "000002", "block_count"),
            (6, 14, "00000003", "entry_count"),
            (6, 22, "0046276021", "entry_hash"),
            (6, 32, "000000010001", "debit_total"),
            (7, 1, "8", "after_control"),
            (3, 1, "4", "record_type"),
            (3, 60, "\x07", "charset"),
        ],
    )  # fmt: skip
    def test_are_found_and_placed(self, line, column, text, code):
        found = codes(broken(line, column, text))

        assert code in found
        if code not in ("trace_odfi", "prenote_amount"):
            assert found[code] == line or line in (3, 7)

    @pytest.mark.parametrize(
        ("service", "code"), [("220", "service_class"), ("225", "service_class"), ("280", "service_class")]
    )
    def test_on_service_classes_count_each_direction(self, service, code):
        assert code in codes(broken(2, 2, service))

    def test_ask_for_the_ten_low_order_digits_of_the_hash(self):
        big = [AchEntry("credit", f"99999999{check_digit('99999999')}", "1", Money(1, "USD"), "A")] * 120
        batch = AchBatch(
            "ACME", "123456789", "PPD", "PAY", SAMPLE.batches[0].effective_date, "12104288", tuple(big)
        )
        data = build_ach(AchFile(SAMPLE.destination_routing, SAMPLE.origin, SAMPLE.created_at, (batch,)))

        report = check_nacha(data)

        assert report.valid
        assert 120 * 99_999_999 > 10**10
        assert report.totals["entry_hash"] == f"{120 * 99_999_999 % 10**10:010d}"

    def test_ask_for_whole_blocks(self):
        lines = GOOD.splitlines(keepends=True)

        assert codes(b"".join(lines[:-1])) == {"blocking": None}

    def test_ask_for_ascending_batch_numbers(self):
        batches = (SAMPLE.batches[0], SAMPLE.batches[0])

        with pytest.raises(FormatError) as refusal:
            build_ach(AchFile(SAMPLE.destination_routing, SAMPLE.origin, SAMPLE.created_at, batches))

        assert refusal.value.code == "batch_number"

    def test_ask_for_numbered_addenda_of_the_same_trace(self):
        data = (DATA / "nacha/valid/ctx-debit.ach").read_bytes()

        assert "addenda_sequence" in codes(broken(5, 84, "0003", data))
        assert "addenda_trace" in codes(broken(5, 88, "0000009", data))
        assert "addenda_count" in codes(broken(3, 55, "0003", data))

    def test_ask_for_the_seven_addenda_of_an_international_entry(self):
        data = (DATA / "nacha/valid/iat-debit.ach").read_bytes()

        assert "iat_addenda" in codes(broken(5, 2, "18", data))

    def test_allow_two_remittances_of_an_international_entry_and_not_three(self):
        lines = (DATA / "nacha/valid/iat-debit.ach").read_text().splitlines()
        remittance = next(at for at, line in enumerate(lines) if line.startswith("717"))

        for copies, allowed in ((1, True), (2, True), (3, False)):
            data = (
                "\n".join(lines[:remittance] + [lines[remittance]] * copies + lines[remittance + 1 :]) + "\n"
            )
            assert ("iat_addenda" not in codes(data.encode())) is allowed

    def test_do_not_mix_returns_with_entries(self):
        data = (DATA / "nacha/returns/return-WEB.ach").read_text().splitlines()
        forward = (DATA / "nacha/valid/web-debit.ach").read_text().splitlines()[2]
        mixed = [*data[:4], forward, *data[4:]]

        assert "category" in codes(("\n".join(mixed) + "\n").encode())

    def test_know_every_return_code_of_the_table(self):
        assert {"R01", "R47", "R50", "R53", "R61", "R77", "R85", "R90"} <= RETURN_CODES
        assert not {"R48", "R49", "R54", "R60", "R63", "R78", "R79", "R86", "R96", "R97"} & RETURN_CODES

    def test_read_all_23_sec_codes(self):
        assert len(SEC_CODES) == 23


class TestLineEnds:
    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
    def test_of_every_kind_are_read(self, end):
        data = end.join(GOOD.splitlines()) + end

        assert check_nacha(data).valid

    def test_between_records_that_are_blank_are_found(self):
        lines = GOOD.splitlines(keepends=True)

        assert "record_length" in codes(b"".join([*lines[:2], b"\n", *lines[2:]]))

    def test_of_an_endless_line_are_refused(self):
        report = check_nacha(b"101 " + b"\n" + b"1" * 100_000)

        assert not report.valid


class TestOriginationRefusals:
    def entry(self, **values):
        base = {
            "direction": "credit",
            "routing": "231380104",
            "account": "1",
            "amount": Money(1, "USD"),
            "name": "A",
        }
        return AchEntry(**(base | values))

    def build(self, entry, sec="PPD"):
        batch = AchBatch(
            "ACME", "123456789", sec, "PAY", SAMPLE.batches[0].effective_date, "12104288", (entry,)
        )
        return build_ach(AchFile(SAMPLE.destination_routing, SAMPLE.origin, SAMPLE.created_at, (batch,)))

    @pytest.mark.parametrize(
        ("values", "sec", "code"),
        [
            ({"routing": "231380105"}, "PPD", "check_digit"),
            ({"routing": "000000000"}, "PPD", "check_digit"),
            ({"amount": Money(1, "EUR")}, "PPD", "amount"),
            ({"amount": Money(10**10, "USD")}, "PPD", "amount"),
            ({"amount": Money(-1, "USD")}, "PPD", "amount"),
            ({"account": "1" * 18}, "PPD", "field"),
            ({"account": "12€"}, "PPD", "field"),
            ({"name": "   "}, "PPD", "name"),
            ({"direction": "sideways"}, "PPD", "direction"),
            ({"direction": "debit", "account_kind": "loan"}, "PPD", "account_kind"),
            ({"addenda": ("a", "b")}, "PPD", "addenda_count"),
            ({"addenda": ("a" * 81,)}, "PPD", "addenda"),
            ({}, "TEL", "debit_only"),
            ({}, "IAT", "sec_code"),
        ],
    )
    def test_name_the_rule(self, values, sec, code):
        with pytest.raises(FormatError) as refusal:
            self.build(self.entry(**values), sec)

        assert refusal.value.code == code

    def test_do_not_hit_a_prenotification(self):
        data = self.build(self.entry(amount=Money(0, "USD")))

        assert data.decode().splitlines()[2][1:3] == "23"


class TestClassifyReturn:
    @pytest.mark.parametrize(
        ("code", "action"),
        [("R01", "retry"), ("R09", "retry"), ("R02", "block"), ("R10", "unauthorised"), ("R29", "unauthorised"),
         ("R13", "operator"), ("R68", "dishonoured"), ("R72", "contested"), ("R06", "administrative")],
    )  # fmt: skip
    def test_tells_what_to_do(self, code, action):
        assert classify_return(code) == action


class TestIsRouting:
    @pytest.mark.parametrize(
        ("number", "valid"),
        [("231380104", True), ("121042882", True), ("231380105", False), ("23138010", False), ("000000000", False),
         ("23138010A", False), ("", False), ("２31380104", False)],
    )  # fmt: skip
    def test_checks_the_ninth_digit(self, number, valid):
        assert is_routing(number) is valid
