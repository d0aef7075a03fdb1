from django.db import migrations, models

from apps.core.migration_ops import sql_file


class Migration(migrations.Migration):
    dependencies = [("compliance", "0001_initial")]

    operations = [
        migrations.RemoveConstraint("approval", "compliance_one_waiting_per_target"),
        migrations.AddField("approval", "answer", models.JSONField(null=True)),
        migrations.AddField("approval", "maker_organisation_id", models.UUIDField(null=True)),
        migrations.AlterField("approval", "organisation_id", models.UUIDField(editable=False, null=True)),
        migrations.AlterField("approval", "payload", models.TextField()),
        migrations.AddConstraint(
            "approval",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(state="waiting", decided_at__isnull=True),
                    models.Q(models.Q(state="waiting", _negated=True), decided_at__isnull=False),
                    _connector="OR",
                ),
                name="compliance_decision_has_time",
            ),
        ),
        migrations.AddConstraint(
            "approval",
            models.UniqueConstraint(
                condition=models.Q(("state", "waiting"), models.Q(target="", _negated=True)),
                fields=("organisation_id", "command_name", "target"),
                name="compliance_one_waiting_per_target",
                nulls_distinct=False,
            ),
        ),
        sql_file(__file__, "approvals.sql"),
    ]
