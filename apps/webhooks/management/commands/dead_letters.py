"""List, replay and discard dead letters of both directions."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import clock, ids, tenancy
from apps.core.actors import system_actor
from apps.core.commands import Command as CoreCommand
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.webhooks import letters
from apps.webhooks.commands.dead_letters import DiscardDelivery, ResendDelivery, StartReplay
from apps.webhooks.commands.inbox import DiscardInboxEvent, ReplayInboxEvent

_FILTERS = ("organisation", "place", "event_type", "object_id", "fingerprint", "since", "until")


class Command(BaseCommand):
    help = "Dead letters: events from providers and deliveries to endpoints that failed at every try."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the three actions."""
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="show dead letters, oldest first")
        listing.add_argument("--group", action="store_true", help="count them by what they died of")
        listing.add_argument("--limit", type=int, default=100)
        for name, words in (("replay", "make them due again"), ("discard", "take them off the list")):
            action = actions.add_parser(name, help=words)
            action.add_argument(
                "letters", nargs="*", help="ids: ine_… or del_…; none: all that match the filters"
            )
            action.add_argument("--reason", required=True)
            if name == "replay":
                action.add_argument("--rate", type=int, default=50, help="letters a second, for a whole set")
                action.add_argument(
                    "--preview", action="store_true", help="only count what would be replayed"
                )
        for action in actions.choices.values():
            action.add_argument("--direction", choices=letters.DIRECTIONS)
            action.add_argument("--json", action="store_true", help="write JSON")
            for name in _FILTERS:
                action.add_argument(f"--{name.replace('_', '-')}", dest=name)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked and print what came of it. Raises CommandError for what is refused."""
        try:
            answer = getattr(self, f"_{options['action']}")(options)
        except Refusal as refusal:
            raise CommandError(f"{refusal.title} ({refusal})") from None
        self.stdout.write(json.dumps(answer, default=str) if options["json"] else _lines(answer))

    def _list(self, options: dict[str, Any]) -> dict[str, Any]:
        with tenancy.scope(tenancy.PLATFORM):
            if options["group"]:
                groups = letters.groups(direction=options["direction"], filters=_filters(options))
                return {"groups": groups, "total": sum(group["count"] for group in groups)}
            found = letters.find(
                direction=options["direction"], filters=_filters(options), limit=options["limit"]
            )
        return {"letters": [letter_data(letter) for letter in found]}

    def _replay(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["letters"]:
            return {
                "replayed": [self._one(key, options["reason"], discard=False) for key in options["letters"]]
            }
        if options["preview"]:
            with tenancy.scope(tenancy.PLATFORM):
                return {"would_replay": self._counts(options)}
        jobs = []
        for direction, organisation_id in self._places(options):
            command = StartReplay(
                organisation_id, direction, options["reason"], _filters(options), options["rate"]
            )
            jobs.append(_run(command) | {"direction": direction})
        return {"jobs": jobs}

    def _discard(self, options: dict[str, Any]) -> dict[str, Any]:
        keys = options["letters"]
        if not keys:
            with tenancy.scope(tenancy.PLATFORM):
                found = letters.find(
                    direction=options["direction"], filters=_filters(options), limit=letters.LIST_MAX
                )
            keys = [letter.key for letter in found]
        return {"discarded": [self._one(key, options["reason"], discard=True) for key in keys]}

    def _one(self, key: str, reason: str, *, discard: bool) -> dict[str, Any]:
        direction, letter_id = letters.parse(key)
        organisation_id = letters.organisation_of(direction, letter_id)
        command: CoreCommand
        if direction == "in":
            command = (DiscardInboxEvent if discard else ReplayInboxEvent)(organisation_id, letter_id, reason)
        else:
            command = (DiscardDelivery if discard else ResendDelivery)(organisation_id, letter_id, reason)
        return _run(command)

    def _counts(self, options: dict[str, Any]) -> dict[str, int]:
        directions = [options["direction"]] if options["direction"] else letters.DIRECTIONS
        return {one: letters.measure(one, _filters(options))[0] for one in directions}

    def _places(self, options: dict[str, Any]) -> list[tuple[str, Any]]:
        directions = [options["direction"]] if options["direction"] else list(letters.DIRECTIONS)
        with tenancy.scope(tenancy.PLATFORM):
            return [
                (direction, organisation_id)
                for direction in directions
                for organisation_id in letters.organisations(direction, _filters(options))
            ]


def letter_data(letter: letters.Letter) -> dict[str, Any]:
    """Write a letter for a person or a program; its content is left out."""
    place = "src" if letter.direction == "in" else "we"
    return {
        "id": letter.key,
        "direction": letter.direction,
        "organisation": ids.public_id("org", letter.organisation_id),
        "place": ids.public_id(place, letter.place_id),
        "event": letter.event,
        "event_type": letter.event_type,
        "object_id": letter.object_id,
        "attempts": letter.attempts,
        "error": letter.error,
        "fingerprint": letter.fingerprint,
        "created_at": letter.created_at.isoformat(),
        "died_at": letter.finished_at.isoformat() if letter.finished_at else None,
    }


def _filters(options: dict[str, Any]) -> dict[str, str]:
    return {name: options[name] for name in _FILTERS if options.get(name)}


def _run(command: CoreCommand) -> dict[str, Any]:
    outcome = execute(command, actor=system_actor("manage.dead_letters"), key=None, at=clock.database_now())
    return outcome.answer


def _lines(answer: dict[str, Any]) -> str:
    lines = []
    for name, value in answer.items():
        if isinstance(value, list):
            lines += [" ".join(f"{key}={item}" for key, item in row.items()) for row in value] or [
                f"no {name}"
            ]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines)
