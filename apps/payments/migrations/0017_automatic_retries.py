"""How often the clock presents a debit again is the policy's to say."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0016_bulk_verifications"),
    ]

    operations = [
        migrations.AddField(
            model_name="achcollectionpolicy",
            name="automatic_retries",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name="achcollectionpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("automatic_retries__lte", 2)), name="payments_ach_policy_retries"
            ),
        ),
    ]
