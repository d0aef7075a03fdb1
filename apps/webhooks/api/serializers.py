"""The shapes of the webhooks API, for reading bodies and for the OpenAPI description."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.webhooks.commands.endpoints import (
    IN_FLIGHT_MAX,
    KINDS,
    OVERLAP_DEFAULT_S,
    OVERLAP_MAX_S,
    RATE_MAX_PER_S,
)
from apps.webhooks.domain.filters import FILTERS_MAX


class EndpointChangeSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(
        max_length=2000, required=False, help_text="https, port 443 or 8443, a public address."
    )
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    event_filters = serializers.ListField(
        child=serializers.CharField(max_length=100),
        min_length=1,
        max_length=FILTERS_MAX,
        required=False,
        help_text='Names of events, prefixes such as "payments.*", or "*".',
    )
    max_in_flight = serializers.IntegerField(min_value=1, max_value=IN_FLIGHT_MAX, required=False)
    rate_per_s = serializers.IntegerField(
        min_value=1, max_value=RATE_MAX_PER_S, required=False, allow_null=True
    )
    client_certificate = serializers.CharField(
        max_length=20_000,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="PEM: a certificate and its key, presented to the endpoint (mutual TLS).",
    )
    server_ca = serializers.CharField(
        max_length=20_000,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="PEM: a certificate authority of the endpoint's own.",
    )


class EndpointOrderSerializer(EndpointChangeSerializer):
    url = serializers.CharField(max_length=2000, help_text="https, port 443 or 8443, a public address.")
    signature = serializers.ChoiceField(choices=KINDS, required=False)
    ordered = serializers.BooleanField(
        required=False,
        help_text="Events of one object strictly one after the other. Cannot be changed later.",
    )


class SecretSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=KINDS)
    secret = serializers.CharField(help_text="`whsec_…` (HMAC), or the public key `whpk_…` (Ed25519).")
    valid_from = serializers.DateTimeField()
    valid_until = serializers.DateTimeField(allow_null=True)


class EndpointSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    url = serializers.CharField()
    description = serializers.CharField()
    event_filters = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=["active", "disabled", "failed", "gone"])
    ordered = serializers.BooleanField()
    max_in_flight = serializers.IntegerField()
    rate_per_s = serializers.IntegerField(allow_null=True)
    mutual_tls = serializers.BooleanField()
    breaker = serializers.ChoiceField(choices=["closed", "open"])
    failing_since = serializers.DateTimeField(allow_null=True)
    latest_success_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    disabled_at = serializers.DateTimeField(allow_null=True)


class NewEndpointSerializer(EndpointSerializer):
    secrets = SecretSerializer(many=True)


class EndpointPageSerializer(serializers.Serializer[Any]):
    items = EndpointSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class SecretsSerializer(serializers.Serializer[Any]):
    items = SecretSerializer(many=True)


class RotationSerializer(serializers.Serializer[Any]):
    overlap_s = serializers.IntegerField(min_value=0, max_value=OVERLAP_MAX_S, default=OVERLAP_DEFAULT_S)
    signature = serializers.ChoiceField(choices=KINDS, required=False)


class EnablingSerializer(serializers.Serializer[Any]):
    replay_since = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="Also send every event since then that the endpoint did not get.",
    )


class EnabledSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    state = serializers.CharField()
    queued = serializers.IntegerField(required=False)


class DeliveryAttemptSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    took_ms = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()
    address = serializers.CharField()
    response_body = serializers.CharField(help_text="At most the first 16 KiB.")


class DeliverySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    endpoint_id = serializers.CharField()
    event_id = serializers.CharField()
    event_type = serializers.CharField()
    object_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["pending", "delivered", "dead", "discarded"])
    attempts = serializers.IntegerField()
    latest_status_code = serializers.IntegerField(allow_null=True)
    latest_error = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class OneDeliverySerializer(DeliverySerializer):
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    tries = DeliveryAttemptSerializer(many=True)


class DeliveryPageSerializer(serializers.Serializer[Any]):
    items = DeliverySerializer(many=True)
    next = serializers.CharField(allow_null=True)


class EventObjectSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    id = serializers.CharField()


class EventSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    type = serializers.CharField()
    version = serializers.IntegerField()
    timestamp = serializers.DateTimeField()
    object = EventObjectSerializer()
    data = serializers.DictField()  # type: ignore[assignment]  # the name is the webhook's


class EventPageSerializer(serializers.Serializer[Any]):
    items = EventSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class EventTypeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()
    description = serializers.CharField()
    object_type = serializers.CharField()
    schema = serializers.DictField(help_text="JSON Schema 2020-12 of the event's data.")
    example = serializers.DictField()


class EventTypesSerializer(serializers.Serializer[Any]):
    items = EventTypeSerializer(many=True)
