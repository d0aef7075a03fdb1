"""The sealer's own way into the database, apart from the application's role."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection

from config import env


def connect_sealer() -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection as `bezant_sealer`: DATABASE_SEALER_URL, or the application's own server."""
    if url := env.text("DATABASE_SEALER_URL"):
        return psycopg.connect(url)
    address = connection.settings_dict
    return psycopg.connect(
        host=address["HOST"] or None,
        port=address["PORT"] or None,
        dbname=address["NAME"],
        user="bezant_sealer",
    )
