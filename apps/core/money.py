"""Money as integer minor units with the exponents of ISO 4217. Nothing here, or anywhere, is a float."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.core.errors import Refusal

MINOR_MAX = 2**63 - 1
"""The largest amount a bigint column holds, in minor units."""

# ISO 4217 list one. Currencies with another exponent than two are named apart; funds codes and
# precious metals (no exponent) are left out, since nobody can be paid in them.
_EXPONENT_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_EXPONENT_3 = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENT_4 = "CLF UYW"
_EXPONENT_2 = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL "
    "GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
    "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD "
    "PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
    "SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
# ISO 4217 list three: withdrawn, but archived bank statements still name them.
_WITHDRAWN_2 = "DEM EEK HRK LTL LVL SKK"
EXPONENTS: dict[str, int] = {
    code: exponent
    for exponent, codes in (
        (0, _EXPONENT_0),
        (2, _EXPONENT_2),
        (2, _WITHDRAWN_2),
        (3, _EXPONENT_3),
        (4, _EXPONENT_4),
    )
    for code in codes.split()
}

_AMOUNT = re.compile(r"(?P<sign>-?)(?P<units>0|[1-9][0-9]{0,18})(?:\.(?P<decimals>[0-9]{1,6}))?")


class UnknownCurrency(Refusal):
    code = "unknown_currency"
    title = "This is not the code of an ISO 4217 currency."


class BadAmount(Refusal):
    code = "bad_amount"
    title = "This is not an amount of the currency."


class CurrencyMismatch(Refusal):
    code = "currency_mismatch"
    title = "The amounts are in different currencies."


def exponent(currency: str) -> int:
    """Tell how many decimals the currency has (ISO 4217). Raises UnknownCurrency."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(currency=str(currency)[:8]) from None


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cents for EUR, whole yen for JPY) and its ISO 4217 currency.

    Raises UnknownCurrency for a code that is not in the list, BadAmount beyond ±(2**63 - 1).
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")
        exponent(self.currency)
        if abs(self.minor) > MINOR_MAX:
            raise BadAmount(reason="out of range", currency=self.currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read a plain decimal such as "12.34"; "12" and "12.3" are read too, "12.345" EUR is not.

        ASCII digits only: no sign but a leading minus, no exponent, no spaces, no grouping.
        Raises BadAmount (with the reason), UnknownCurrency.
        """
        digits = exponent(currency)
        match = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise BadAmount(reason="not a plain decimal number", currency=currency)
        decimals = match["decimals"] or ""
        if len(decimals) > digits:
            raise BadAmount(reason=f"more than {digits} decimals", currency=currency)
        minor = int(match["units"] + decimals.ljust(digits, "0"))
        return cls(-minor if match["sign"] else minor, currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return nothing, in the currency."""
        return cls(0, currency)

    def decimal_text(self) -> str:
        """Write the amount with exactly the decimals of its currency: 1234 EUR is "12.34"."""
        digits = exponent(self.currency)
        sign, whole = ("-" if self.minor < 0 else ""), str(abs(self.minor)).rjust(digits + 1, "0")
        return f"{sign}{whole[:-digits]}.{whole[-digits:]}" if digits else f"{sign}{whole}"

    def __str__(self) -> str:
        return f"{self.decimal_text()} {self.currency}"

    def _minor_of(self, other: Money) -> int:
        if self.currency != other.currency:
            raise CurrencyMismatch(expected=self.currency, given=other.currency)
        return other.minor

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._minor_of(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._minor_of(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._minor_of(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._minor_of(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._minor_of(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._minor_of(other)
