"""Stores a made-up world, reconciles it, compares with the truth, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection, transaction

from apps.core import db, ids, tenancy
from apps.core.actors import system_actor
from apps.core.commands import Context
from apps.reconciliation.bench.generator import (
    AS_OF,
    CURRENCY,
    FIRST_DAY,
    Expected,
    Generator,
    Line,
    World,
    payer_index,
)
from apps.reconciliation.commands.reconcile import Reconcile, reconcile_account
from apps.reconciliation.domain.calendar import add_business_days
from apps.reconciliation.domain.words import AccountRole
from apps.reconciliation.lines import content_id
from apps.reconciliation.matching.passes import PASSES
from apps.reconciliation.models import BankAccount, Break, MatchItem, Statement, StatementFile
from apps.reconciliation.progress import listening

_AT = datetime(2026, 10, 2, 18, tzinfo=UTC)
_LINE_COLUMNS = (
    "id, organisation_id, bank_account_id, statement_id, subject_id, position, part, kind, status, amount_minor, "
    "currency, booking_date, end_to_end, uetr, message_id, batch_id, creditor_reference, bank_reference, "
    "bank_code, return_reason, reversal, counterparty, fingerprint, state"
)
_EXPECTED_COLUMNS = (
    "id, organisation_id, bank_account_id, source, kind, amount_minor, currency, end_to_end, uetr, message_id, "
    "batch_id, creditor_reference, group_reference, counterparty, due_date, window_from, window_to, state, "
    "version, made_at"
)


_AFTER = {1: "reasons", 2: "records"}


def _nobody_listens(_line: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Place:
    """Where the world is stored: an organisation that exists only while it is measured."""

    organisation_id: UUID
    account: BankAccount
    elsewhere: BankAccount
    statement_id: UUID


def measure(
    *,
    lines: int,
    seed: int,
    noise: float,
    order: int = 0,
    own_server: bool = False,
    report: Callable[[str], None] = _nobody_listens,
) -> dict[str, Any]:
    """Measure one run over a made-up account; `report` hears one line a stage.

    In a transaction that is rolled back; on a server of its own the world is stored and analysed first,
    as a bank's statements are before a run begins.
    """
    stages = Stages(f"{lines} lines", report)
    world = Generator(seed=seed, size=lines, noise=noise, order=order).make()
    stages.done("generate")
    if own_server:
        with _platform():
            place = _stored(world, seed, stages)
        _analyse()
        stages.done("analyse")
        with _platform():
            return _measured(world, place, seed, stages)
    with _platform():
        try:
            return _measured(world, _stored(world, seed, stages), seed, stages)
        finally:
            transaction.set_rollback(True)


class Stages:
    """How long each stage took, in seconds, told as it ends."""

    def __init__(self, about: str, report: Callable[[str], None]) -> None:
        self.about, self.report = about, report
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def done(self, name: str) -> None:
        """End a stage; one of the same name is added to."""
        now = time.monotonic()
        took, self._since = now - self._since, now
        self.seconds[name] = round(self.seconds.get(name, 0) + took, 2)
        self.report(f"{self.about}: {name} {took:.1f} s")

    def step(self, number: int, _total: int) -> None:
        """End a step of a run: a pass, the reasons, or what is written of them."""
        self.done(PASSES[number - 1].method.value if number <= len(PASSES) else _AFTER[number - len(PASSES)])


@contextmanager
def _platform() -> Iterator[None]:
    with db.new_transaction():
        tenancy.switch(tenancy.PLATFORM)
        _allow_time()
        yield


def _stored(world: World, seed: int, stages: Stages) -> Place:
    place = _make_place(seed)
    _store(world, place)
    stages.done("store")
    return place


def _analyse() -> None:
    """Let the planner know the tables, as the server does by itself between an import and a run."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("ANALYZE reconciliation_statementline, reconciliation_expectation")


def _measured(world: World, place: Place, seed: int, stages: Stages) -> dict[str, Any]:
    started = time.monotonic()
    context = Context(
        actor=system_actor("bench"),
        at=_AT,
        command_id=ids.uuid7(_AT),
        organisation_id=None,
        correlation_id="bench",
    )
    with listening(stages.step):
        answer = reconcile_account(Reconcile(None, bank_account_id=place.account.id, as_of=AS_OF), context)
    seconds = time.monotonic() - started
    truth = judge(world, place.account.id)
    stages.done("judge")
    return {
        "lines": len(world.lines),
        "expectations": len(world.expected),
        "seed": seed,
        "seconds": round(seconds, 2),
        "stages": stages.seconds,
        "matched": answer["matched"],
        "breaks": answer["breaks"],
        "expected_still": answer["expected_count"],
        **truth,
    }


def judge(world: World, account_id: UUID) -> dict[str, Any]:
    """Compare what was matched and named with the truth."""
    made: dict[UUID, set[UUID]] = {}
    items = MatchItem.objects.filter(match__bank_account_id=account_id).values_list(
        "match_id", "line_id", "expectation_id"
    )
    for match_id, line_id, expectation_id in items.iterator():
        made.setdefault(match_id, set()).add(line_id or expectation_id)
    found = {frozenset(members) for members in made.values()}
    told: dict[UUID, str] = {}
    for line_id, expectation_id, reason in (
        Break.objects.filter(bank_account_id=account_id)
        .values_list("line_id", "expectation_id", "reason")
        .iterator()
    ):
        told[line_id or expectation_id] = reason
    return {
        "true_matches": len(world.matches),
        "false_matches": len(found - world.matches),
        "recall": round(len(found & world.matches) / max(len(world.matches), 1), 6),
        "planted_breaks": len(world.reasons),
        "wrong_reasons": sum(1 for key, reason in world.reasons.items() if told.get(key) != reason),
        "other_breaks": len(set(told) - set(world.reasons)),
        "result_sha256": hashlib.sha256(
            repr(
                (
                    sorted((str(match), sorted(map(str, members))) for match, members in made.items()),
                    sorted((str(key), reason) for key, reason in told.items()),
                )
            ).encode()
        ).hexdigest(),
    }


def _allow_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', '0', true), "
            "set_config('idle_in_transaction_session_timeout', '0', true), set_config('lock_timeout', '0', true)"
        )


def _make_place(seed: int) -> Place:
    organisation_id = content_id(FIRST_DAY, "bench organisation", str(seed))
    accounts = [
        BankAccount.objects.create(
            id=content_id(FIRST_DAY, "bench account", str(seed), number),
            organisation_id=organisation_id,
            number=number,
            currency=CURRENCY,
            name=number,
            role=AccountRole.OBSERVED.value,
            added_at=_AT,
        )
        for number in ("BENCHACCOUNT", "OTHERACCOUNT")
    ]
    file = StatementFile.objects.create(
        id=content_id(FIRST_DAY, "bench file", str(seed)),
        organisation_id=organisation_id,
        sha256="0" * 64,
        format="bench",
        message_id="bench",
        name="bench",
        size_bytes=0,
        lenient=False,
        findings=[],
        received_at=_AT,
    )
    statement = Statement.objects.create(
        id=content_id(FIRST_DAY, "bench statement", str(seed)),
        organisation_id=organisation_id,
        bank_account=accounts[0],
        file=file,
        bank_id="bench",
        kind="statement",
        sequence="1",
        page=1,
        day=AS_OF,
        currency=CURRENCY,
        entry_count=0,
        line_count=0,
        known_count=0,
        credit_minor=0,
        debit_minor=0,
        proof="unproven",
        proof_reasons=["bench"],
        imported_at=_AT,
    )
    return Place(organisation_id, accounts[0], accounts[1], statement.id)


def _store(world: World, place: Place) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            _insert("reconciliation_statementline", _LINE_COLUMNS),
            [_line_row(line, position, place) for position, line in enumerate(world.lines, start=1)],
        )
        cursor.executemany(
            _insert("reconciliation_expectation", _EXPECTED_COLUMNS),
            [_expected_row(one, place) for one in world.expected],
        )


def _insert(table: str, columns: str) -> str:
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(columns.split(',')))})"


def _line_row(line: Line, position: int, place: Place) -> tuple[Any, ...]:
    return (
        line.id,
        place.organisation_id,
        place.account.id,
        place.statement_id,
        place.statement_id,
        position,
        0,
        "entry",
        "BOOK",
        line.amount_minor,
        CURRENCY,
        line.day,
        line.end_to_end,
        "",
        line.message_id,
        line.batch_id,
        line.creditor_reference,
        "",
        "",
        "",
        False,
        payer_index(line.payer),
        line.id.hex,
        "open",
    )


def _expected_row(one: Expected, place: Place) -> tuple[Any, ...]:
    account = place.elsewhere if one.elsewhere else place.account
    return (
        one.id,
        place.organisation_id,
        account.id,
        f"bench:{one.id}",
        "payin",
        one.amount_minor,
        one.currency,
        one.end_to_end,
        "",
        one.message_id,
        one.batch_id,
        one.creditor_reference,
        one.group_reference,
        payer_index(one.payer),
        one.due,
        add_business_days(one.due, -account.days_before),
        add_business_days(one.due, account.days_after),
        "open",
        1,
        _AT,
    )
