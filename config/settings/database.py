"""PostgreSQL: one connection, one runtime role; migrations alone run as the owner."""

from __future__ import annotations

import sys

from config import env

OWNER_COMMANDS = frozenset({"migrate", "sqlmigrate", "showmigrations", "shell_owner"})
"""The manage.py commands that need the tables' owner; everything else runs as bezant_app."""

DATABASE_URL = env.text("DATABASE_URL", "postgresql://bezant_app@/bezant")
DATABASE_OWNER_URL = env.text("DATABASE_OWNER_URL", DATABASE_URL)

_as_owner = len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS
DATABASES = {"default": env.database(DATABASE_OWNER_URL if _as_owner else DATABASE_URL)}

# A statement that waits or runs too long gives up before the client does. Migrations may take long.
_LIMITS = (
    ""
    if _as_owner
    else "-c lock_timeout=3000 -c statement_timeout=15000 -c idle_in_transaction_session_timeout=30000"
)
DATABASES["default"] |= {
    "CONN_MAX_AGE": 600,
    "CONN_HEALTH_CHECKS": True,
    "ATOMIC_REQUESTS": False,
}
DATABASES["default"]["OPTIONS"] |= {
    # One plan per statement, made once: the ledger's call is the same statement every time.
    "server_side_binding": True,
    "prepare_threshold": 2,
    "options": f"{DATABASES['default']['OPTIONS'].get('options', '')} {_LIMITS}".strip(),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
