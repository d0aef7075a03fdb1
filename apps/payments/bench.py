"""The benchmark of payouts: from one bulk command to the file in the outgoing folder, all postings included."""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import system_actor
from apps.core.commands import Command, execute
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.calendar import execution_day
from apps.payments.commands.accounts import AddSettlementAccount, SetPayoutPolicy
from apps.payments.commands.bulk import BulkPayout, CreateBulkOrder
from apps.payments.commands.payins import PAYIN_SUCCEEDED, ApplyProviderEvent
from apps.payments.commands.payouts import CreatePayout, Creditor
from apps.payments.exports import export_batches
from apps.payments.models import Payment, SettlementAccount
from apps.payments.queries import verify

PER_SECOND_MIN = 500
"""What a quiet machine with two cores must reach: payouts a second, ordered, held, filed and captured."""

AMOUNT_MINOR = 1_234
ONE_BY_ONE = 100
"""How many payouts are ordered one by one, to compare."""

_ACTOR = system_actor("bench_payouts")


@dataclass(frozen=True, slots=True)
class Round:
    """One round: how long the order took, and the export; and how long processors worked on both, in seconds."""

    order_s: float
    export_s: float
    cpu_s: float

    @property
    def total_s(self) -> float:
        """Return both together."""
        return self.order_s + self.export_s


def measure(*, count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Order and export `count` payouts to new payees, several times, and return the figures."""
    organisation_id, account_id = _world(count * rounds + 1_000)
    _round(organisation_id, account_id, _orders(0, 50), folder)  # imports, caches and plans are warm then
    load_before = os.getloadavg()[0]
    measured = [
        _round(organisation_id, account_id, _orders(1_000 + number * count, count), folder)
        for number in range(rounds)
    ]
    alone = _one_by_one(organisation_id, account_id, _orders(0, ONE_BY_ONE), folder)
    total = statistics.median(one.total_s for one in measured)
    return {
        "payouts": count,
        "rounds": rounds,
        "order_s": round(statistics.median(one.order_s for one in measured), 3),
        "export_s": round(statistics.median(one.export_s for one in measured), 3),
        "cpu_s": round(statistics.median(one.cpu_s for one in measured), 3),
        "payouts_per_s": round(count / total),
        "best_per_s": round(count / min(one.total_s for one in measured)),
        "one_by_one_per_s": alone,
        "limit_per_s": PER_SECOND_MIN,
        "load_1m_before": round(load_before, 2),
        "load_1m_after": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **_proof(organisation_id, account_id, folder),
    }


def _round(organisation_id: UUID, account_id: UUID, payments: tuple[BulkPayout, ...], folder: Path) -> Round:
    at = clock.database_now()
    day = execution_day("sepa_ct", at)
    worked, started = _cpu_s(), time.perf_counter()
    execute(CreateBulkOrder(organisation_id, account_id, payments), actor=_ACTOR, key=f"bench:{at}", at=at)
    ordered = time.perf_counter()
    sent = list(export_batches(rail="sepa_ct", execution_date=day, folder=folder, actor=_ACTOR, at=at))
    done = time.perf_counter()
    if sum(batch["payments"] for batch in sent) != len(payments):
        raise RuntimeError("the export did not send exactly what was ordered")
    return Round(ordered - started, done - ordered, _cpu_s() - worked)


def _one_by_one(
    organisation_id: UUID, account_id: UUID, payments: tuple[BulkPayout, ...], folder: Path
) -> int:
    """Order payouts with a command each and export them; return how many a second, for comparison."""
    at = clock.database_now()
    started = time.perf_counter()
    for one in payments:
        _do(CreatePayout(organisation_id, account_id=account_id, amount=one.amount, creditor=one.creditor))
    day = execution_day("sepa_ct", at)
    list(export_batches(rail="sepa_ct", execution_date=day, folder=folder, actor=_ACTOR, at=at))
    return round(len(payments) / (time.perf_counter() - started))


def _cpu_s() -> float:
    """Return the processor time of this process and of its database session (on this machine, by /proc).

    Unlike the time that passed, it hardly depends on what else the machine does.
    """
    own = time.process_time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        return own
    return own + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _proof(organisation_id: UUID, account_id: UUID, folder: Path) -> dict[str, Any]:
    """Count what stands in the tables and the books, so that the figure is one of finished work."""
    with tenancy.scope(tenancy.PLATFORM):
        sent = Payment.objects.filter(organisation_id=organisation_id, state="sent").count()
        checked, wrong = verify(Payment.objects.filter(organisation_id=organisation_id, kind="payout"))
        balance = ledger.balance(accounts.payment_account(account_id).ledger_account_id)
        held, captured = balance.held, sent * AMOUNT_MINOR
        clearing = SettlementAccount.objects.get(currency="EUR", pays_out=True).clearing_out_id
        in_clearing = ledger.balance(clearing).posted
    return {
        "sent": sent,
        "lives_proved": checked,
        "lives_wrong": len(wrong),
        "held_minor": held,
        "clearing_is_right": in_clearing == captured,
        "file_bytes": sum(path.stat().st_size for path in folder.glob("*.xml")),
    }


def _orders(first: int, count: int) -> tuple[BulkPayout, ...]:
    return tuple(
        BulkPayout(
            Money(AMOUNT_MINOR, "EUR"),
            Creditor(f"Example Supplies {number} BV", _iban(number), town="Utrecht", country="NL"),
            remittance=f"Invoice {number}",
            reference=f"order-{number}",
        )
        for number in range(first, first + count)
    )


def _iban(number: int) -> str:
    """Make a valid Dutch IBAN of a number (mod 97 of ISO 7064)."""
    bban = f"RABO{number:010d}"
    digits = "".join(str(int(sign, 36)) for sign in f"{bban}NL00")
    return f"NL{98 - int(digits) % 97:02d}{bban}"


def _world(payouts: int) -> tuple[UUID, UUID]:
    """Open an operator, an organisation and an account with money for so many payouts."""
    operator = parse_public_id(
        "org", _do(accounts.OpenOrganisation(None, "Operator", "NL", kind="operator", bank_code="BZNT"))["id"]
    )
    _do(AddSettlementAccount(None, operator, "DE89370400440532013000", "EUR", "Operator", "Bank"))
    organisation = parse_public_id("org", _do(accounts.OpenOrganisation(None, "Merchant", "NL"))["id"])
    account = parse_public_id("acc", _do(accounts.OpenPaymentAccount(organisation, "EUR"))["id"])
    _do(SetPayoutPolicy(organisation, Money(10**12, "EUR")))
    at = clock.database_now()
    payload = {
        "id": "ord_bench",
        "account_id": public_id("acc", account),
        "amount": {"amount": Money(payouts * AMOUNT_MINOR, "EUR").decimal_text(), "currency": "EUR"},
        "debtor": {"name": "Helena Brandt", "iban": "DE02120300000000202051"},
        "reference": "Bench",
    }
    _do(ApplyProviderEvent(organisation, "bezant_sandbox", "evt_bench", PAYIN_SUCCEEDED, payload, at))
    return organisation, account


def _do(command: Command) -> dict[str, Any]:
    return execute(command, actor=_ACTOR, key=None, at=clock.database_now()).answer
