"""The books: tables, the posting function, who may do what. All of it is SQL."""

import django.db.models.deletion
from django.db import migrations, models

from apps.core.migration_ops import sql_file

FILES = (
    "01_schema.sql",
    "02_security.sql",
    "03_partitions.sql",
    "04_post_parts.sql",
    "05_post.sql",
    "06_accounts.sql",
    "07_reads.sql",
    "08_proofs.sql",
    "09_grants.sql",
)


class Migration(migrations.Migration):
    initial = True

    dependencies = [("core", "0001_initial")]

    operations = [
        # Removing the schema removes the books; it is possible only while nothing is in them.
        migrations.RunSQL(
            migrations.RunSQL.noop,
            "DO $$ BEGIN IF EXISTS (SELECT 1 FROM ledger.journal) THEN RAISE EXCEPTION 'the books are not empty'; "
            "END IF; DROP SCHEMA ledger CASCADE; END $$",
        ),
        *(sql_file(__file__, name) for name in FILES),
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField()),
                ("code", models.TextField()),
                ("name", models.TextField()),
                ("kind", models.TextField()),
                ("currency", models.CharField(max_length=3)),
                ("shared", models.BooleanField()),
                ("clearing", models.BooleanField()),
                ("opened_at", models.DateTimeField()),
            ],
            options={
                "db_table": 'ledger"."account',
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.BigIntegerField()),
                ("captured", models.BigIntegerField()),
                ("released", models.BigIntegerField()),
                ("remaining", models.BigIntegerField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("reference", models.TextField()),
            ],
            options={
                "db_table": 'ledger"."hold',
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Journal",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField()),
                ("key", models.UUIDField()),
                (
                    "action",
                    models.SmallIntegerField(
                        choices=[
                            (1, "post"),
                            (2, "hold"),
                            (3, "increase"),
                            (4, "capture"),
                            (5, "release"),
                            (6, "expire"),
                            (7, "reverse"),
                        ]
                    ),
                ),
                ("kind", models.CharField(max_length=80)),
                ("effective_date", models.DateField()),
                ("recorded_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=200)),
                ("reference", models.CharField(max_length=200)),
                ("metadata", models.JSONField(null=True)),
                ("rate", models.DecimalField(decimal_places=20, max_digits=40, null=True)),
                ("reverses_seq", models.BigIntegerField(null=True)),
                ("hold_id", models.BigIntegerField(null=True)),
                ("hold_account_id", models.BigIntegerField(null=True)),
                ("hold_delta", models.BigIntegerField(null=True)),
            ],
            options={
                "db_table": 'ledger"."journal',
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Posting",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("line", models.SmallIntegerField()),
                ("organisation_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.BigIntegerField()),
                ("debit_version", models.BigIntegerField()),
                ("credit_version", models.BigIntegerField()),
                ("debit_after", models.BigIntegerField()),
                ("credit_after", models.BigIntegerField()),
                ("recorded_at", models.DateTimeField()),
                ("reverses_line", models.SmallIntegerField(null=True)),
            ],
            options={
                "db_table": 'ledger"."posting',
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Balance",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        serialize=False,
                        to="ledger.account",
                    ),
                ),
                ("organisation_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("posted", models.BigIntegerField()),
                ("held", models.BigIntegerField()),
                ("floor", models.BigIntegerField(null=True)),
                ("ceiling", models.BigIntegerField(null=True)),
                ("version", models.BigIntegerField()),
                ("frozen_version", models.BigIntegerField(null=True)),
                ("closed", models.BooleanField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "db_table": 'ledger"."balance',
                "managed": False,
            },
        ),
    ]
