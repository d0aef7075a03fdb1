"""Payments in another currency than their account's: quotes, books, ends good and bad."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection
from django.test.utils import CaptureQueriesContext

from apps.core import clock, tenancy
from apps.core.errors import Conflict, Invalid, NotFound, Refusal
from apps.core.ids import parse_public_id
from apps.core.money import CurrencyMismatch, Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.customer_statements import statement_of, written
from apps.payments.formats.fx_rates import FileRate
from apps.payments.fx_books import QuoteDiffers, QuoteExpired, QuoteUsed, pocket_of
from apps.payments.fx_rates import NoRate, RateStale
from apps.payments.queries import verify_lives
from tests.factories import do
from tests.integration.payments import exchanging, us_bank
from tests.integration.payments.exchanging import list_rate, quote, quote_id, transfer
from tests.integration.payments.test_payments import export_with, import_report, report


@pytest.fixture
def merchant(db):
    list_rate()
    one = exchanging.merchant()
    exchanging.add_account(one, "USD")
    return one


def terms(merchant, spread_bp, fee_minor=0, sold="EUR", bought="USD"):
    day = clock.database_now().date()
    do(payments.SetFxTerms(merchant.id, sold, bought, day, spread_bp, fee_minor))


def positions():
    out = io.StringIO()
    call_command("fx_position", "--json", "--verify", stdout=out)
    return {row["currency"]: row for row in json.loads(out.getvalue())["currencies"]}


def pocket(merchant):
    from apps.accounts import public as accounts

    with tenancy.scope(merchant.id):
        return ledger.balance(pocket_of(accounts.payment_account(merchant.accounts[0]), "USD"))


class TestAQuote:
    def test_tells_spread_and_fee_apart(self, merchant):
        terms(merchant, 50, 25)

        answer = quote(merchant)

        # 100.00 EUR x 1.085 x 0.995 = 107.9575 USD; at the mid rate that is 99.50 EUR.
        assert answer["bought"] == {"amount": "107.96", "currency": "USD"}
        assert (answer["spread"]["amount"], answer["fee"]["amount"]) == ("0.50", "0.25")
        assert answer["total"] == {"amount": "100.25", "currency": "EUR"}
        assert (answer["rate"], answer["mid_rate"]) == ("1.0796", "1.085")
        assert answer["source"] == "TEST"

    @pytest.mark.parametrize(
        ("currency", "rate", "bought"), [("JPY", "163.25", "16325"), ("BHD", "0.4085", "40.850")]
    )
    def test_knows_the_decimals_of_each_currency(self, merchant, currency, rate, bought):
        list_rate(currency=currency, rate=rate)
        terms(merchant, 0, bought=currency)

        assert quote(merchant, currency=currency)["bought"] == {"amount": bought, "currency": currency}

    def test_buys_an_exact_amount(self, merchant):
        terms(merchant, 0)

        answer = quote(merchant, Money(10_850, "USD"), "EUR", "bought")

        assert answer["sold"] == {"amount": "100.00", "currency": "EUR"}

    def test_goes_through_the_sources_base_exactly(self, merchant):
        at = clock.database_now()
        for currency, rate in (("SEK", "11.50"), ("CZK", "25.00")):
            list_rate(currency=currency, rate=rate, at=at)
        terms(merchant, 0, sold="SEK", bought="CZK")

        answer = quote(merchant, Money(1_150_00, "SEK"), "CZK")

        assert answer["bought"]["amount"] == "2500.00"
        with tenancy.scope(merchant.id):
            row, used_by = payments.fx_quote(quote_id(answer))
        assert used_by is None
        assert (row.exchange.mid.numerator, row.exchange.mid.denominator) == (50, 23)

    def test_is_refused_from_a_stale_rate(self, merchant, settings):
        list_rate(currency="HUF", rate="400", at=clock.database_now() - timedelta(days=30))

        with pytest.raises(RateStale):
            quote(merchant, currency="HUF")

    def test_is_refused_from_a_rate_that_has_ended(self, merchant):
        now = clock.database_now()
        list_rate(currency="RON", rate="5", at=now - timedelta(hours=2), until=now - timedelta(hours=1))

        with pytest.raises(NoRate):
            quote(merchant, currency="RON")

    @pytest.mark.parametrize(
        "asked",
        [
            (Money(100, "EUR"), "EUR", "sold"),
            (Money(100, "EUR"), "USD", "both"),
            (Money(0, "EUR"), "USD", "sold"),
            (Money(-5, "EUR"), "USD", "sold"),
            (Money(100, "EUR"), "XXZ", "sold"),
            (Money(100, "EUR"), "MRU", "sold"),
            (Money(10**12, "EUR"), "USD", "sold"),
            (Money(10**11 - 1, "EUR"), "USD", "sold"),
        ],
    )
    def test_refuses_what_cannot_be_exchanged(self, merchant, asked):
        with pytest.raises(Refusal):
            do(payments.QuoteExchange(merchant.id, *asked))

    def test_and_rates_never_change(self, merchant, owner_sql):
        key = quote_id(quote(merchant))

        with pytest.raises(Exception, match="append|change|refuse|immutable|cannot"):
            owner_sql("UPDATE payments_fxquote SET bought_minor = bought_minor + 1 WHERE id = %s", [key])
        with pytest.raises(Exception, match="append|change|refuse|immutable|cannot"):
            owner_sql("UPDATE payments_fxrate SET rate = rate + 1")


class TestATransfer:
    def test_is_one_journal_that_sums_to_nothing_in_each_currency(self, merchant):
        terms(merchant, 50, 25)
        before = positions()
        answer = quote(merchant)

        paid = transfer(merchant, answer)

        assert (paid["state"], paid["amount"]["amount"], paid["source_amount"]["amount"]) == (
            "settled", "107.96", "100.25",
        )  # fmt: skip
        assert (paid["quote_id"], paid["exchange_rate"]) == (answer["id"], "1.0796")
        assert (merchant.balance(0).posted, merchant.balance(2).posted) == (100_000 - 10_025, 10_796)
        (journal,) = exchanging.journals(paid)
        assert Decimal(journal.rate) == Decimal("1.0796")
        moved = exchanging.sums(journal)
        for currency in ("EUR", "USD"):
            assert sum(minor for (_, code), minor in moved.items() if code == currency) == 0
        after = positions()
        changed = {c: after[c]["position_minor"] - before.get(c, {}).get("position_minor", 0) for c in after}
        assert (changed["EUR"], changed["USD"]) == (10_000 - 50, -10_796)
        assert after["EUR"]["spreads_minor"] - before.get("EUR", {}).get("spreads_minor", 0) == 50
        assert after["EUR"]["fees_minor"] - before.get("EUR", {}).get("fees_minor", 0) == 25

    def test_uses_a_quote_once(self, merchant):
        answer = quote(merchant)
        transfer(merchant, answer)
        after = merchant.balance(0).posted

        with pytest.raises(QuoteUsed):
            transfer(merchant, answer)
        assert merchant.balance(0).posted == after

    def test_is_the_same_when_the_command_is_repeated(self, merchant):
        answer = quote(merchant)

        assert transfer(merchant, answer, key="again") == transfer(merchant, answer, key="again")

    def test_refuses_an_expired_quote_from_its_last_moment_on(self, merchant):
        now = clock.database_now()
        answer = quote(merchant, at=now)

        with pytest.raises(QuoteExpired):
            transfer(merchant, answer, at=now + timedelta(seconds=60))
        assert transfer(merchant, answer, at=now + timedelta(seconds=59))["state"] == "settled"

    def test_refuses_the_quote_of_somebody_else(self, merchant):
        other = exchanging.merchant()
        theirs = quote(other)

        with pytest.raises(NotFound):
            transfer(merchant, theirs)

    def test_refuses_another_amount_and_other_accounts(self, merchant):
        answer = quote(merchant)

        with pytest.raises(QuoteDiffers):
            transfer(merchant, answer, amount=Money(1, "USD"))
        with pytest.raises(QuoteDiffers):
            transfer(merchant, answer, amount=Money(exchanging.bought(answer).minor, "EUR"))
        with pytest.raises(CurrencyMismatch):
            transfer(merchant, answer, to=1)

    def test_leaves_the_quote_where_the_money_is_missing(self, merchant):
        answer = quote(merchant, Money(200_000, "EUR"))

        with pytest.raises(ledger.InsufficientFunds):
            transfer(merchant, answer)
        with tenancy.scope(merchant.id):
            assert payments.fx_quote(quote_id(answer))[1] is None

    def test_is_not_refunded_at_a_rate_nobody_was_told(self, merchant):
        paid = transfer(merchant, quote(merchant))

        with pytest.raises(Refusal) as refusal:
            do(payments.CreateRefund(merchant.id, parse_public_id("pay", paid["id"]), Money(100, "USD")))
        assert refusal.value.code == "not_refundable"

    def test_succeeds_once_when_many_use_the_quote_at_once(self, merchant, in_threads):
        answer = quote(merchant)

        results = in_threads(
            lambda number: transfer(merchant, answer, key=f"{answer['id']}-{number}"), range(12)
        )

        done = [one for one in results if isinstance(one, dict)]
        assert len(done) == 1
        assert {one.code for one in results if one not in done} <= {"quote_used", "busy"}
        assert merchant.balance(0).posted == 90_000
        assert merchant.balance(2).posted == exchanging.bought(answer).minor

    def test_keeps_what_was_exchanged(self, merchant):
        paid = transfer(merchant, quote(merchant))

        with pytest.raises(Error), tenancy.scope(merchant.id), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE payments_payment SET source_minor = 1 WHERE id = %s",
                [parse_public_id("pay", paid["id"])],
            )


class TestAStatement:
    def test_shows_the_other_amount_on_both_sides(self, merchant):
        terms(merchant, 0)
        transfer(merchant, quote(merchant))
        today = clock.database_now().date()

        with tenancy.scope(merchant.id):
            source, target = (
                statement_of(
                    merchant.accounts[place],
                    first=today - timedelta(days=1),
                    last=today,
                    at=clock.database_now(),
                )
                for place in (0, 2)
            )

        assert str(source.lines[-1].counter) == "108.50 USD"
        assert str(target.lines[-1].counter) == "100.00 EUR"
        assert b",108.50,USD,1.085" in written(source, "csv")
        assert b"Exchanged: 100.00 EUR, rate 1.085" in written(target, "camt053")
        assert written(source, "pdf").startswith(b"%PDF")


def payout(merchant, answer, **options):
    return do(
        payments.CreatePayout(
            merchant.id,
            merchant.accounts[0],
            exchanging.bought(answer),
            us_bank.payee(),
            remittance="Invoice 4711",
            quote_id=quote_id(answer),
        ),
        **options,
    )


@pytest.fixture
def payer(merchant):
    """Give a merchant who pays dollars out of euro, up to 1,000.00 without a second person."""
    us_bank.open_us_bank()
    do(payments.SetPayoutPolicy(merchant.id, Money(100_000, "USD")))
    terms(merchant, 50, 25)
    return merchant


def state_of(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.payment(parse_public_id("pay", answer["id"]))


class TestAPayout:
    def test_buys_its_money_and_sends_it(self, payer, tmp_path):
        paid = payout(payer, quote(payer))

        assert (paid["state"], paid["rail"], paid["source_amount"]["amount"]) == ("approved", "ach", "100.25")
        assert payer.balance(0).available == 100_000 - 10_025
        assert (pocket(payer).posted, pocket(payer).available) == (10_796, 0)
        assert us_bank.export(tmp_path)
        assert state_of(paid).state == "sent"
        assert pocket(payer).posted == 0
        positions()

    @pytest.mark.parametrize("ending", ["cancel", "decline"])
    def test_gives_back_all_of_it_when_it_is_stopped(self, payer, ending):
        if ending == "decline":
            do(payments.SetPayoutPolicy(payer.id, Money(0, "USD")))
        paid = payout(payer, quote(payer))
        list_rate(rate="2.0000")  # the market has moved; the payment's own rate counts
        key = parse_public_id("pay", paid["id"])
        stop = {"cancel": payments.CancelPayment, "decline": payments.DeclinePayment}[ending]

        do(stop(payer.id, key, "changed my mind"))

        assert payer.balance(0).available == payer.balance(0).posted == 100_000
        assert (pocket(payer).posted, pocket(payer).held) == (0, 0)
        positions()

    def test_gives_back_all_of_it_when_it_is_returned(self, payer, tmp_path):
        paid = payout(payer, quote(payer))
        us_bank.export(tmp_path)
        key = parse_public_id("pay", paid["id"])
        today = clock.database_now().date()
        bought = Money.parse(paid["amount"]["amount"], "USD")
        do(payments.SettlePayment(None, key, bought, today, "line-1"))

        for again in range(2):
            do(payments.ReturnPayment(None, key, bought, today, f"line-{again + 2}", "R03"))

        assert state_of(paid).state == "returned"
        assert payer.balance(0).posted == 100_000
        assert pocket(payer).posted == 0
        positions()

    def test_pays_out_of_what_is_there_and_nothing_else(self, payer):
        with pytest.raises(ledger.InsufficientFunds):
            payout(payer, quote(payer, Money(100_000, "EUR")))  # the fee is missing

        assert payer.balance(0).available == 100_000

    def test_uses_a_quote_once_with_transfers_beside_it(self, payer, in_threads):
        answer = quote(payer)

        def use(number):
            work = payout if number % 2 else transfer
            return work(payer, answer, key=f"{answer['id']}-{number}")

        results = in_threads(use, range(10))

        done = [one for one in results if isinstance(one, dict)]
        assert len(done) == 1
        assert [one for one in results if not isinstance(one, (dict, Refusal))] == []
        assert payer.balance(0).posted == 100_000 - 10_025


class TestAPayoutInEuro:
    """Out of dollars, by SEPA: the bank's status report ends it."""

    def test_gives_back_dollars_when_the_bank_rejects_the_file(self, db, tmp_path):
        list_rate()
        us_bank.open_us_bank()
        one = exchanging.merchant(currency="USD")
        do(payments.SetPayoutPolicy(one.id, Money(100_000, "EUR")))
        answer = quote(one, Money(5_000, "EUR"), "USD", "bought")
        order = payments.CreatePayout(
            one.id,
            one.accounts[0],
            Money(5_000, "EUR"),
            payments.Creditor("Example Supplies BV", "NL91ABNA0417164300"),
            quote_id=quote_id(answer),
        )
        paid = do(order)
        total = Money.parse(answer["total"]["amount"], "USD").minor
        assert one.balance(0).available == 100_000 - total
        batch = export_with(paid, tmp_path)
        assert one.balance(0).posted == 100_000 - total

        import_report(report(batch, status="RJCT", reason="AC04"))

        assert state_of(paid).state == "rejected"
        assert one.balance(0).posted == one.balance(0).available == 100_000
        with tenancy.scope(tenancy.PLATFORM):
            assert not verify_lives()[1]
        positions()


class TestTheBooks:
    def test_hold_after_all_of_this(self, merchant):
        transfer(merchant, quote(merchant))

        with tenancy.scope(tenancy.PLATFORM):
            _, wrong = verify_lives()
            sums = {}
            for row in ledger.trial_balance():
                sums[row.currency] = sums.get(row.currency, 0) + row.credit_minor - row.debit_minor
        assert not wrong
        assert set(sums.values()) <= {0}
        out = io.StringIO()
        call_command("check_ledger", "--json", stdout=out)
        assert json.loads(out.getvalue())["ok"]


class TestTerms:
    @pytest.mark.parametrize(
        "change",
        [
            {"spread_bp": -1},
            {"spread_bp": 2_001},
            {"fee_minor": -1},
            {"bought_currency": "EUR"},
            {"days": -1},
        ],
    )
    def test_are_refused_where_they_make_no_sense(self, merchant, change):
        values = {"sold_currency": "EUR", "bought_currency": "USD", "spread_bp": 5, "fee_minor": 0} | change
        day = clock.database_now().date() + timedelta(days=values.pop("days", 0))

        with pytest.raises(Invalid):
            do(payments.SetFxTerms(merchant.id, effective_from=day, **values))

    def test_are_the_settings_where_there_are_none(self, merchant, settings):
        settings.FX_SPREAD_BP = 0

        assert quote(merchant)["bought"]["amount"] == "108.50"

    def test_can_be_set_by_a_command(self, merchant):
        from apps.core.ids import public_id

        out = io.StringIO()
        call_command(
            "set_fx_terms", public_id("org", merchant.id), "--sell=EUR", "--buy=USD", "--spread-bp=10", "--json",
            stdout=out,
        )  # fmt: skip

        assert json.loads(out.getvalue())["spread_bp"] == 10
        with pytest.raises(CommandError):
            call_command(
                "set_fx_terms", public_id("org", merchant.id), "--sell=EUR", "--buy=EUR", "--spread-bp=10"
            )


class TestLoadingRates:
    def load(self, path, *options):
        out = io.StringIO()
        try:
            call_command("load_fx_rates", str(path), "--json", *options, stdout=out)
        except CommandError as error:
            assert error.returncode == 1
            return 1, json.loads(out.getvalue())
        return 0, json.loads(out.getvalue())

    def file(self, tmp_path, *lines):
        path = tmp_path / "rates.csv"
        path.write_text("\n".join(["source,base,currency,rate,valid_from,valid_until", *lines]) + "\n")
        return path

    def test_stores_once_and_finds_another_value(self, db, tmp_path):
        source = f"T{clock.database_now():%H%M%S%f}"
        path = self.file(tmp_path, f"{source},EUR,PLN,4.25,2026-01-02T12:00:00Z,")

        assert self.load(path, "--dry-run")[1]["stored"] == 0
        assert self.load(path)[1]["stored"] == 1
        assert self.load(path)[1]["known"] == 1
        status, told = self.load(self.file(tmp_path, f"{source},EUR,PLN,4.26,2026-01-02T12:00:00Z,"))
        assert (status, told["findings"][0]["code"]) == (1, "rates_differ")

    def test_asks_about_a_jump(self, db, tmp_path):
        source = f"J{clock.database_now():%H%M%S%f}"
        path = self.file(
            tmp_path,
            f"{source},EUR,PLN,4.25,2026-01-02T12:00:00Z,",
            f"{source},EUR,PLN,42.5,2026-01-03T12:00:00Z,",
        )

        status, told = self.load(path)
        assert (status, told["findings"][0]["code"], told["stored"]) == (1, "rate_jumps", 0)
        assert self.load(path, "--accept-jumps")[1]["stored"] == 2

    def test_compares_with_the_rate_before_wherever_it_stands(self, db, tmp_path):
        source = f"B{clock.database_now():%H%M%S%f}"
        first, third, second = (
            f"{source},EUR,PLN,{rate},2026-01-{day}T12:00:00Z,"
            for rate, day in (("4.25", "02"), ("8.60", "06"), ("6.00", "04"))
        )
        self.load(self.file(tmp_path, first))
        assert self.load(self.file(tmp_path, second))[1]["findings"][0]["code"] == "rate_jumps"
        assert self.load(self.file(tmp_path, second), "--accept-jumps")[1]["stored"] == 1

        # The first is in the file too and known; what the third is measured by is the second, in the table.
        told = self.load(self.file(tmp_path, first, third))[1]
        assert told["findings"][0]["code"] == "rate_jumps" and told["stored"] == 0
        assert self.load(self.file(tmp_path, first, third.replace("8.60", "6.10")))[1]["stored"] == 1

    def test_asks_the_database_a_few_times_however_many_there_are(self, db, tmp_path):
        source = f"Q{clock.database_now():%H%M%S%f}"
        path = self.file(
            tmp_path,
            *(f"{source},EUR,PLN,4.2{day % 10},2026-01-{day:02d}T12:00:00Z," for day in range(1, 29)),
            *(
                f"{source},EUR,{other},1.1,2026-01-02T12:00:00Z,"
                for other in ("CHF", "SEK", "NOK", "DKK", "GBP")
            ),
        )
        with CaptureQueriesContext(connection) as asked:
            assert self.load(path)[1]["stored"] == 33
        assert len([one for one in asked if "payments_fxrate" in one["sql"]]) <= 3

    def test_two_at_once_store_once(self, db, tmp_path):
        source = f"P{clock.database_now():%H%M%S%f}"
        rate = FileRate(source, "EUR", "PLN", "4.25", clock.database_now())

        def load(_):
            try:
                return do(payments.LoadFxRates(None, (rate,)))["stored"]
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(load, range(4))) == [0, 0, 0, 1]

    def test_refuses_a_file_that_is_not_there(self, db, tmp_path):
        with pytest.raises(CommandError):
            call_command("load_fx_rates", str(tmp_path / "none.csv"))


def test_conflicts_are_told_as_such():
    assert issubclass(QuoteUsed, Conflict) and issubclass(QuoteExpired, Conflict)
