"""Let a reject stand beside a return that was told too soon."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0009_cards")]

    operations = [
        migrations.RemoveConstraint("return", "payments_return_once"),
        migrations.AddConstraint(
            "return",
            models.UniqueConstraint(
                fields=["payment_id"],
                condition=models.Q(kind__in=["refund", "return", "reversal"]),
                name="payments_return_once",
            ),
        ),
    ]
