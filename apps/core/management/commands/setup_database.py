"""Make the database roles and the database, or print the SQL for a database administrator."""

from __future__ import annotations

import argparse
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from psycopg import sql

from config import env

ROLES = {
    "bezant_owner": "owns every table; migrations only",
    "bezant_app": "web, workers and relay: no rewriting of books or records",
    "bezant_sealer": "seals the ledger's log",
    "bezant_reader": "reports and replicas: reads only",
    "bezant_vault": "the card vault's own schema, which nobody else can use",
}


def role_statements() -> list[str]:
    """Return the statements that make each role that is missing; passwords are set apart."""
    return [
        f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        f"  -- {purpose}"
        for role, purpose in ROLES.items()
    ]


def database_statements(name: str) -> list[sql.Composed]:
    """Return what to run inside the database: who may do what with tables made later."""
    grants = """
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        GRANT USAGE, CREATE ON SCHEMA public TO bezant_owner;
        GRANT CREATE ON DATABASE {name} TO bezant_owner;
        REVOKE ALL ON DATABASE {name} FROM PUBLIC;
        GRANT CONNECT ON DATABASE {name} TO bezant_app, bezant_sealer, bezant_reader, bezant_vault;
        GRANT USAGE ON SCHEMA public TO bezant_app, bezant_sealer, bezant_reader;
        ALTER DEFAULT PRIVILEGES FOR ROLE bezant_owner IN SCHEMA public
            GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO bezant_app;
        ALTER DEFAULT PRIVILEGES FOR ROLE bezant_owner IN SCHEMA public
            GRANT SELECT ON TABLES TO bezant_reader;
        ALTER DEFAULT PRIVILEGES FOR ROLE bezant_owner IN SCHEMA public
            GRANT USAGE ON SEQUENCES TO bezant_app
    """
    return [
        sql.SQL(statement.strip()).format(name=sql.Identifier(name))  # type: ignore[arg-type]
        for statement in grants.split(";")
    ]


class Command(BaseCommand):
    """Prepare a PostgreSQL server for the platform. Safe to run again: it changes only what is missing."""

    help = (
        "Make the five database roles and the database, connecting as an administrator "
        "(DATABASE_ADMIN_URL), or print the SQL with --print."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--admin-url",
            default=env.text("DATABASE_ADMIN_URL"),
            help="an administrator's URL (default: DATABASE_ADMIN_URL)",
        )
        parser.add_argument(
            "--print", action="store_true", dest="only_print", help="print the SQL instead of running it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make or print."""
        name = str(settings.DATABASES["default"]["NAME"])
        if options["only_print"]:
            self._print(name)
            return
        url = options["admin_url"]
        if not url:
            raise CommandError(
                "Set DATABASE_ADMIN_URL to a role that may create roles and databases, or run "
                "`manage.py setup_database --print` and give the SQL to your database administrator."
            )
        try:
            self._make(url, name)
        except psycopg.errors.InsufficientPrivilege:
            raise CommandError(
                "The role of DATABASE_ADMIN_URL may not create roles or databases; run "
                "`manage.py setup_database --print` and give the SQL to your database administrator."
            ) from None
        except psycopg.OperationalError as error:
            raise CommandError(f"PostgreSQL does not answer at DATABASE_ADMIN_URL: {error}") from None

    def _print(self, name: str) -> None:
        lines = [
            *(f"{statement.replace('  --', ';  --')}" for statement in role_statements()),
            f'CREATE DATABASE "{name}" OWNER bezant_owner;',
            f'\\connect "{name}"',
            *(f"{statement.as_string(None)};" for statement in database_statements(name)),
        ]
        self.stdout.write("\n".join(lines))

    def _make(self, url: str, name: str) -> None:
        # PostgreSQL 15 and later: whoever makes roles must be a member to hand objects to them.
        with psycopg.connect(url, autocommit=True) as admin:
            for statement in role_statements():
                admin.execute(statement)  # type: ignore[call-overload]
            if not admin.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]:  # type: ignore[index]
                admin.execute("GRANT bezant_owner TO CURRENT_USER")
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                admin.execute(sql.SQL("CREATE DATABASE {} OWNER bezant_owner").format(sql.Identifier(name)))
        with psycopg.connect(url, dbname=name, autocommit=True) as admin:
            for grant in database_statements(name):
                admin.execute(grant)
        self.stdout.write(f"The database {name} and its {len(ROLES)} roles are ready.")
