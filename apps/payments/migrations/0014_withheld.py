"""A state for what was approved and may not leave while its account is blocked."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0013_orders"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="payment",
            name="payments_state",
        ),
        migrations.AlterField(
            model_name="payment",
            name="state",
            field=models.CharField(
                choices=[
                    ("ordered", "ordered"),
                    ("approved", "approved"),
                    ("withheld", "withheld"),
                    ("batched", "batched"),
                    ("sent", "sent"),
                    ("accepted", "accepted"),
                    ("received", "received"),
                    ("settled", "settled"),
                    ("returned", "returned"),
                    ("rejected", "rejected"),
                    ("declined", "declined"),
                    ("cancelled", "cancelled"),
                    ("unknown", "unknown"),
                    ("review", "review"),
                    ("final", "final"),
                    ("created", "created"),
                    ("requires_action", "requires_action"),
                    ("authorised", "authorised"),
                    ("partially_captured", "partially_captured"),
                    ("captured", "captured"),
                    ("failed", "failed"),
                    ("expired", "expired"),
                ],
                max_length=24,
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "ordered",
                            "approved",
                            "withheld",
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
                        ],
                    )
                ),
                name="payments_state",
            ),
        ),
    ]
