"""Events for every object with a life of its own, not for payments alone."""

from django.db import migrations, models

KINDS = ["transfer", "payout", "payin", "refund", "collection", "card"]
STATES = [
    "ordered",
    "approved",
    "batched",
    "sent",
    "accepted",
    "received",
    "settled",
    "returned",
    "rejected",
    "declined",
    "cancelled",
    "unknown",
    "review",
    "final",
    "created",
    "requires_action",
    "authorised",
    "partially_captured",
    "captured",
    "failed",
    "expired",
]
RAILS = [
    ("book", "Book"),
    ("sepa_ct", "Sepa Ct"),
    ("sepa_inst", "Sepa Inst"),
    ("sepa_dd", "Sepa Dd"),
    ("ach", "Ach"),
    ("fednow", "Fednow"),
    ("card", "Card"),
    ("provider", "Provider"),
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [
        migrations.AddField("paymentevent", "object_type", models.CharField(max_length=20, null=True)),
        migrations.AddField("paymentevent", "object_id", models.UUIDField(null=True)),
        # Until now every event was a payment's own. The log is append-only, but for this.
        migrations.RunSQL(
            """
            ALTER TABLE payments_paymentevent DISABLE TRIGGER append_only_rows;
            UPDATE payments_paymentevent SET object_type = 'payment', object_id = payment_id;
            ALTER TABLE payments_paymentevent ENABLE TRIGGER append_only_rows;
            SET CONSTRAINTS ALL IMMEDIATE;
            """,
            migrations.RunSQL.noop,
        ),
        migrations.AlterField("paymentevent", "object_type", models.CharField(max_length=20)),
        migrations.AlterField("paymentevent", "object_id", models.UUIDField()),
        migrations.AlterField("paymentevent", "payment_id", models.UUIDField(null=True)),
        migrations.AlterField("paymentevent", "event", models.CharField(max_length=24)),
        migrations.AlterField("paymentevent", "from_state", models.CharField(max_length=24)),
        migrations.AlterField("paymentevent", "to_state", models.CharField(max_length=24)),
        migrations.RemoveConstraint("paymentevent", "payments_event_number"),
        migrations.AddConstraint(
            "paymentevent",
            models.UniqueConstraint(fields=["object_id", "number"], name="payments_event_number"),
        ),
        migrations.AddIndex(
            "paymentevent", models.Index(fields=["payment_id", "id"], name="payments_event_story")
        ),
        migrations.AlterField(
            "payment", "kind", models.CharField(choices=[(kind, kind) for kind in KINDS], max_length=10)
        ),
        migrations.AlterField("payment", "rail", models.CharField(choices=RAILS, max_length=12)),
        migrations.AlterField("batch", "rail", models.CharField(choices=RAILS, max_length=12)),
        migrations.AlterField(
            "payment", "state", models.CharField(choices=[(state, state) for state in STATES], max_length=24)
        ),
        *(migrations.RemoveConstraint("payment", name) for name in ("payments_state", "payments_kind")),
        migrations.AddConstraint(
            "payment", models.CheckConstraint(condition=models.Q(state__in=STATES), name="payments_state")
        ),
        migrations.AddConstraint(
            "payment", models.CheckConstraint(condition=models.Q(kind__in=KINDS), name="payments_kind")
        ),
    ]
