"""Four eyes: a command waits, a second person decides, the database itself refuses a maker who checks."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from apps.compliance import public as compliance
from apps.core.actors import Actor, system_actor
from apps.core.commands import Command, execute, handles
from apps.core.errors import ApprovalNeeded, Denied, Invalid, NotFound, Refusal
from apps.core.models import OutboxEvent
from apps.core.tenancy import PLATFORM, scope

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


class LimitReached(Refusal):
    code = "limit_reached"


@dataclass(frozen=True)
class RaiseLimit(Command):
    """A command that always needs a second person."""

    customer: str
    limit_minor: int
    refuse: bool = False
    note: str = ""

    def target(self):
        return self.customer


DONE = []


@handles(
    RaiseLimit, name="compliance_tests.raise_limit", version=1, permission="limits.write", four_eyes=True
)
def raise_limit(command, context):
    if command.refuse:
        raise LimitReached(limit_minor=command.limit_minor)
    DONE.append((command.customer, str(context.actor), context.approved_by))
    context.note("customer", command.customer, limit_minor=command.limit_minor)
    return {"limit_minor": command.limit_minor}


@pytest.fixture
def bank(db):
    return uuid.uuid4()


@pytest.fixture
def ada(bank):
    return Actor("staff", f"usr_ada_{bank.hex[:8]}", None, frozenset({"limits.write", "approvals.decide"}))


@pytest.fixture
def bob(bank):
    return Actor("staff", f"usr_bob_{bank.hex[:8]}", None, frozenset({"approvals.decide"}))


def ask(bank, maker, *, customer=None, at=AT, key=None, **values):
    command = RaiseLimit(bank, customer or f"cus_{uuid.uuid4().hex}", 5_000, **values)
    outcome = execute(command, actor=maker, key=key, at=at)
    assert outcome.status == "pending_approval"
    return outcome.answer["approval_id"], command.customer


def approve(bank, approval_id, checker, *, at=LATER, key=None):
    return execute(compliance.ApproveRequest(bank, approval_id), actor=checker, key=key, at=at)


def reject(bank, approval_id, checker, *, reason="too much", at=LATER):
    return execute(compliance.RejectRequest(bank, approval_id, reason), actor=checker, key=None, at=at)


def state_of(bank, approval_id):
    with scope(bank or PLATFORM):
        return compliance.approval_of(approval_id)


def done_for(customer):
    return [entry for entry in DONE if entry[0] == customer]


class TestAsking:
    def test_command_waits_and_nothing_is_done(self, bank, ada):
        approval_id, customer = ask(bank, ada)

        assert done_for(customer) == []
        request = state_of(bank, approval_id)
        assert request.state == "waiting"
        assert request.payload["limit_minor"] == 5_000
        assert request.maker == str(ada)
        with scope(bank):
            assert [view.approval_id for view in compliance.waiting_approvals()] == [approval_id]
            (entry,) = compliance.audit_of_object(approval_id)
        assert (entry.action, entry.outcome) == ("compliance.request_approval", "pending_approval")

    def test_same_key_gives_the_same_request(self, bank, ada):
        command = RaiseLimit(bank, f"cus_{uuid.uuid4().hex}", 5_000)
        first, second = (execute(command, actor=ada, key="key-1", at=AT) for _ in range(2))
        assert first.answer == second.answer
        assert second.replayed

    def test_second_request_for_the_same_target_is_refused(self, bank, ada, bob):
        approval_id, customer = ask(bank, ada)
        with pytest.raises(compliance.AlreadyWaiting):
            ask(bank, ada, customer=customer)
        reject(bank, approval_id, bob)
        ask(bank, ada, customer=customer)

    def test_of_ten_requests_at_once_one_waits(self, bank, ada, in_threads):
        customer = f"cus_{uuid.uuid4().hex}"
        answers = in_threads(lambda _: ask(bank, ada, customer=customer), range(10))
        refused = [answer for answer in answers if isinstance(answer, compliance.AlreadyWaiting)]
        assert len(refused) == 9
        with scope(bank):
            assert len(compliance.waiting_approvals()) == 1

    def test_expired_request_makes_room_for_a_new_one(self, bank, ada):
        former, customer = ask(bank, ada)
        ask(bank, ada, customer=customer, at=AT + compliance.APPROVAL_LIFETIME)
        assert state_of(bank, former).state == "expired"

    def test_request_of_the_platform_as_a_whole_waits_too(self, db, ada, bob):
        approval_id, customer = ask(None, ada)
        with pytest.raises(compliance.AlreadyWaiting):
            ask(None, ada, customer=customer)
        approve(None, approval_id, bob)
        assert len(done_for(customer)) == 1

    def test_text_with_nul_is_kept_as_it_is(self, bank, ada, bob):
        approval_id, customer = ask(bank, ada, note="nul \0 and \\u0000")
        approve(bank, approval_id, bob)
        assert len(done_for(customer)) == 1


class TestApproving:
    def test_command_is_done_in_its_makers_name(self, bank, ada, bob):
        approval_id, customer = ask(bank, ada)

        outcome = approve(bank, approval_id, bob)

        assert outcome.answer["answer"] == {"limit_minor": 5_000}
        assert done_for(customer) == [(customer, str(ada), str(bob))]
        request = state_of(bank, approval_id)
        assert (request.state, request.checker, request.decided_at) == ("approved", str(bob), LATER)
        assert request.answer == {"limit_minor": 5_000}

    def test_record_tells_who_made_and_who_checked(self, bank, ada, bob):
        approval_id, customer = ask(bank, ada)
        approve(bank, approval_id, bob)
        with scope(bank):
            (of_customer,) = compliance.audit_of_object(customer)
            decision, request = compliance.audit_of_object(approval_id)
            events = OutboxEvent.objects.filter(object_id=approval_id)
            assert [event.name for event in events] == ["compliance.request_approved"]
        assert (of_customer.actor, of_customer.action) == (str(ada), "compliance_tests.raise_limit")
        assert (request.actor, decision.actor) == (str(ada), str(bob))
        assert decision.data["maker"] == str(ada)
        assert decision.correlation_id == of_customer.correlation_id

    def test_maker_cannot_approve_or_reject(self, bank, ada):
        approval_id, customer = ask(bank, ada)
        for decide in (approve, reject):
            with pytest.raises(compliance.MakerIsChecker):
                decide(bank, approval_id, ada)
        assert done_for(customer) == []
        assert state_of(bank, approval_id).state == "waiting"

    def test_process_cannot_approve(self, bank, ada):
        approval_id, _ = ask(bank, ada)
        with pytest.raises(compliance.NotAPerson):
            approve(bank, approval_id, system_actor("night_job"))

    def test_actor_without_the_permission_cannot_decide(self, bank, ada, bob):
        approval_id, _ = ask(bank, ada)
        with pytest.raises(Denied):
            approve(bank, approval_id, Actor("staff", "usr_eve", None, frozenset({"limits.write"})))

    def test_request_of_another_organisation_cannot_be_found(self, bank, ada, bob):
        approval_id, _ = ask(bank, ada)
        with pytest.raises(NotFound):
            approve(uuid.uuid4(), approval_id, bob)

    def test_second_decision_is_refused(self, bank, ada, bob):
        approval_id, customer = ask(bank, ada)
        approve(bank, approval_id, bob)
        for decide in (approve, reject):
            with pytest.raises(compliance.AlreadyDecided):
                decide(bank, approval_id, bob)
        assert len(done_for(customer)) == 1

    def test_of_ten_approvals_at_once_one_does_it(self, bank, ada, in_threads):
        approval_id, customer = ask(bank, ada)
        checkers = [Actor("staff", f"usr_{n}", None, frozenset({"approvals.decide"})) for n in range(10)]
        answers = in_threads(lambda checker: approve(bank, approval_id, checker), checkers)
        assert len(done_for(customer)) == 1
        assert sum(isinstance(answer, compliance.AlreadyDecided) for answer in answers) == 9

    def test_expired_request_is_not_done(self, bank, ada, bob):
        approval_id, customer = ask(bank, ada)
        with pytest.raises(compliance.RequestExpired):
            approve(bank, approval_id, bob, at=AT + compliance.APPROVAL_LIFETIME)
        assert done_for(customer) == []

    def test_refusal_of_the_command_leaves_the_request_waiting(self, bank, ada, bob):
        approval_id, _ = ask(bank, ada, refuse=True)
        with pytest.raises(LimitReached):
            approve(bank, approval_id, bob)
        assert state_of(bank, approval_id).state == "waiting"
        reject(bank, approval_id, bob)

    def test_maker_who_lost_the_permission_gets_nothing_done(self, bank, ada, bob, monkeypatch):
        approval_id, customer = ask(bank, ada)
        held = {"limits.write"}
        monkeypatch.setattr(
            "apps.compliance.approvals.MAKER_PERMISSIONS",
            [lambda kind, actor_id: frozenset(held) if actor_id == ada.id else None],
        )
        held.clear()
        with pytest.raises(compliance.MakerLostPermission):
            approve(bank, approval_id, bob)
        held.add("limits.write")
        approve(bank, approval_id, bob)
        assert len(done_for(customer)) == 1

    def test_unknown_request_is_not_found(self, bank, bob):
        for approval_id in ("apr_00000000000000000000000000", "pay_1", "' OR 1=1"):
            with pytest.raises(Refusal) as caught:
                approve(bank, approval_id, bob)
            assert caught.value.status == 404


class TestRejecting:
    def test_rejected_request_is_never_done(self, bank, ada, bob):
        approval_id, customer = ask(bank, ada)
        reject(bank, approval_id, bob, reason="not without a contract")
        request = state_of(bank, approval_id)
        assert (request.state, request.reason) == ("rejected", "not without a contract")
        with pytest.raises(compliance.AlreadyDecided):
            approve(bank, approval_id, bob)
        assert done_for(customer) == []

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "nul\0"])
    def test_reason_must_be_given_and_fit(self, bank, ada, bob, reason):
        approval_id, _ = ask(bank, ada)
        with pytest.raises(Invalid):
            reject(bank, approval_id, bob, reason=reason)
        assert state_of(bank, approval_id).state == "waiting"


class TestExpiring:
    def test_job_expires_what_waited_too_long_and_tells(self, bank, ada):
        stale, _ = ask(bank, ada)
        fresh, _ = ask(bank, ada, at=AT + timedelta(days=2))
        execute(
            compliance.ExpireRequests(None),
            actor=system_actor("beat"),
            key=None,
            at=AT + compliance.APPROVAL_LIFETIME,
        )
        assert (state_of(bank, stale).state, state_of(bank, fresh).state) == ("expired", "waiting")
        with scope(bank):
            assert [event.name for event in OutboxEvent.objects.filter(object_id=stale)] == [
                "compliance.request_expired"
            ]


class TestDatabase:
    CHECK = (
        "UPDATE compliance_approval SET state = 'approved', checker_kind = 'staff', checker_id = maker_id,"
        " decided_at = now() WHERE id = %s"
    )

    def key(self, approval_id):
        from apps.core.ids import parse_public_id

        return parse_public_id("apr", approval_id)

    def test_superuser_cannot_let_a_maker_check(self, bank, ada, admin_sql, owner_sql):
        approval_id, _ = ask(bank, ada)
        for run in (admin_sql, owner_sql):
            with pytest.raises(psycopg.errors.CheckViolation, match="maker_is_not_checker"):
                run(self.CHECK, [self.key(approval_id)])

    def test_superuser_without_triggers_cannot_either(self, bank, ada, admin_sql):
        approval_id, _ = ask(bank, ada)
        with pytest.raises(psycopg.errors.CheckViolation, match="maker_is_not_checker"):
            admin_sql(
                f"SET session_replication_role = replica; {self.CHECK.replace('%s', repr(str(self.key(approval_id))))}"
            )

    @pytest.mark.parametrize(
        "change",
        [
            "payload = '{}'",
            "payload_hash = 'x'",
            "maker_id = 'usr_eve'",
            "command_name = 'other'",
            "expires_at = 'infinity'",
            "organisation_id = NULL",
            "target = ''",
        ],
    )
    def test_owner_cannot_change_what_was_asked_for(self, bank, ada, owner_sql, change):
        approval_id, _ = ask(bank, ada)
        with pytest.raises(psycopg.Error, match="cannot be changed"):
            owner_sql(f"UPDATE compliance_approval SET {change} WHERE id = %s", [self.key(approval_id)])

    @pytest.mark.parametrize(
        "change", ["state = 'waiting', checker_kind = '', checker_id = '', decided_at = NULL", "reason = 'x'"]
    )
    def test_owner_cannot_reopen_or_edit_a_decision(self, bank, ada, bob, owner_sql, change):
        approval_id, _ = ask(bank, ada)
        reject(bank, approval_id, bob)
        with pytest.raises(psycopg.Error, match="has been decided"):
            owner_sql(f"UPDATE compliance_approval SET {change} WHERE id = %s", [self.key(approval_id)])

    def test_owner_can_neither_delete_nor_truncate(self, bank, ada, owner_sql):
        approval_id, _ = ask(bank, ada)
        with pytest.raises(psycopg.Error, match="part of the record"):
            owner_sql("DELETE FROM compliance_approval WHERE id = %s", [self.key(approval_id)])
        with pytest.raises(psycopg.Error, match="part of the record"):
            owner_sql("TRUNCATE compliance_approval")

    def test_decision_without_checker_or_time_is_refused(self, bank, ada, owner_sql):
        approval_id, _ = ask(bank, ada)
        for change in (
            "state = 'approved', decided_at = now()",
            "state = 'approved', checker_id = 'usr_bob'",
            "checker_id = 'usr_bob'",
            "state = 'expired'",
        ):
            with pytest.raises(psycopg.errors.CheckViolation):
                owner_sql(f"UPDATE compliance_approval SET {change} WHERE id = %s", [self.key(approval_id)])

    def test_changed_payload_is_found_out_although_no_trigger_stopped_it(self, bank, ada, bob, admin_sql):
        approval_id, customer = ask(bank, ada)
        payload = json.dumps({**state_of(bank, approval_id).payload, "limit_minor": 9_999_999})
        admin_sql(
            "SET session_replication_role = replica; UPDATE compliance_approval"
            f" SET payload = '{payload}' WHERE id = '{self.key(approval_id)}'"
        )
        with pytest.raises(compliance.PayloadChanged):
            approve(bank, approval_id, bob)
        assert done_for(customer) == []


@dataclass(frozen=True)
class RaiseMany(Command):
    """Raises limits inside, in the name of an approval that covers it, or of one that does not."""

    customers: tuple[str, ...]
    through: bool = False  # by way of a command that covers nothing


@dataclass(frozen=True)
class RaiseManySlyly(RaiseMany):
    """The same, without saying so."""


@dataclass(frozen=True)
class RaisePlainly(Command):
    """Takes nobody, and raises a limit inside."""

    customer: str


def _raise_many(command, context):
    for customer in command.customers:
        inner = RaisePlainly(command.organisation_id, customer)
        if not command.through:
            inner = RaiseLimit(command.organisation_id, customer, 100)
        context.run(inner, step=customer)
    return {"raised": len(command.customers)}


handles(
    RaiseMany, name="compliance_tests.raise_many", version=1, permission="limits.write", four_eyes=True,
    covers=("compliance_tests.raise_limit",),
)(_raise_many)  # fmt: skip
handles(
    RaiseManySlyly, name="compliance_tests.raise_slyly", version=1, permission="limits.write", four_eyes=True
)(_raise_many)


@handles(RaisePlainly, name="compliance_tests.raise_plainly", version=1, permission="limits.write")
def raise_plainly(command, context):
    return context.run(RaiseLimit(command.organisation_id, command.customer, 100))


class TestWhatAnApprovalCovers:
    @pytest.fixture
    def customers(self):
        return tuple(f"cus_{uuid.uuid4().hex}" for _ in range(2))

    def asked(self, command, maker):
        outcome = execute(command, actor=maker, key=None, at=AT)
        assert outcome.status == "pending_approval"
        return outcome.answer["approval_id"]

    def test_is_done_inside_with_the_name_of_who_approved(self, bank, ada, bob, customers):
        approval_id = self.asked(RaiseMany(bank, customers), ada)

        approve(bank, approval_id, bob)

        assert [done_for(one) for one in customers] == [[(one, str(ada), str(bob))] for one in customers]

    def test_is_not_what_it_does_not_name(self, bank, ada, bob, customers):
        approval_id = self.asked(RaiseManySlyly(bank, customers), ada)

        with pytest.raises(ApprovalNeeded):
            approve(bank, approval_id, bob)

        assert [done_for(one) for one in customers] == [[], []]
        assert state_of(bank, approval_id).state == "waiting"

    def test_does_not_reach_through_a_command_that_covers_nothing(self, bank, ada, bob, customers):
        approval_id = self.asked(RaiseMany(bank, customers, through=True), ada)

        with pytest.raises(ApprovalNeeded):
            approve(bank, approval_id, bob)

        assert [done_for(one) for one in customers] == [[], []]

    def test_is_nothing_for_whoever_asks_without_an_approval(self, bank, ada, customers):
        with pytest.raises(ApprovalNeeded):
            execute(RaisePlainly(bank, customers[0]), actor=ada, key=None, at=AT)

        assert done_for(customers[0]) == []
