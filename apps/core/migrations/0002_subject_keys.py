from django.db import migrations, models
from django.db.models.functions import Now

from apps.core.migration_ops import isolate, sql_file


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("purpose", models.CharField(max_length=64)),
                ("version", models.PositiveIntegerField()),
                ("public_key", models.BinaryField(max_length=32)),
                ("wrapped", models.BinaryField()),
                ("kek_version", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("purpose", "version"), name="core_signingkey_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="SubjectKey",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("subject_id", models.UUIDField(editable=False)),
                ("key_id", models.BinaryField(max_length=8, unique=True)),
                ("wrapped", models.BinaryField(null=True)),
                ("kek_version", models.PositiveIntegerField()),
                ("check_value", models.BinaryField(max_length=32)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("destroyed_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(destroyed_at__isnull=True),
                        fields=["kek_version", "id"],
                        name="core_subjectkey_rewrap",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "subject_id"), name="core_subjectkey_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(wrapped__isnull=False, destroyed_at__isnull=True),
                            models.Q(wrapped__isnull=True, destroyed_at__isnull=False),
                            _connector="OR",
                        ),
                        name="core_subjectkey_destroyed_is_empty",
                    ),
                ],
            },
        ),
        sql_file(__file__, "keys.sql"),
        isolate("core_subjectkey"),
    ]
