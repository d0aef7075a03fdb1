"""Roles either make or check, and every command has somebody who may give it."""

import pytest

from apps.accounts.roles import ADMINISTRATOR, CHECKS, MAKES, ROLES, permissions_of
from apps.core.commands import COMMANDS
from config.settings import INSTALLED_APPS  # noqa: F401  # the commands are registered by the apps

SYSTEM_ONLY = {"approvals.expire", "payments.batch", "payments.settle", "webhooks.apply", "console.log_in"}
"""What only the platform's own processes do, logging people in among it."""


class TestRoles:
    def test_there_are_seven(self):
        assert sorted(ROLES) == [
            "administrator",
            "approver",
            "compliance_officer",
            "integrations",
            "ledger_accountant",
            "operator",
            "viewer",
        ]

    @pytest.mark.parametrize("role", sorted(ROLES))
    def test_no_role_both_makes_and_checks(self, role):
        held = permissions_of(role)

        assert not (held & MAKES and held & CHECKS)

    def test_an_administrator_looks_after_people_and_never_touches_money(self):
        held = permissions_of(ADMINISTRATOR)

        assert {"staff.write", "organisations.write"} <= held
        assert not {
            name for name in held if name.startswith(("payments.", "ledger.", "accounts.", "approvals."))
        }

    def test_a_viewer_changes_nothing(self):
        assert all(name.endswith(".read") for name in permissions_of("viewer"))

    def test_an_unknown_role_holds_nothing(self):
        assert permissions_of("superuser") == frozenset()

    def test_every_command_is_somebodys(self):
        wanted = {
            spec.permission
            for spec in COMMANDS.values()
            if not spec.name.startswith(("test", "compliance_tests"))
        }
        held = frozenset().union(*(role.permissions for role in ROLES.values()))

        assert wanted - held - SYSTEM_ONLY == set()

    def test_whoever_writes_is_a_maker(self):
        written = {name for role in ROLES.values() for name in role.permissions if name.endswith(".write")}

        assert written <= MAKES
