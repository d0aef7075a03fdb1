"""Changing the stored calendars of payment systems."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid
from apps.payments.calendar import forget_calendars
from apps.payments.models import BankHoliday

CALENDARS = ("FED", "TARGET")
CHANGES_MAX = 2_000


class CalendarMoved(Conflict):
    code = "calendar_moved"
    title = "The calendar has been changed meanwhile; compare again."


@dataclass(frozen=True)
class Holiday:
    """A day on which a payment system is closed, and why."""

    day: date
    name: str


@dataclass(frozen=True)
class ChangeBankCalendar(Command):
    """Add and remove holidays of a calendar, as a source says. For the platform as a whole."""

    calendar: str
    source: str
    source_version: str
    added: tuple[Holiday, ...] = ()
    removed: tuple[date, ...] = ()


@handles(ChangeBankCalendar, name="payments.change_bank_calendar", version=1, permission="platform.configure")
def change_bank_calendar(command: ChangeBankCalendar, context: Context) -> dict[str, Any]:
    """Store the change, day by day in the audit log. Raises Invalid, CalendarMoved."""
    if command.calendar not in CALENDARS:
        raise Invalid(field="calendar", known=list(CALENDARS))
    if len(command.added) + len(command.removed) > CHANGES_MAX:
        raise Invalid(field="added", count_max=CHANGES_MAX)
    stored = BankHoliday.objects.filter(calendar=command.calendar)
    gone, _ = stored.filter(day__in=command.removed).delete()
    if gone != len(command.removed) or stored.filter(day__in=[one.day for one in command.added]).exists():
        raise CalendarMoved(calendar=command.calendar)
    BankHoliday.objects.bulk_create(
        BankHoliday(
            id=context.new_id(),
            calendar=command.calendar,
            day=one.day,
            name=one.name[:80],
            source=command.source[:30],
            source_version=command.source_version[:20],
        )
        for one in command.added
    )
    forget_calendars()
    context.note(
        "bank_calendar",
        command.calendar,
        source=f"{command.source} {command.source_version}",
        added=[f"{one.day} {one.name}" for one in command.added],
        removed=[day.isoformat() for day in command.removed],
    )
    return {"calendar": command.calendar, "added": len(command.added), "removed": len(command.removed)}
