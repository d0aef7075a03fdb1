"""The one door: what commits together, what is told again, what is refused and still remembered."""

import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from django.db import connection, connections

from apps.core import tenancy
from apps.core.actors import Actor, system_actor
from apps.core.commands import COMMANDS, Command, execute, handles
from apps.core.errors import ApprovalNeeded, Conflict, Denied, IdempotencyConflict, InFlight, StoredRefusal
from apps.core.events import EVENTS, Event, event
from apps.core.models import OutboxEvent, Setting, StoredAnswer

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)

if ("test.thing_kept", 1) not in EVENTS:

    @event("test.thing_kept", version=1)
    @dataclass(frozen=True)
    class ThingKept(Event):
        OBJECT: ClassVar[tuple[str, str]] = ("thing", "thing_id")
        thing_id: str

    @dataclass(frozen=True)
    class KeepThing(Command):
        name: str
        refuse: bool = False
        crash: bool = False

    @handles(KeepThing, name="test.keep_thing", version=1, permission="test.keep")
    def keep_thing(command, context):
        Setting.objects.create(name=command.name, value=str(context.command_id))
        context.emit(ThingKept(command.name))
        context.note("thing", command.name, size=3)
        if command.refuse:
            raise Conflict(name=command.name)
        if command.crash:
            raise ZeroDivisionError
        return {"name": command.name, "id": str(context.new_id())}


KeepThing = COMMANDS["test.keep_thing", 1].cls
SYSTEM = system_actor("tests")


@pytest.fixture
def name():
    return f"thing-{uuid.uuid4()}"


def events_about(name):
    with tenancy.scope(tenancy.PLATFORM):
        return OutboxEvent.objects.filter(object_id=name).count()


def audited(organisation_id, action="test.keep_thing"):
    with connection.cursor() as cursor, tenancy.scope(tenancy.PLATFORM):
        cursor.execute(
            "SELECT outcome, reason, object_id FROM compliance_auditentry "
            "WHERE organisation_id = %s AND action = %s ORDER BY id",
            [organisation_id, action],
        )
        return cursor.fetchall()


class TestACommandThatIsDone:
    def test_commits_its_rows_its_event_and_its_audit_entry(self, organisation_id, name):
        outcome = execute(KeepThing(organisation_id, name), actor=SYSTEM, key="k", at=NOON)

        assert outcome.status == "done"
        assert Setting.objects.get(pk=name).value == str(outcome.command_id)
        assert events_about(name) == 1
        assert audited(organisation_id) == [("done", "", name)]

    def test_is_told_again_under_its_key(self, organisation_id, name):
        first = execute(KeepThing(organisation_id, name), actor=SYSTEM, key="k", at=NOON)
        second = execute(KeepThing(organisation_id, name), actor=SYSTEM, key="k", at=NOON)

        assert (first.replayed, second.replayed) == (False, True)
        assert second.answer == first.answer
        assert events_about(name) == 1

    def test_is_refused_under_a_key_used_for_another(self, organisation_id, name):
        execute(KeepThing(organisation_id, name), actor=SYSTEM, key="k", at=NOON)

        with pytest.raises(IdempotencyConflict):
            execute(KeepThing(organisation_id, name + "2"), actor=SYSTEM, key="k", at=NOON)

    def test_shares_no_key_with_another_actor_or_organisation(self, make_organisation, name):
        here, there = make_organisation().id, make_organisation().id

        execute(KeepThing(here, name + "1"), actor=SYSTEM, key="k", at=NOON)
        execute(KeepThing(here, name + "2"), actor=system_actor("another"), key="k", at=NOON)
        execute(KeepThing(there, name + "3"), actor=SYSTEM, key="k", at=NOON)

        assert Setting.objects.filter(name__startswith=name).count() == 3

    def test_runs_anew_without_a_key(self, organisation_id, name):
        execute(KeepThing(organisation_id, name + "1"), actor=SYSTEM, key=None, at=NOON)
        execute(KeepThing(organisation_id, name + "2"), actor=SYSTEM, key=None, at=NOON)

        with tenancy.scope(organisation_id):
            assert StoredAnswer.objects.filter(organisation_id=organisation_id).count() == 0


class TestACommandThatIsRefused:
    def test_leaves_nothing_but_the_record_of_it(self, organisation_id, name):
        with pytest.raises(Conflict):
            execute(KeepThing(organisation_id, name, refuse=True), actor=SYSTEM, key="k", at=NOON)

        assert not Setting.objects.filter(pk=name).exists()
        assert events_about(name) == 0
        assert audited(organisation_id) == [("refused", "conflict", "")]

    def test_is_refused_again_with_the_same_words(self, organisation_id, name):
        command = KeepThing(organisation_id, name, refuse=True)
        with pytest.raises(Conflict):
            execute(command, actor=SYSTEM, key="k", at=NOON)

        with pytest.raises(StoredRefusal) as again:
            execute(command, actor=SYSTEM, key="k", at=NOON)

        assert (again.value.code, again.value.status, again.value.facts) == ("conflict", 409, {"name": name})

    def test_leaves_nothing_at_all_when_it_crashes(self, organisation_id, name):
        with pytest.raises(ZeroDivisionError):
            execute(KeepThing(organisation_id, name, crash=True), actor=SYSTEM, key="k", at=NOON)

        assert not Setting.objects.filter(pk=name).exists()
        assert audited(organisation_id) == []
        execute(KeepThing(organisation_id, name), actor=SYSTEM, key="k", at=NOON)


class TestAnActorWhoMayNot:
    def test_is_denied_and_audited(self, organisation_id, name):
        nobody = Actor("api", "client", organisation_id, frozenset({"test.look"}))

        with pytest.raises(Denied):
            execute(KeepThing(organisation_id, name), actor=nobody, key="k", at=NOON)

        assert audited(organisation_id) == [("denied", "test.keep", "")]

    def test_cannot_act_for_another_organisation(self, make_organisation, name):
        mine, theirs = make_organisation().id, make_organisation().id
        client = Actor("api", "client", mine, frozenset({"test.keep"}))

        with pytest.raises(Denied):
            execute(KeepThing(theirs, name), actor=client, key="k", at=NOON)

        assert [row[0] for row in audited(mine)] == ["denied"]
        assert audited(theirs) == []


class TestTheSameKeyAtOnce:
    def test_runs_once(self, organisation_id, name):
        barrier, outcomes = threading.Barrier(8), []

        def call():
            barrier.wait()
            try:
                outcome = execute(KeepThing(organisation_id, name), actor=SYSTEM, key="k", at=NOON)
                outcomes.append("replayed" if outcome.replayed else "done")
            except InFlight:
                outcomes.append("in_flight")
            finally:
                connections.close_all()

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert outcomes.count("done") == 1
        assert len(outcomes) == 8
        assert events_about(name) == 1


@dataclass(frozen=True)
class Grave(Command):
    """What always takes a second person."""

    name: str


@dataclass(frozen=True)
class Light(Command):
    """What takes nobody, and does the grave thing inside."""

    name: str


if ("test.grave", 1) not in COMMANDS:

    @handles(Grave, name="test.grave", version=1, permission="test.keep", four_eyes=True)
    def grave(command, context):
        Setting.objects.create(name=command.name, value=context.approved_by)
        return {}

    @handles(Light, name="test.light", version=1, permission="test.keep")
    def light(command, context):
        Setting.objects.create(name=command.name + "-outer", value="")
        return context.run(COMMANDS["test.grave", 1].cls(command.organisation_id, command.name))


class TestACommandInsideAnother:
    def test_that_takes_a_second_person_is_refused_and_undoes_the_outer_one(self, organisation_id, name):
        outer = COMMANDS["test.light", 1].cls(organisation_id, name)

        with pytest.raises(ApprovalNeeded) as refusal:
            execute(outer, actor=SYSTEM, key=None, at=NOON)

        assert refusal.value.facts == {"command": "test.grave"}
        assert not Setting.objects.filter(name__startswith=name).exists()
        assert audited(organisation_id, "test.light") == [("refused", "approval_needed", "")]

    def test_is_covered_by_nothing_that_takes_no_second_person_itself(self):
        with pytest.raises(RuntimeError, match="no approval that could cover"):
            handles(Light, name="test.feigned", version=1, permission="test.keep", covers=("test.grave",))

    def test_is_covered_only_by_names_of_commands_that_take_a_second_person(self):
        grave_ones = {spec.name for spec in COMMANDS.values() if spec.four_eyes}

        covered = {name for spec in COMMANDS.values() for name in spec.covers}

        assert "reconciliation.write_off" in covered
        assert covered <= grave_ones
