"""Register an API client and print its credentials, once."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.authz.commands import RegisterApiClient
from apps.authz.oauth.secrets import digest_of, new_client_secret
from apps.core import clock, ids
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal


class Command(BaseCommand):
    """Make a client of an organisation. Its secret is shown here and kept nowhere."""

    help = "Register an API client of an organisation and print its id and secret, once."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--organisation", required=True, help="the organisation's id (org_…)")
        parser.add_argument("--name", required=True, help="what the program is called")
        parser.add_argument("--scopes", required=True, help="scopes, separated by spaces or commas")
        parser.add_argument(
            "--grant-types",
            default="client-credentials",
            help="client-credentials, authorization-code, refresh-token",
        )
        parser.add_argument("--redirect-uris", default="", help="addresses for authorization codes")
        parser.add_argument("--public", action="store_true", help="an app that can keep no secret")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Register and print."""
        secret = "" if options["public"] else new_client_secret()
        try:
            command = RegisterApiClient(
                ids.parse_public_id("org", options["organisation"]),
                name=options["name"],
                scopes=_words(options["scopes"]),
                grant_types=_words(options["grant_types"]),
                redirect_uris=_words(options["redirect_uris"]),
                public=options["public"],
                secret_digest=digest_of(secret) if secret else "",
            )
            outcome = execute(command, actor=system_actor("manage.py"), key=None, at=clock.database_now())
        except Refusal as refusal:
            raise CommandError(f"{refusal.title} ({refusal})") from None
        made = {"client_id": outcome.answer["client_id"], **({"client_secret": secret} if secret else {})}
        self.stdout.write(
            json.dumps(made)
            if options["json"]
            else "\n".join(f"{name}: {value}" for name, value in made.items())
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())
