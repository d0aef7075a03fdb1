"""Files of the US automated clearing house: who we are there, what was in each file, which entries."""

from django.db import migrations, models

from apps.core.migration_ops import append_only, isolate, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0004_bank_calendars"),
    ]

    operations = [
        migrations.AddField(
            model_name="counterparty",
            name="stopped_code",
            field=models.CharField(default="", max_length=4),
        ),
        migrations.AddField(
            model_name="payment",
            name="rail_options",
            field=models.JSONField(default=dict),
        ),
        migrations.CreateModel(
            name="AchFile",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("message_id", models.CharField(max_length=35, unique=True)),
                ("batch_id", models.UUIDField()),
                ("settlement_account_id", models.UUIDField()),
                ("file_date", models.DateField()),
                ("modifier", models.CharField(max_length=1)),
                ("first_batch_number", models.PositiveIntegerField()),
                ("same_day", models.BooleanField()),
                ("profile", models.JSONField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_achfile_org_id"),
                    models.UniqueConstraint(
                        fields=("settlement_account_id", "file_date", "modifier"),
                        name="payments_ach_modifier_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AchItem",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("forward", "Forward"), ("prenote", "Prenote"), ("reversal", "Reversal")],
                        max_length=8,
                    ),
                ),
                ("message_id", models.CharField(max_length=35)),
                ("payment_id", models.UUIDField(null=True)),
                ("counterparty_id", models.UUIDField()),
                ("direction", models.CharField(max_length=6)),
                ("sec_code", models.CharField(max_length=3)),
                ("description", models.CharField(max_length=10)),
                ("reference", models.CharField(max_length=15)),
                ("amount_minor", models.BigIntegerField()),
                ("trace", models.CharField(max_length=15)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(fields=["trace", "-created_at"], name="payments_ach_by_trace"),
                    models.Index(fields=["payment_id"], name="payments_ach_of_payment"),
                    models.Index(fields=["counterparty_id"], name="payments_ach_of_counterparty"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_achitem_org_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("amount_minor", 0), ("kind", "prenote")),
                            models.Q(("amount_minor__gt", 0), models.Q(("kind", "prenote"), _negated=True)),
                            _connector="OR",
                        ),
                        name="payments_ach_item_amount",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("direction__in", ["credit", "debit"])),
                        name="payments_ach_item_direction",
                    ),
                    models.UniqueConstraint(fields=("message_id", "trace"), name="payments_ach_trace_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AchProfile",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("settlement_account_id", models.UUIDField(unique=True)),
                ("company_id", models.CharField(max_length=10)),
                ("company_name", models.CharField(max_length=16)),
                ("destination", models.CharField(max_length=9)),
                ("destination_name", models.CharField(default="", max_length=23)),
                ("origin", models.CharField(max_length=10)),
                ("origin_name", models.CharField(default="", max_length=23)),
                ("segregate", models.BooleanField(default=False)),
                ("trace_sequence", models.PositiveIntegerField(default=0)),
                ("batch_number", models.PositiveIntegerField(default=0)),
                ("file_date", models.DateField(null=True)),
                ("files_on_date", models.PositiveSmallIntegerField(default=0)),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_achprofile_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("files_on_date__lte", 36)), name="payments_ach_files_on_date"
                    ),
                ],
            },
        ),
        *(isolate(f"payments_{table}") for table in ("achprofile", "achfile", "achitem")),
        tenant_reference("payments_achprofile", "settlement_account_id", "payments_settlementaccount"),
        tenant_reference("payments_achfile", "settlement_account_id", "payments_settlementaccount"),
        tenant_reference("payments_achfile", "batch_id", "payments_batch"),
        tenant_reference("payments_achitem", "payment_id", "payments_payment"),
        tenant_reference("payments_achitem", "counterparty_id", "payments_counterparty"),
        append_only("payments_achfile"),
        append_only("payments_achitem"),
        # What the rail was asked for belongs to the instruction, which never changes.
        migrations.RunSQL(
            """
            CREATE TRIGGER keep_rail_options BEFORE UPDATE ON payments_payment FOR EACH ROW
                WHEN (OLD.rail_options IS DISTINCT FROM NEW.rail_options)
                EXECUTE FUNCTION payments_keep_instruction();
            """,
            "DROP TRIGGER keep_rail_options ON payments_payment;",
        ),
    ]
