"""A merchant with endpoints, events of its own, and a pump to send them: for the tests of what goes out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.core import clock, ids, tenancy
from apps.core.commands import execute
from apps.core.events import StoredEvent
from apps.webhooks import handlers
from apps.webhooks.commands.endpoints import (
    CreateEndpoint,
)
from apps.webhooks.models import Attempt, Delivery, Endpoint, EndpointHealth, EndpointSecret, QueuedDelivery
from apps.webhooks.sending.http import Sender
from apps.webhooks.sending.pump import Pump
from tests.integration.webhooks.conftest import ACTOR, sql


@dataclass
class Merchant:
    organisation_id: UUID

    def run(self, command):
        return execute(command, actor=ACTOR, key=None, at=clock.database_now()).answer

    def endpoint(self, url, **options) -> UUID:
        key = self.run(CreateEndpoint(self.organisation_id, url, **options))["id"]
        return ids.parse_public_id("we", key)

    def event(self, name="payments.payment_settled", object_id="pay_1", **payload) -> UUID:
        at = clock.database_now()
        event_id = ids.uuid7(at)
        with tenancy.scope(self.organisation_id), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id, payload,"
                " correlation_id, occurred_at) VALUES (%s, %s, %s, 1, 'payment', %s, %s, 'corr-12345678', %s)",
                [
                    event_id,
                    self.organisation_id,
                    name,
                    object_id,
                    json.dumps(payload or {"id": object_id}),
                    at,
                ],
            )
        return event_id

    def fan_out(self, *event_ids):
        for event_id in event_ids:
            row = sql(
                "SELECT id, organisation_id, name, version, object_type, object_id, payload::text, correlation_id,"
                " occurred_at, recorded_at FROM core_outboxevent WHERE id = %s",
                event_id,
            )[0]
            handlers.fan_out(StoredEvent(*row))

    def publish(self, *args, **kwargs) -> UUID:
        event_id = self.event(*args, **kwargs)
        self.fan_out(event_id)
        return event_id

    def deliveries(self):
        with tenancy.scope(self.organisation_id):
            return list(Delivery.objects.filter(organisation_id=self.organisation_id).order_by("id"))

    def delivery(self):
        (only,) = self.deliveries()
        return only

    def attempts(self):
        with tenancy.scope(self.organisation_id):
            return list(
                Attempt.objects.filter(organisation_id=self.organisation_id).order_by("started_at", "id")
            )

    def queue(self):
        with tenancy.scope(self.organisation_id):
            return list(
                QueuedDelivery.objects.filter(organisation_id=self.organisation_id).order_by("queue_no")
            )

    def secrets(self, endpoint_id):
        with tenancy.scope(self.organisation_id):
            rows = EndpointSecret.objects.filter(endpoint_id=endpoint_id).order_by("-valid_from", "-pk")
            return [row.value.reveal() for row in rows]

    def health(self, endpoint_id):
        with tenancy.scope(self.organisation_id):
            return EndpointHealth.objects.get(pk=endpoint_id)

    def state(self, endpoint_id):
        with tenancy.scope(self.organisation_id):
            return str(Endpoint.objects.get(pk=endpoint_id).state)


def pump(**options):
    sender = options.pop("sender", None) or Sender(allow_local=True, total_s=options.pop("total_s", 15))
    return Pump(
        sender=sender, work_s=options.pop("work_s", 20), linger_s=options.pop("linger_s", 0), **options
    ).run()


def make_due():
    sql(
        "UPDATE webhooks_queue SET next_at = now() - interval '1 second', lease_token = NULL WHERE next_at < 'infinity'"
    )
