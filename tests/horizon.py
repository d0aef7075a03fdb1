"""Waiting for the other workers' transactions, which hold back what a sealer or a follower may read."""

import time

from django.db import connection

WAITED_S_MAX = 10.0


def pass_horizon(*, waited_s_max: float = WAITED_S_MAX) -> None:
    """Wait until every transaction that was running a moment ago, in any database of the cluster, has ended.

    Gives up quietly after a while: a test may hold a transaction open on purpose.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        (target,) = cursor.fetchone()
        deadline = time.monotonic() + waited_s_max
        while time.monotonic() < deadline:
            # A snapshot's xmin is the oldest transaction still running, or the next number to be given.
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            if cursor.fetchone()[0] >= target:
                return
            time.sleep(0.02)
        cursor.execute(
            "SELECT datname, usename, state, xact_start, left(query, 80) FROM pg_stat_activity"
            " WHERE backend_xid IS NOT NULL"
        )
        print("still running:", cursor.fetchall())
