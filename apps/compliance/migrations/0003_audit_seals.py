from django.db import migrations, models

from apps.core.migration_ops import append_only, sql_file


class Migration(migrations.Migration):
    dependencies = [("compliance", "0002_guard_approvals")]

    operations = [
        migrations.AddIndex("auditentry", models.Index(fields=["xid", "id"], name="compliance_audit_seal")),
        sql_file(__file__, "seals.sql", reverse="DROP TABLE compliance_seal, compliance_sealedleaf;"),
        append_only("compliance_sealedleaf"),
        append_only("compliance_seal"),
    ]
