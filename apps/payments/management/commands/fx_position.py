"""Tell what the operator is long or short of."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import tenancy
from apps.payments.fx_positions import Position, positions


class Command(BaseCommand):
    """Report the position accounts, currency by currency."""

    help = (
        "Show what exchanges have left the operator long (above zero) or short of in each currency, with the "
        "spreads and fees earned. With --verify it exits with 1 where payments do not explain a position "
        "(a hedge booked by hand does not count as explained)."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--verify", action="store_true", help="exit with 1 if payments do not explain one"
        )
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Report."""
        with tenancy.scope(tenancy.PLATFORM):
            found = positions()
        if options["json"]:
            self.stdout.write(json.dumps({"currencies": [_data(one) for one in found]}))
        else:
            for one in found:
                self.stdout.write(
                    f"{one.currency}: {one.position.decimal_text()} "
                    f"(of payments {one.of_payments.decimal_text()}, other {one.other.decimal_text()}), "
                    f"spreads {one.spreads.decimal_text()}, fees {one.fees.decimal_text()}"
                )
        unexplained = [one.currency for one in found if one.other.minor]
        if options["verify"] and unexplained:
            raise CommandError(f"not explained by payments: {', '.join(unexplained)}", returncode=1)


def _data(one: Position) -> dict[str, object]:
    return {
        "currency": one.currency,
        "position_minor": one.position.minor,
        "position": one.position.decimal_text(),
        "of_payments_minor": one.of_payments.minor,
        "other_minor": one.other.minor,
        "spreads_minor": one.spreads.minor,
        "fees_minor": one.fees.minor,
    }
