"""Make the sandbox: a company, its customers and thirty days of history, through the commands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core import clock, relay
from apps.core.models import Setting
from apps.simulator.card_office import save_office
from apps.simulator.management.commands.run_bank_simulator import (
    CARDS_STATE_FILE,
    STATE_FILE,
    US_STATE_FILE,
    save_bank,
)
from apps.simulator.processor import Processor
from apps.simulator.sandbox import story
from apps.simulator.sandbox.logins import write_logins
from apps.simulator.sandbox.third_party import import_third_party_statements
from apps.simulator.sandbox.world import Hand, build_world, make_logins, open_cards
from config import env

COMMANDS_MAX = 3_000
MARK = "sandbox"


class Command(BaseCommand):
    """Load the sandbox once."""

    help = (
        "Fill an empty platform with a believable company and 30 days of its life. Everything is made "
        "through commands. Runs once; says so and does nothing when it has run before."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--base-url",
            default=f"http://localhost:{env.number('PORT', 8000)}",
            help="where the tour of the README finds the API",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Build the world, live through the days, leave logins."""
        if settings.ENVIRONMENT != "sandbox":
            raise CommandError(
                f"BEZANT_ENVIRONMENT is {settings.ENVIRONMENT!r}: the sandbox is for sandboxes."
            )
        if Setting.objects.filter(name=MARK).exists():
            self.stdout.write("The sandbox is loaded already.")
            return
        now = clock.database_now()
        hand = Hand(commands_max=COMMANDS_MAX)
        self._say("Opening organisations, accounts and logins.")
        world = build_world(hand, now - story.timedelta(days=story.DAYS + 1))
        for day in story.live_through(hand, world, today=now.date()):
            self._progress(f"{day:%d %b %Y}: {hand.count} commands so far")
        self._end_progress()
        samples = import_third_party_statements(at=now)
        self._say(f"Imported {samples} sample statements of real banks.")
        relay.drain()
        save_bank(world.bank, Path(settings.VAR_DIR) / "bank" / STATE_FILE)
        save_bank(world.us_bank, Path(settings.VAR_DIR) / "bank" / US_STATE_FILE)
        endpoints = open_cards(hand, world, now)
        save_office(Path(settings.VAR_DIR) / "bank" / CARDS_STATE_FILE, Processor(), endpoints)
        people, variables = make_logins(hand, world, now, base_url=options["base_url"])
        write_logins(Path(settings.VAR_DIR), people, variables)
        Setting.objects.create(name=MARK, value={"commands": hand.count, "loaded_at": now.isoformat()})
        self._say(f"The sandbox is ready: {hand.count} commands, logins in var/sandbox_logins.json.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)

    def _progress(self, text: str) -> None:
        """Show progress in place on a terminal, as plain lines once a week in a log."""
        if sys.stdout.isatty():
            self.stdout.write(f"\r  {text}   ", ending="")
            self.stdout.flush()

    def _end_progress(self) -> None:
        if sys.stdout.isatty():
            self.stdout.write("")
