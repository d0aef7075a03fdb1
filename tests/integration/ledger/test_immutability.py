"""Nobody can rewrite the books: not the application, not a reader, not the owner of the tables."""

from typing import Any

import psycopg
import pytest

from apps.core import tenancy
from apps.ledger import public as ledger
from apps.ledger.schema_watch import STATEMENTS

from .conftest import Book

LOG = [
    "journal",
    "posting",
    "journal_1",
    "posting_1",
    "idempotency",
    "account_event",
    "account",
    "seal_leaf",
    "merkle_node",
    "seal",
    "archive",
    "ddl_log",
]
ROLES = ["bezant_owner", "bezant_app", "bezant_sealer", "bezant_reader"]
COLUMN = {
    "idempotency": "seq",
    "account": "name",
    "seal_leaf": "hash",
    "merkle_node": "hash",
    "seal": "note",
    "archive": "actor",
    "ddl_log": "object",
}
ALL_TABLES = [
    *LOG,
    "balance",
    "hold",
    "reversed",
    "period",
    "balance_day",
    "rollup",
    "residue",
    "monitor",
    "follower",
]


class TestRoles:
    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize("table", LOG)
    def test_update_delete_and_truncate_of_the_log_raise(
        self, funded: Book, sql_as: Any, role: str, table: str
    ) -> None:
        column = COLUMN.get(table, "seq")
        for statement in (
            f"UPDATE ledger.{table} SET {column} = {column}",
            f"DELETE FROM ledger.{table}",
            f"TRUNCATE ledger.{table} CASCADE",
        ):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException)):
                sql_as(role)(statement)

    @pytest.mark.parametrize("role", ["bezant_app", "bezant_sealer", "bezant_reader"])
    @pytest.mark.parametrize("table", ALL_TABLES)
    def test_nobody_writes_a_table_directly(self, funded: Book, sql_as: Any, role: str, table: str) -> None:
        for statement in (
            f"INSERT INTO ledger.{table} DEFAULT VALUES",
            f"DELETE FROM ledger.{table}",
            f"TRUNCATE ledger.{table}",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                sql_as(role)(statement)

    @pytest.mark.parametrize("table", ["balance", "hold", "reversed", "period"])
    def test_the_owner_cannot_remove_what_authorises(self, funded: Book, owner_sql: Any, table: str) -> None:
        for statement in (f"DELETE FROM ledger.{table}", f"TRUNCATE ledger.{table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner_sql(statement)

    def test_even_the_superuser_meets_the_limits_and_the_triggers(self, funded: Book, admin_sql: Any) -> None:
        with pytest.raises(psycopg.errors.CheckViolation):
            admin_sql("UPDATE ledger.balance SET posted = -1 WHERE account_id = %s", [funded["alice"]])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin_sql("UPDATE ledger.posting SET amount = 1")

    def test_the_vault_sees_nothing(self, db: None, sql_as: Any) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql_as("bezant_vault")("SELECT * FROM ledger.journal")

    def test_only_named_functions_can_be_called_by_the_application(self, db: None, owner_sql: Any) -> None:
        open_to_all = owner_sql(
            "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'ledger'::regnamespace"
            " AND has_function_privilege('bezant_vault', p.oid, 'EXECUTE')"
        )
        to_app = {
            name
            for (name,) in owner_sql(
                "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'ledger'::regnamespace"
                " AND has_function_privilege('bezant_app', p.oid, 'EXECUTE')"
            )
        }
        assert open_to_all == []
        assert to_app == {
            "post",
            "open_account",
            "change_account",
            "close_period",
            "balance_recorded",
            "entries",
            "balance_effective",
            "proofs",
            "code_name",
            "make_partitions",
            "follow",
            "set_monitor",
            "remove_monitor",
            "expire_due",
            "rebuild",
            "replace_read_models",
            "residues",
            "verify_leaves",
            "unsealed",
        }


class TestIsolation:
    @pytest.mark.parametrize(
        "table",
        ["balance", "journal", "posting", "hold", "account_event", "balance_day", "rollup", "residue"],
    )
    def test_rows_of_another_organisation_are_not_seen(self, funded: Book, table: str) -> None:
        funded.hold("alice", 1)
        other = Book(funded.operator_id, funded.operator_id)
        with other.scope():
            found = ledger_rows(
                f"SELECT count(*) FROM ledger.{table} WHERE organisation_id = %s", [funded.organisation_id]
            )
        assert found == [(0,)]

    def test_without_a_scope_nothing_is_seen(self, funded: Book) -> None:
        assert ledger_rows("SELECT count(*) FROM ledger.journal") == [(0,)]
        assert ledger_rows("SELECT count(*) FROM ledger.balance") == [(0,)]

    def test_of_a_shared_account_others_see_the_name_and_not_the_balance(self, funded: Book) -> None:
        with funded.scope():
            assert ledger.account(funded["cash"]).shared
            with pytest.raises(ledger.UnknownAccount):
                ledger.balance(funded["cash"])
            with pytest.raises(ledger.UnknownAccount):
                ledger.statement(funded["cash"])
            with pytest.raises(ledger.UnknownAccount):
                ledger.set_limits(
                    account_id=funded["cash"], floor_minor=0, ceiling_minor=None, actor="system:test"
                )


class TestProofsFindDamage:
    @pytest.mark.parametrize(
        ("damage", "proof"),
        [
            ("UPDATE ledger.balance SET posted = posted + 1 WHERE account_id = {alice}", "zero_sum"),
            (
                "UPDATE ledger.balance SET posted = posted + 1 WHERE account_id = {alice}",
                "balance_equals_fold",
            ),
            ("UPDATE ledger.balance SET held = 5 WHERE account_id = {alice}", "held_equals_open_holds"),
            ("UPDATE ledger.posting SET credit_version = 9 WHERE credit_id = {alice}", "version_chain"),
            ("UPDATE ledger.posting SET credit_after = 1 WHERE credit_id = {alice}", "version_chain"),
            (
                "UPDATE ledger.posting SET recorded_at = 'infinity' WHERE credit_id = {alice} AND credit_version = 1",
                "recorded_in_order",
            ),
            ("DELETE FROM ledger.journal WHERE seq = {seq}", "posting_has_journal"),
            ("DELETE FROM ledger.posting WHERE seq = {seq}", "journal_is_whole"),
            ("UPDATE ledger.posting SET debit_id = 999999999 WHERE seq = {seq}", "accounts_exist_and_agree"),
            ("DELETE FROM ledger.idempotency WHERE seq = {seq}", "keys_match_journals"),
            ("UPDATE ledger.hold SET captured = 1 WHERE account_id = {alice}", "hold_equals_fold"),
            ("DELETE FROM ledger.account_event WHERE account_id = {alice}", "account_has_event"),
            ("ALTER TABLE ledger.posting_1 DISABLE TRIGGER immutable", "immutability_stands"),
            ("ALTER TABLE ledger.balance DROP CONSTRAINT balance_limits", "constraints_stand"),
            ("ALTER TABLE ledger.journal NO FORCE ROW LEVEL SECURITY", "isolation_stands"),
        ],
    )
    def test_each_damage_breaks_its_proof(
        self, funded: Book, database: str, settings: Any, damage: str, proof: str
    ) -> None:
        funded.hold("alice", 3)
        seq = funded.post(("cash", "alice", 5)).seq
        with psycopg.connect(
            host=settings.DATABASES["default"]["HOST"], dbname=database, user="postgres"
        ) as admin:
            admin.execute("SET session_replication_role = replica")
            admin.execute(damage.format(alice=funded["alice"], seq=seq))
            broken = {
                name for name, violations, _ in admin.execute("SELECT * FROM ledger.proofs()") if violations
            }
            admin.rollback()

        assert proof in broken

    def test_check_ledger_exits_with_its_verdict(self, funded: Book, capsys: Any) -> None:
        from django.core.management import call_command

        call_command("check_ledger", json=True)
        assert '"ok": true' in capsys.readouterr().out


class TestSchemaWatch:
    def test_ddl_on_the_books_is_recorded(self, db: None, admin_sql: Any, owner_sql: Any) -> None:
        admin_sql(STATEMENTS)
        try:
            owner_sql("ALTER TABLE ledger.period ADD COLUMN note text")
            owner_sql("ALTER TABLE ledger.period DROP COLUMN note")
            owner_sql(
                "CREATE TRIGGER mine BEFORE INSERT ON ledger.period EXECUTE FUNCTION ledger.refuse_change()"
            )
            owner_sql("DROP TRIGGER mine ON ledger.period")
            told = owner_sql("SELECT command, object, role FROM ledger.ddl_log ORDER BY id")
        finally:
            admin_sql("DROP EVENT TRIGGER bezant_ledger_ddl; DROP EVENT TRIGGER bezant_ledger_drops")

        assert ("ALTER TABLE", "ledger.period", "bezant_owner") in told
        assert ("CREATE TRIGGER", "mine on ledger.period", "bezant_owner") in told
        assert ("DROP TRIGGER", "mine on ledger.period", "bezant_owner") in told


def ledger_rows(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    from apps.ledger.queries import rows

    return rows(statement, parameters or [])


def test_a_scope_is_not_left_behind(db: None) -> None:
    assert not tenancy.current_setting()
