"""Followers of the log: day buckets, rollups, residues, monitors, the rebuild, and the hole."""

import datetime as dt
import uuid
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command

from apps.core import clock, tenancy
from apps.core.models import OutboxEvent
from apps.core.money import Money
from apps.ledger import following
from apps.ledger import public as ledger
from apps.ledger.queries import rows
from tests.horizon import pass_horizon

from .conftest import DAY, Book


def follow(*, waited_s_max: float = 3) -> int:
    """Follow until all that is committed has been read: a look settles what the look before it saw."""
    read = 0
    for _ in range(3):
        pass_horizon(waited_s_max=waited_s_max)
        read += following.follow_all(at=clock.database_now())
    return read


class TestBalanceAt:
    def test_it_knows_what_was_recorded_at_a_moment(self, funded: Book) -> None:
        moments = [clock.database_now()]
        for minor in (10, 20, 30):
            funded.post(("alice", "bob", minor))
            moments.append(clock.database_now())

        with funded.scope():
            assert [ledger.balance_at(funded["alice"], recorded_at=at) for at in moments] == [
                1000,
                990,
                970,
                940,
            ]
            assert ledger.balance_at(funded["alice"], recorded_at=moments[0] - dt.timedelta(days=9)) == 0

    @pytest.mark.parametrize("followed", [True, False])
    def test_it_knows_what_was_effective_on_a_day(self, funded: Book, followed: bool) -> None:
        funded.post(("alice", "bob", 10), effective_date=DAY - dt.timedelta(days=3))
        funded.post(("alice", "bob", 20), effective_date=DAY + dt.timedelta(days=3))
        if followed:
            follow()
        funded.post(("alice", "bob", 5), effective_date=DAY - dt.timedelta(days=2))

        with funded.scope():
            days = [
                ledger.balance_at(funded["alice"], effective_date=DAY + dt.timedelta(days=n))
                for n in (-4, -3, -2, 0, 3)
            ]
        assert days == [0, -10, -15, 985, 965]

    def test_back_dating_touches_one_bucket(self, funded: Book) -> None:
        for n in range(5):
            funded.post(("alice", "bob", 1), effective_date=DAY + dt.timedelta(days=n))
        follow()
        with funded.scope():
            before = dict(
                rows(
                    "SELECT effective_date, (debit, entries)::text FROM ledger.balance_day WHERE account_id = %s",
                    [funded["alice"]],
                )
            )
        funded.post(("alice", "bob", 7), effective_date=DAY + dt.timedelta(days=2))
        follow()
        with funded.scope():
            after = dict(
                rows(
                    "SELECT effective_date, (debit, entries)::text FROM ledger.balance_day WHERE account_id = %s",
                    [funded["alice"]],
                )
            )

        assert [day for day in after if before[day] != after[day]] == [DAY + dt.timedelta(days=2)]

    def test_an_account_of_another_organisation_is_unknown(self, funded: Book) -> None:
        with tenancy.scope(uuid.uuid4()):
            for question in ({"recorded_at": clock.database_now()}, {"effective_date": DAY}):
                with pytest.raises(ledger.UnknownAccount):
                    ledger.balance_at(funded["alice"], **question)


class TestStatement:
    def test_its_pages_fit_together_both_ways(self, funded: Book) -> None:
        for minor in range(1, 8):
            funded.post(("alice", "bob", minor))
        with funded.scope():
            first = ledger.statement(funded["alice"], limit=5)
            second = ledger.statement(funded["alice"], limit=5, after=first[-1].cursor)
            newest = ledger.statement(funded["alice"], limit=3, newest_first=True)
            older = ledger.statement(funded["alice"], limit=9, newest_first=True, after=newest[-1].cursor)

        assert [entry.version for entry in first + second] == list(range(1, 9))
        assert [entry.version for entry in newest + older] == list(range(8, 0, -1))
        balance = 0
        for entry in first + second:
            balance += entry.amount_minor
            assert entry.after_minor == balance

    def test_the_owner_of_a_shared_account_sees_all_of_it(self, funded: Book) -> None:
        with tenancy.scope(funded.operator_id):
            assert [entry.amount_minor for entry in ledger.statement(funded["cash"])] == [-1000]

    @pytest.mark.parametrize("cursor", ["", "x", "2026-11-02/x", "2026-11-02T00:00:00+00:00"])
    def test_it_refuses_a_cursor_that_is_none(self, funded: Book, cursor: str) -> None:
        from apps.core.errors import Invalid

        with funded.scope(), pytest.raises(Invalid):
            ledger.statement(funded["alice"], after=cursor)


class TestRollups:
    def test_a_parent_shows_what_stands_below_it(self, book: Book) -> None:
        book.open("customers", floor_minor=None)
        book.open("customers:nl", parent="customers")
        book.open("customers:nl:carol", parent="customers:nl")
        book.post(("cash", "customers:nl:carol", 70), ("cash", "customers:nl", 5))
        follow()

        with book.scope():
            assert [
                ledger.rollup(book[code]) for code in ("customers", "customers:nl", "customers:nl:carol")
            ] == [75, 75, 70]


class TestResidues:
    def test_it_tells_since_when_a_clearing_account_is_not_zero(self, book: Book) -> None:
        book.open("clearing", floor_minor=None, clearing=True)
        book.post(("cash", "clearing", 10))
        book.post(("clearing", "alice", 10))
        opened = book.post(("cash", "clearing", 4))
        book.post(("cash", "clearing", 3))
        follow()
        with book.scope():
            (residue,) = ledger.clearing_residues()
            assert (residue.account_id, residue.posted_minor, residue.since_seq) == (
                book["clearing"],
                7,
                opened.seq,
            )
        book.post(("clearing", "alice", 7))
        follow()
        with book.scope():
            assert ledger.clearing_residues() == []


class TestMonitors:
    def test_it_tells_once_of_each_crossing(self, funded: Book) -> None:
        with funded.scope():
            monitor = ledger.set_monitor(
                organisation_id=funded.organisation_id,
                account_id=funded["alice"],
                direction="below",
                threshold_minor=500,
                at=clock.database_now(),
            )
        funded.post(("alice", "bob", 600))
        funded.post(("alice", "bob", 100))
        follow()
        funded.post(("alice", "bob", 10))
        follow()
        funded.post(("bob", "alice", 400))
        funded.post(("alice", "bob", 300))
        follow()

        assert self.told(monitor) == [400, 390]

    def test_a_removed_monitor_is_silent(self, funded: Book) -> None:
        with funded.scope():
            monitor = ledger.set_monitor(
                organisation_id=funded.organisation_id,
                account_id=funded["alice"],
                direction="below",
                threshold_minor=500,
                at=clock.database_now(),
            )
            ledger.remove_monitor(monitor)
        funded.post(("alice", "bob", 600))
        follow()

        assert self.told(monitor) == []

    def told(self, monitor: uuid.UUID) -> list[int]:
        with tenancy.scope(tenancy.PLATFORM):
            found = OutboxEvent.objects.filter(
                name="ledger.monitor_crossed", object_id=str(monitor)
            ).order_by("seq")
            return [event.payload["posted_minor"] for event in found]


class TestExpiryJob:
    def test_it_releases_what_has_expired(self, funded: Book) -> None:
        past = clock.database_now() - dt.timedelta(hours=2)
        expired = funded.hold("alice", 100, expires_at=past + dt.timedelta(hours=1), at=past)
        standing = funded.hold("alice", 200, expires_at=past + dt.timedelta(days=9), at=past)

        assert following.expire_holds(at=clock.database_now()) >= 1

        with funded.scope():
            assert (ledger.hold(expired.id).remaining_minor, ledger.hold(standing.id).remaining_minor) == (
                0,
                200,
            )
        assert funded.balance("alice").held == 200


class TestFollower:
    def test_a_transaction_held_open_is_not_passed_over(self, funded: Book) -> None:
        funded.open("carol")
        follow()
        settings_dict = settings.DATABASES["default"]
        with psycopg.connect(
            host=settings_dict["HOST"], dbname=settings_dict["NAME"], user="bezant_app"
        ) as held:
            held.execute("SELECT set_config('bezant.organisation', %s, false)", [str(funded.organisation_id)])
            held.execute(_POST, _arguments(funded, funded["alice"], funded["bob"], 11))
            funded.post(("cash", "carol", 5))  # a higher number, committed earlier
            follow(waited_s_max=0.1)  # in vain: the transaction is held open
            held.commit()
        funded.post(("cash", "carol", 6))
        follow()

        with funded.scope():
            assert ledger.rollup(funded["alice"]) == 989
            assert (ledger.rollup(funded["bob"]), ledger.rollup(funded["carol"])) == (11, 11)

    def test_rebuild_proves_equality_and_finds_a_difference(
        self, funded: Book, owner_sql: Any, capsys: Any
    ) -> None:
        follow()
        call_command("rebuild_ledger", verify=True, json=True)
        assert '"ok": true' in capsys.readouterr().out

        owner_sql("UPDATE ledger.rollup SET posted = posted + 1 WHERE account_id = %s", [funded["alice"]])
        with pytest.raises(SystemExit):
            call_command("rebuild_ledger", verify=True, json=True)
        told = capsys.readouterr().out
        assert f'"account": {funded["alice"]}' in told and '"rollup": 1' in told

        call_command("rebuild_ledger")
        call_command("rebuild_ledger", verify=True, json=True)


_POST = """SELECT codes FROM ledger.post(now(), ARRAY[%s::uuid], ARRAY[%s::uuid], ARRAY['test.move'], ARRAY['2026-11-02'::date],
    ARRAY['system:test'], ARRAY[''], NULL, ARRAY[1], ARRAY[%s::bigint], ARRAY[%s::bigint], ARRAY[%s::bigint], ARRAY['EUR'])"""


def _arguments(book: Book, debit: int, credit: int, minor: int) -> list[Any]:
    return [book.organisation_id, uuid.uuid4(), debit, credit, minor]


def test_money_of_two_currencies_is_exchanged_in_one_journal(book: Book) -> None:
    book.open("position:eur", floor_minor=None)
    book.open("position:usd", floor_minor=None, currency="USD")
    book.post(("cash", "alice", 1000))
    with book.scope():
        posted = ledger.exchange(
            key=uuid.uuid4(),
            organisation_id=book.organisation_id,
            sold=Money(1000, "EUR"),
            bought=Money(1085, "USD"),
            source_id=book["alice"],
            target_id=book["dollars"],
            position_sold_id=book["position:eur"],
            position_bought_id=book["position:usd"],
            effective_date=DAY,
            actor="system:test",
        )
        assert ledger.journal(posted.seq).rate == "1.085"

    assert (book.balance("alice").posted, book.balance("dollars").posted) == (0, 1085)
    assert (book.balance("position:eur").posted, book.balance("position:usd").posted) == (1000, -1085)
