"""List, replay and discard the events that a consumer could not take."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.dead_events import DISCARDED, SettleDeadEvent, open_dead_events, replay
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.models import DeadEvent


class Command(BaseCommand):
    """Dead events of the outbox, for people on call."""

    help = (
        "Events that a consumer of the platform gave up on after every attempt. `replay` hands them over "
        "again and exits with 1 if one fails again; `discard` takes them off the list with a reason."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the three actions."""
        actions = parser.add_subparsers(dest="action", required=True)
        for name, words in (
            ("list", "show those that nobody has settled, oldest first"),
            ("replay", "hand them to their consumer again"),
            ("discard", "leave them alone"),
        ):
            action = actions.add_parser(name, help=words)
            action.add_argument("ids", nargs="*", help="dev_…; none: all that are open")
            action.add_argument("--consumer", default="", help="only those of this consumer")
            action.add_argument("--json", action="store_true", help="print one JSON object")
            if name != "list":
                action.add_argument("--reason", required=True)
                action.add_argument("--dry-run", action="store_true", help="only say which it would be")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked."""
        try:
            chosen = self._chosen(options)
            done = [self._one(dead, options) for dead in chosen]
        except Refusal as refusal:
            raise CommandError(f"{refusal.title} ({refusal})") from None
        failed = [row for row in done if row.get("error_now")]
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not failed, "dead_events": done}))
        else:
            for row in done:
                self.stdout.write("  ".join(str(value) for value in row.values() if value))
            self.stdout.write(f"{len(done)} dead events, {len(failed)} failed again.")
        if failed:
            sys.exit(1)

    def _chosen(self, options: dict[str, Any]) -> list[DeadEvent]:
        rows = open_dead_events(consumer=options["consumer"])
        if not options["ids"]:
            return rows
        wanted = {parse_public_id("dev", text) for text in options["ids"]}
        if unknown := wanted - {row.pk for row in rows}:
            raise CommandError(f"Not an open dead event: {public_id('dev', min(unknown))}")
        return [row for row in rows if row.pk in wanted]

    def _one(self, dead: DeadEvent, options: dict[str, Any]) -> dict[str, Any]:
        told = {
            "id": public_id("dev", dead.pk),
            "consumer": dead.consumer,
            "event": dead.name,
            "event_id": public_id("evt", dead.event_id),
            "died_of": dead.error,
        }
        if options["action"] == "list" or options["dry_run"]:
            return told
        actor, at = system_actor("dead_events"), clock.database_now()
        if options["action"] == "discard":
            command = SettleDeadEvent(None, dead.pk, DISCARDED, options["reason"])
            execute(command, actor=actor, key=None, at=at)
            return told | {"settled_as": DISCARDED}
        return told | {"error_now": replay(dead, actor=actor, reason=options["reason"], at=at)}
