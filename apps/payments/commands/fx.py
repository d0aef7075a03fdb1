"""Exchanging currencies: listed rates, what an organisation is charged, quotes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.core import db
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid
from apps.core.ids import public_id
from apps.core.money import Money, exponent
from apps.payments.commands.checks import check_amount
from apps.payments.domain.fees import BASIS, in_force
from apps.payments.domain.fx import Terms, buying, selling
from apps.payments.formats.fx_rates import RATES_MAX, FileRate
from apps.payments.fx_books import operators_account
from apps.payments.fx_rates import mid_rate
from apps.payments.models_fx import FRACTION_DIGITS, FxQuote, FxRate, FxTerms
from apps.payments.representation import fx_quote_data

SIDES = ("sold", "bought")


class RatesDiffer(Conflict):
    code = "rates_differ"
    title = "A rate of this source and moment is stored already, with another value."


class RateJumps(Conflict):
    code = "rate_jumps"
    title = "A rate is far from the one before; look at it, and accept it if it is right."


@dataclass(frozen=True)
class LoadFxRates(Command):
    """Store listed rates, all or none. For the platform as a whole.

    `accept_jumps` takes rates that are far (FX_RATE_JUMP_BP) from the source's rate before.
    """

    rates: tuple[FileRate, ...]
    accept_jumps: bool = False


@handles(LoadFxRates, name="payments.load_fx_rates", version=1, permission="platform.configure")
def load_fx_rates(command: LoadFxRates, context: Context) -> dict[str, Any]:
    """Store what is new; what is there already with the same value is left. Raises RatesDiffer, RateJumps."""
    if not 0 < len(command.rates) <= RATES_MAX:
        raise Invalid(field="rates", count_max=RATES_MAX)
    db.transaction_lock("payments.fx_rates")  # another load would find the same rates new
    stored = _stored(command.rates)
    new: list[FileRate] = []
    for pair, rates in groupby(sorted(command.rates, key=_order), key=_pair):
        new += _new_of(list(rates), stored.get(pair, []), accept_jumps=command.accept_jumps)
    FxRate.objects.bulk_create(
        FxRate(
            id=context.new_id(),
            source=one.source,
            base=one.base,
            currency=one.currency,
            rate=one.value,
            valid_from=one.valid_from,
            valid_until=one.valid_until,
        )
        for one in new
    )
    sources = sorted({one.source for one in command.rates})
    context.note("fx_rates", ",".join(sources)[:100], stored=len(new), known=len(command.rates) - len(new))
    return {"stored": len(new), "known": len(command.rates) - len(new), "sources": sources}


def _pair(one: FileRate | FxRate) -> tuple[str, str, str]:
    return one.source, one.base, one.currency


def _order(one: FileRate) -> tuple[str, str, str, datetime]:
    return *_pair(one), one.valid_from


def _stored(rates: tuple[FileRate, ...]) -> dict[tuple[str, str, str], list[FxRate]]:
    """Return what is stored of these sources for the time of these rates and last before it, in order."""
    mine = FxRate.objects.filter(
        source__in={one.source for one in rates},
        base__in={one.base for one in rates},
        currency__in={one.currency for one in rates},
    )
    first, last = min(one.valid_from for one in rates), max(one.valid_from for one in rates)
    pair = ("source", "base", "currency")
    before = mine.filter(valid_from__lt=first).order_by(*pair, "-valid_from").distinct(*pair)
    within = mine.filter(valid_from__range=(first, last)).order_by("valid_from")
    found: dict[tuple[str, str, str], list[FxRate]] = defaultdict(list)
    for row in (*before, *within):
        found[_pair(row)].append(row)
    return found


def _new_of(rates: list[FileRate], stored: list[FxRate], *, accept_jumps: bool) -> list[FileRate]:
    """Return which rates of a pair are not stored; both lists are in the order of time."""
    known = {row.valid_from: row for row in stored}
    waiting = iter(stored)
    following = next(waiting, None)
    before: Decimal | None = None
    new = []
    for one in rates:
        while following is not None and following.valid_from < one.valid_from:
            before, following = following.rate, next(waiting, None)
        row = known.get(one.valid_from)
        if row is not None:
            _check_same(one, row)
            continue
        if not accept_jumps:
            _check_jump(one, before)
        new.append(one)
        before = one.value
    return new


def _check_same(one: FileRate, row: FxRate) -> None:
    if (row.rate, row.valid_until) != (one.value, one.valid_until):
        raise RatesDiffer(source=one.source, pair=f"{one.base}/{one.currency}", at=one.valid_from.isoformat())


def _check_jump(one: FileRate, before: Decimal | None) -> None:
    """Compare with the rate before, of the table or of the file."""
    if before is not None and abs(one.value - before) * BASIS > before * settings.FX_RATE_JUMP_BP:
        raise RateJumps(
            source=one.source, pair=f"{one.base}/{one.currency}", before=str(before), now=one.rate
        )


@dataclass(frozen=True)
class SetFxTerms(Command):
    """Say what an organisation is charged for exchanging one currency into another, from a day on."""

    sold_currency: str
    bought_currency: str
    effective_from: date
    spread_bp: int
    fee_minor: int = 0


@handles(SetFxTerms, name="payments.set_fx_terms", version=1, permission="platform.configure")
def set_fx_terms(command: SetFxTerms, context: Context) -> dict[str, Any]:
    """Store the next version. It cannot begin in the past. Raises Invalid, UnknownCurrency."""
    assert command.organisation_id is not None
    sold, bought = command.sold_currency, command.bought_currency
    exponent(sold), exponent(bought)
    if sold == bought:
        raise Invalid(field="bought_currency", reason="two currencies")
    if command.effective_from < context.at.date():
        raise Invalid(field="effective_from", reason="in the past")
    terms = Terms(command.spread_bp, command.fee_minor)
    db.transaction_lock(f"payments.fx_terms:{command.organisation_id}:{sold}:{bought}")
    versions = FxTerms.objects.filter(
        organisation_id=command.organisation_id, sold_currency=sold, bought_currency=bought
    )
    latest = versions.order_by("-version").values_list("version", flat=True).first()
    row = FxTerms.objects.create(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        sold_currency=sold,
        bought_currency=bought,
        version=(latest or 0) + 1,
        effective_from=command.effective_from,
        spread_bp=terms.spread_bp,
        fee_minor=terms.fee_minor,
        set_by=str(context.actor),
        created_at=context.at,
    )
    context.note("fx_terms", str(row.pk), pair=f"{sold}/{bought}", version=row.version)
    return {
        "pair": f"{sold}/{bought}",
        "version": row.version,
        "spread_bp": terms.spread_bp,
        "fee_minor": terms.fee_minor,
    }


def terms_of(organisation_id: UUID, sold: str, bought: str, *, day: date) -> Terms:
    """Return what an organisation is charged on a day: its own terms, or the settings' spread."""
    versions = FxTerms.objects.filter(
        organisation_id=organisation_id, sold_currency=sold, bought_currency=bought
    )
    row = in_force(versions, day)
    return Terms(row.spread_bp, row.fee_minor) if row is not None else Terms(settings.FX_SPREAD_BP)


@dataclass(frozen=True)
class QuoteExchange(Command):
    """Offer an exchange, good once and for FX_QUOTE_S seconds.

    `amount` is what is sold, or what is bought, as `fixed` says; `currency` is the other one.
    """

    amount: Money
    currency: str
    fixed: str = "sold"


@handles(QuoteExchange, name="payments.quote_exchange", version=1, permission="payments.write")
def quote_exchange(command: QuoteExchange, context: Context) -> dict[str, Any]:
    """Store a quote. Raises NoRate, RateStale, AmountTooSmall, AmountOutOfRange, Invalid, UnknownCurrency."""
    assert command.organisation_id is not None
    if command.fixed not in SIDES:
        raise Invalid(field="fixed", allowed=list(SIDES))
    check_amount(command.amount)
    exponent(command.currency)
    given, other = command.amount.currency, command.currency
    if given == other:
        raise Invalid(field="currency", reason="two currencies")
    sold, bought = (given, other) if command.fixed == "sold" else (other, given)
    mid = mid_rate(sold, bought, at=context.at)
    if max(mid.rate.numerator, mid.rate.denominator) >= 10**FRACTION_DIGITS:
        raise Invalid(field="currency", reason="the rate is out of range")
    terms = terms_of(command.organisation_id, sold, bought, day=context.at.date())
    reckon = selling if command.fixed == "sold" else buying
    exchange = reckon(command.amount, other, mid=mid.rate, terms=terms)
    check_amount(exchange.total)
    check_amount(exchange.bought)
    actor = str(context.actor)
    row = FxQuote.objects.create(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        sold_minor=exchange.sold.minor,
        sold_currency=sold,
        bought_minor=exchange.bought.minor,
        bought_currency=bought,
        fixed=command.fixed,
        mid_numerator=mid.rate.numerator,
        mid_denominator=mid.rate.denominator,
        spread_bp=terms.spread_bp,
        spread_minor=exchange.spread.minor,
        fee_minor=exchange.fee.minor,
        source=mid.source,
        rate_at=mid.since,
        position_sold_id=operators_account("position", sold, actor=actor),
        position_bought_id=operators_account("position", bought, actor=actor),
        spread_id=operators_account("spread", sold, actor=actor),
        fee_id=operators_account("fees", sold, actor=actor),
        created_at=context.at,
        expires_at=context.at + timedelta(seconds=settings.FX_QUOTE_S),
        asked_by=actor,
    )
    context.note("fx_quote", public_id("fxq", row.pk), sold=str(exchange.sold), bought=str(exchange.bought))
    return fx_quote_data(row)
