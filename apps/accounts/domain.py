"""What a name, an address, an IBAN may be, and how a payment account changes. No database, no framework."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from apps.core.errors import Conflict, Invalid, Refusal

NAME_CHARS_MAX = 140
"""ISO 20022 Max140Text: a longer name would not fit a payment message."""
EMAIL_CHARS_MAX = 254
REFERENCE_CHARS_MAX = 100
LABEL_CHARS_MAX = 70

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[^\s@.]{1,63}\.){1,10}[^\s@.]{2,63}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_IBAN_TYPED_CHARS_MAX = 60
# ISO 3166-1 alpha-2, with XK for Kosovo, which has IBANs.
_COUNTRY_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS "
    "BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE "
    "EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM "
    "HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC "
    "LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA "
    "NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW "
    "SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO "
    "TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
_COUNTRIES = frozenset(_COUNTRY_CODES.split())


class BadIban(Refusal):
    code = "bad_iban"
    title = "This is not a valid IBAN."


class NoSuchNumber(Refusal):
    code = "no_such_account_number"
    title = "No valid IBAN can be made of this bank code and number."


class AccountStateConflict(Conflict):
    code = "account_state_conflict"
    title = "The account is not in a state in which this can be done."


class AccountStatus(StrEnum):
    """The states of a payment account."""

    OPEN = "open"
    BLOCKED = "blocked"
    CLOSED = "closed"


class AccountChange(StrEnum):
    """What can be done to a payment account once it is there."""

    BLOCK = "block"
    UNBLOCK = "unblock"
    CLOSE = "close"


# A blocked account cannot be closed: whoever may lift the block decides first.
_CHANGES = {
    (AccountStatus.OPEN, AccountChange.BLOCK): AccountStatus.BLOCKED,
    (AccountStatus.BLOCKED, AccountChange.UNBLOCK): AccountStatus.OPEN,
    (AccountStatus.OPEN, AccountChange.CLOSE): AccountStatus.CLOSED,
}

BLOCK_REASONS = frozenset({"customer_request", "suspected_fraud", "legal_order", "compliance", "other"})


def status_after(status: str, change: AccountChange) -> AccountStatus:
    """Tell the status that a change leads to. Raises AccountStateConflict where it is not possible."""
    after = _CHANGES.get((AccountStatus(status), change))
    if after is None:
        raise AccountStateConflict(status=str(status), change=change.value)
    return after


def clean_text(text: str, *, field: str, chars_max: int, required: bool = True) -> str:
    """Return one line of text without outer spaces, in Unicode's composed form.

    Raises Invalid (with the field) when it is empty though required, too long, or holds a control
    character, a line break or half of a surrogate pair.
    """
    if len(text) > 4 * chars_max:
        raise Invalid(field=field, chars_max=chars_max)
    clean = unicodedata.normalize("NFC", text.strip())
    if len(clean) > chars_max:
        raise Invalid(field=field, chars_max=chars_max)
    if required and not clean:
        raise Invalid(field=field, reason="empty")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in clean):
        raise Invalid(field=field, reason="a control character")
    return clean


def clean_name(text: str, *, field: str = "name") -> str:
    """Return the name of a person or company. Raises Invalid."""
    return clean_text(text, field=field, chars_max=NAME_CHARS_MAX)


def clean_email(text: str) -> str:
    """Return an e-mail address (addr-spec of RFC 5322 without quoting), or "". Raises Invalid."""
    clean = clean_text(text, field="email", chars_max=EMAIL_CHARS_MAX, required=False)
    if clean and not _EMAIL.fullmatch(clean):
        raise Invalid(field="email", reason="not an e-mail address")
    return clean


def clean_phone(text: str) -> str:
    """Return a telephone number as E.164 writes it (+ and up to 15 digits), or "". Raises Invalid."""
    clean = re.sub(r"[ ()./-]", "", clean_text(text, field="phone", chars_max=40, required=False))
    if clean and not _PHONE.fullmatch(clean):
        raise Invalid(field="phone", reason="not an international telephone number")
    return clean


def clean_country(text: str, *, field: str = "country") -> str:
    """Return a country's code (ISO 3166-1 alpha-2). Raises Invalid."""
    if text not in _COUNTRIES:
        raise Invalid(field=field, reason="not an ISO 3166-1 alpha-2 code")
    return text


def clean_iban(text: str) -> str:
    """Return an IBAN (ISO 13616) in its electronic form: no spaces, capitals.

    Its length, its check digits (ISO 7064 mod 97-10) and, where the country has one, the national
    check digits of its account number are verified. Raises BadIban with the reason, never the number.
    """
    if len(text) > _IBAN_TYPED_CHARS_MAX:
        raise BadIban(reason="too long")
    compact = text.replace(" ", "").upper()
    if not _IBAN.fullmatch(compact):
        raise BadIban(reason="not two letters, two digits, and 11 to 30 letters and digits")
    try:
        return str(IBAN(compact, validate_bban=True))
    except SchwiftyException as error:
        raise BadIban(reason=_words(type(error).__name__)) from None


def issue_iban(country: str, bank_code: str, number: int) -> str:
    """Make the IBAN of the `number`-th account of a bank: the number, and a digit that makes it valid.

    Many countries keep a check digit in the account number itself, some at its end by a method of the
    bank's own; the last digit is the first of 0 to 9 that passes the bank's method. The same arguments
    always give the same IBAN. Raises NoSuchNumber where no digit does, or the number is too long.
    """
    for digit in "0123456789":
        try:
            made = IBAN.generate(country, bank_code=bank_code, account_code=f"{number}{digit}")
            return str(IBAN(str(made), validate_bban=True))
        except (SchwiftyException, ValueError, KeyError):
            continue
    raise NoSuchNumber(country=country[:2], bank_code=bank_code[:12])


def _words(name: str) -> str:
    """Write the name of an exception class as words: InvalidLength is "invalid length"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
