"""Migration operations for what every business table needs: isolation, immutability, SQL files."""

from __future__ import annotations

from pathlib import Path

from django.db.migrations import RunSQL


def sql_file(migration: str, name: str, *, reverse: str | None = None) -> RunSQL:
    """Run the file `sql/<name>` beside the migration (pass `__file__`)."""
    text = (Path(migration).parent / "sql" / name).read_text(encoding="utf-8")
    return RunSQL([(text, None)], reverse_sql=reverse if reverse is not None else RunSQL.noop)


def isolate(table: str, *, column: str = "organisation_id", schema: str = "public") -> RunSQL:
    """Let the application's role see and write only rows of its transaction's organisation.

    FORCE makes the policies hold for the owner too; the owner (migrations), the sealer and the
    reader have a policy of their own, so that each is listed and nothing is implied.
    """
    name = f'"{schema}"."{table}"'
    mine = f"{column} = (SELECT bezant_current_organisation()) OR (SELECT bezant_sees_all())"
    return RunSQL(
        f"""
        ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {name} FORCE ROW LEVEL SECURITY;
        CREATE POLICY organisation ON {name} TO bezant_app USING ({mine}) WITH CHECK ({mine});
        CREATE POLICY owner ON {name} TO bezant_owner USING (true) WITH CHECK (true);
        CREATE POLICY readers ON {name} FOR SELECT TO bezant_reader, bezant_sealer USING (true);
        """,
        f"""
        DROP POLICY organisation ON {name}; DROP POLICY owner ON {name}; DROP POLICY readers ON {name};
        ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY; ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;
        """,
    )


def append_only(table: str, *, schema: str = "public") -> RunSQL:
    """Make UPDATE, DELETE and TRUNCATE of the table raise for everybody, its owner included."""
    name = f'"{schema}"."{table}"'
    return RunSQL(
        f"""
        REVOKE UPDATE, DELETE, TRUNCATE ON {name} FROM bezant_app;
        CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {name}
            FOR EACH ROW EXECUTE FUNCTION bezant_refuse_change();
        CREATE TRIGGER append_only_table BEFORE TRUNCATE ON {name}
            FOR EACH STATEMENT EXECUTE FUNCTION bezant_refuse_change();
        """,
        f"""
        DROP TRIGGER append_only_rows ON {name}; DROP TRIGGER append_only_table ON {name};
        GRANT UPDATE, DELETE ON {name} TO bezant_app;
        """,
    )


def tenant_reference(table: str, column: str, parent: str, *, parent_column: str = "id") -> RunSQL:
    """Refer to a row of the same organisation, and of no other.

    A foreign key is checked past row-level security; only a key that carries the organisation
    keeps one organisation from referring to another's row.
    """
    name = f"{table}_{column}_same_org"
    return RunSQL(
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" FOREIGN KEY (organisation_id, "{column}") '
        f'REFERENCES "{parent}" (organisation_id, "{parent_column}") DEFERRABLE INITIALLY IMMEDIATE;',
        f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}";',
    )
