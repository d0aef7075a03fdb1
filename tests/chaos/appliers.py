"""What the workers of the chaos tests load: an applier whose effects can be counted, and shorter pauses.

An effect is an audit entry of the kind `chaos_effect`, which commits with the mark `applied`.
"""

import os
import time

from django.db import connection

from apps.webhooks.commands import inbox as commands
from apps.webhooks.domain import schedule
from apps.webhooks.domain.effects import Applied, WaitingFor
from apps.webhooks.models import InboxEvent

# Tests cannot wait for hours; the number of tries stays what it is.
schedule.INBOX_PAUSES_S = (0.1,) * len(schedule.INBOX_PAUSES_S)
schedule.WAITING_PAUSES_S = (0.2, 0.2, 0.2)
schedule.DELIVERY_PAUSES_S = (0.2,) * len(schedule.DELIVERY_PAUSES_S)


def apply(row, context):
    told = row.payload.get("data", {})
    if told.get("slow_s"):
        time.sleep(told["slow_s"] if isinstance(told["slow_s"], int) else float(told["slow_s"]))
    if told.get("do") == "raise":
        raise ValueError("poison")
    if told.get("do") == "exit":
        os._exit(1)
    if told.get("after"):
        known = InboxEvent.objects.filter(source_id=row.source_id, event_id=told["after"], status="applied")
        if not known.exists():
            return WaitingFor(told["after"])
    for lock in told.get("locks", []):
        # Rows of the platform's own that two events ask for in opposite order.
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE core_setting SET value = to_jsonb((value #>> '{}')::int + 1) WHERE name = %s", [lock]
            )
        time.sleep(0.002)
    context.note("chaos_effect", row.event_id)
    return Applied()


commands.APPLIERS["standardwebhooks"] = apply

if os.environ.get("CHAOS_VARIANT") == "no_token":
    # The test of the test: a worker that does not ask whether its lease is still its own.
    def careless(inbox_event_id, lease_token):
        return InboxEvent.objects.select_for_update().get(pk=inbox_event_id)

    commands.leased = careless
