"""The roles of staff: which permissions each holds. Whoever makes does not check.

Permissions have the names of the API's scopes; some more exist for the console alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.errors import Invalid

_READ = frozenset(
    {
        "customers.read",
        "accounts.read",
        "payments.read",
        "events.read",
        "webhooks.read",
        "ledger.read",
        "reconciliation.read",
        "approvals.read",
        "organisations.read",
    }
)

MAKES = frozenset(
    {
        "payments.write",
        "accounts.write",
        "customers.write",
        "ledger.write",
        "reconciliation.write",
        "webhooks.write",
        "clients.write",
        "staff.write",
        "organisations.write",
        "platform.configure",
        "retention.write",
    }
)
"""Permissions by which something is ordered or changed."""

CHECKS = frozenset({"payments.approve", "payments.resolve", "approvals.decide"})
"""Permissions by which a second person lets something happen that somebody else ordered."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role of staff, with the sentence that the console shows beside it."""

    name: str
    title: str
    description: str
    permissions: frozenset[str]


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("viewer", "Viewer", "Sees business objects, changes nothing.", _READ),
        Role(
            "operator",
            "Operator",
            "Serves customers and orders payments.",
            _READ | {"customers.write", "accounts.write", "payments.write", "personal_data.reveal"},
        ),
        Role(
            "approver",
            "Approver",
            "Approves or rejects what others ordered, and orders nothing.",
            _READ | CHECKS | {"audit.read"},
        ),
        Role(
            "ledger_accountant",
            "Ledger accountant",
            "Keeps the books, imports statements, settles breaks.",
            _READ | {"ledger.write", "reconciliation.write", "platform.configure"},
        ),
        Role(
            "integrations",
            "Integrations",
            "Connects programs: API clients, webhook endpoints, dead letters.",
            _READ | {"webhooks.write", "clients.read", "clients.write", "events.replay"},
        ),
        Role(
            "compliance_officer",
            "Compliance officer",
            "Reads the record of everything and erases on request.",
            _READ
            | {
                "audit.read",
                "audit.export",
                "evidence.read",
                "staff.read",
                "clients.read",
                "retention.write",
                "personal_data.reveal",
            },
        ),
        Role(
            "administrator",
            "Administrator",
            "Looks after people and organisations, and never touches money.",
            frozenset(
                {"staff.read", "staff.write", "organisations.read", "organisations.write", "audit.read"}
            ),
        ),
    )
}

VIEWER, OPERATOR, APPROVER = "viewer", "operator", "approver"
LEDGER_ACCOUNTANT, INTEGRATIONS = "ledger_accountant", "integrations"
COMPLIANCE_OFFICER, ADMINISTRATOR = "compliance_officer", "administrator"


def permissions_of(role: str) -> frozenset[str]:
    """Return the permissions of a role; none for a role that does not exist (any more)."""
    found = ROLES.get(role)
    return found.permissions if found else frozenset()


def checked_role(role: str) -> str:
    """Return the name of a role that exists. Raises Invalid."""
    if role not in ROLES:
        raise Invalid(field="role", known=sorted(ROLES))
    return role
