"""One organisation's rows and another's: kept apart by the database itself, table by table.

Nothing here lists tables by hand: whatever has a column `organisation_id` is a table of organisations.
"""

import re
import uuid

import psycopg
import pytest
from django.conf import settings

from apps.accounts import public as accounts
from apps.core.ids import parse_public_id
from apps.payments import public as payments
from tests.callers import Program, register
from tests.factories import do, merchant
from tests.integration.payments.collecting import CREDITOR_ID, Collector


@pytest.fixture(scope="module")
def tenant_tables(database):
    """Return schema, name and owner-forced row security of every table with an organisation."""
    address = {"host": settings.DATABASES["default"]["HOST"], "dbname": database, "user": "bezant_owner"}
    with psycopg.connect(**address) as own:
        return own.execute(
            """SELECT n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organisation_id' AND NOT a.attisdropped
                WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                ORDER BY 1, 2"""
        ).fetchall()


@pytest.fixture
def two(db):
    """Make two organisations with rows in many tables: customers, accounts, money, clients, tokens, events."""
    made = []
    for _ in range(2):
        one = merchant(accounts_count=2, funded_minor=10_000)
        Program(one.id, "accounts.read")
        customer = do(accounts.CreateCustomer(one.id, "person", "Ada Example", "NL"))
        key = parse_public_id("pty", customer["id"])
        do(accounts.AddBeneficiary(one.id, name="Payee", iban="NL91ABNA0417164300", customer_id=key))
        collects = Collector(one)
        do(payments.SetCollectionPolicy(one.id, CREDITOR_ID, "Example Gym GmbH"))
        collects.collect(collects.mandate())
        made.append(one)
    return made


def as_app(database, organisation_id, statement, parameters=()):
    address = {"host": settings.DATABASES["default"]["HOST"], "dbname": database, "user": "bezant_app"}
    with psycopg.connect(**address) as own:
        own.execute("SELECT set_config('bezant.organisation', %s, true)", [str(organisation_id)])
        cursor = own.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def _own(schema, name):
    """Return which rows are somebody's own: the name of a shared ledger account is no secret, its balance is."""
    return "NOT shared" if (schema, name) == ("ledger", "account") else "true"


class TestEveryTableOfOrganisations:
    def test_row_security_is_on_and_forced(self, tenant_tables):
        open_tables = [
            f"{schema}.{name}"
            for schema, name, enabled, forced, is_part in tenant_tables
            if not (enabled and forced) and not is_part
        ]

        assert len(tenant_tables) > 15
        assert open_tables == []

    def test_each_shows_its_own_rows_alone(self, tenant_tables, two, database, owner_sql):
        first, second = two
        checked = 0
        for schema, name, *_ in tenant_tables:
            if not self._readable(owner_sql, schema, name):
                continue
            shown = f'SELECT DISTINCT organisation_id FROM "{schema}"."{name}" WHERE {_own(schema, name)}'
            columns = as_app(database, first.id, shown)
            foreign = {row[0] for row in columns} - {first.id, self._operator(owner_sql)}
            assert foreign == set(), f"{schema}.{name} shows rows of {foreign}"
            checked += bool(columns)
        assert checked >= 11, "the organisations have rows in too few tables to prove anything"

    def test_without_an_organisation_nothing_is_shown(self, tenant_tables, two, database, owner_sql):
        # The operator's shared ledger accounts (cash, clearing) are everybody's counterpart.
        operator = self._operator(owner_sql)
        for schema, name, *_ in tenant_tables:
            if self._readable(owner_sql, schema, name):
                shown = f'SELECT 1 FROM "{schema}"."{name}" WHERE organisation_id <> %s AND {_own(schema, name)} LIMIT 1'
                assert as_app(database, "", shown, [operator]) == [], name

    def test_rows_of_another_cannot_be_taken_over_or_handed_over(
        self, tenant_tables, two, database, owner_sql
    ):
        first, second = two
        for schema, name, *_ in tenant_tables:
            if schema != "public" or not self._writable(owner_sql, schema, name):
                continue
            table = f'"{schema}"."{name}"'
            claim = f"UPDATE {table} SET organisation_id = %s WHERE organisation_id = %s RETURNING 1"
            assert as_app(database, first.id, claim, [first.id, second.id]) == [], name
            own_rows = as_app(
                database, first.id, f"SELECT 1 FROM {table} WHERE organisation_id = %s LIMIT 1", [first.id]
            )
            if own_rows:
                with pytest.raises(psycopg.Error):
                    as_app(database, first.id, claim, [second.id, first.id])

    def test_no_row_can_be_inserted_for_another(self, tenant_tables, two, database, owner_sql):
        first, second = two
        for schema, name, *_ in tenant_tables:
            if schema != "public" or not self._writable(owner_sql, schema, name):
                continue
            rows = owner_sql(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
                "AND is_generated = 'NEVER' AND identity_generation IS DISTINCT FROM 'ALWAYS'",
                [schema, name],
            )
            columns = ", ".join(f'"{row[0]}"' for row in rows)
            values = ", ".join(
                "%(other)s::uuid" if row[0] == "organisation_id" else f'"{row[0]}"' for row in rows
            )
            copy = f'INSERT INTO "{schema}"."{name}" ({columns}) SELECT {values} FROM "{schema}"."{name}" LIMIT 1'
            if as_app(database, first.id, f'SELECT 1 FROM "{schema}"."{name}" LIMIT 1'):
                with pytest.raises(psycopg.Error):
                    as_app(database, first.id, copy, {"other": second.id})

    def _readable(self, owner_sql, schema, name):
        return owner_sql(
            "SELECT has_table_privilege('bezant_app', format('%%I.%%I', %s::text, %s::text), 'SELECT')",
            [schema, name],
        )[0][0]

    def _writable(self, owner_sql, schema, name):
        return owner_sql(
            "SELECT has_table_privilege('bezant_app', format('%%I.%%I', %s::text, %s::text), 'UPDATE')",
            [schema, name],
        )[0][0]

    def _operator(self, owner_sql):
        return owner_sql("SELECT id FROM accounts_organisation WHERE kind = 'operator'")[0][0]


class TestReferences:
    def test_an_account_cannot_belong_to_another_organisations_customer(self, two, database):
        first, second = two
        theirs = as_app(database, second.id, "SELECT id FROM accounts_party LIMIT 1")[0][0]

        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            as_app(database, first.id, "UPDATE accounts_paymentaccount SET party_id = %s", [theirs])

    @pytest.mark.parametrize(
        ("child", "constraint"),
        [
            ("accounts_paymentaccount", "accounts_paymentaccount_party_id_same_org"),
            ("accounts_beneficiary", "accounts_beneficiary_party_id_same_org"),
            ("accounts_customerlogin", "accounts_customerlogin_party_id_same_org"),
        ],
    )
    def test_references_carry_the_organisation(self, owner_sql, child, constraint):
        (definition,) = owner_sql(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [constraint]
        )[0]

        assert re.match(r"FOREIGN KEY \(organisation_id, party_id\) REFERENCES accounts_party", definition)


class TestTokens:
    TABLES = ("authz_application", "authz_grant", "authz_accesstoken", "authz_refreshtoken", "authz_idtoken")

    def test_tokens_are_seen_through_their_client(self, two, database):
        first, second = two
        seen = as_app(
            database,
            first.id,
            "SELECT DISTINCT a.organisation_id FROM authz_accesstoken t JOIN authz_application a ON a.id = t.application_id",
        )
        count = as_app(database, first.id, "SELECT count(*) FROM authz_accesstoken")[0][0]

        assert (seen, count) == ([(first.id,)], 1)

    @pytest.mark.parametrize("table", TABLES)
    def test_without_an_organisation_there_is_none(self, two, database, table):
        assert as_app(database, "", f"SELECT 1 FROM {table} LIMIT 1") == []

    def test_a_token_cannot_be_made_for_another_organisations_client(self, two, database):
        first, second = two
        theirs = as_app(database, second.id, "SELECT id FROM authz_application LIMIT 1")[0][0]

        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_app(
                database,
                first.id,
                "INSERT INTO authz_accesstoken (token, token_checksum, application_id, expires, scope, resource, "
                "created, updated) VALUES ('', %s, %s, now(), '', '[]', now(), now())",
                [uuid.uuid4().hex, theirs],
            )

    def test_the_reports_role_reads_no_credentials(self, sql_as):
        for table in self.TABLES[1:]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                sql_as("bezant_reader")(f"SELECT 1 FROM {table}")

    def test_a_client_is_registered_for_its_organisation_alone(self, two):
        first, second = two
        client_id, _ = register(first.id, "accounts.read")

        from apps.authz import public as authz
        from apps.core.errors import NotFound

        with pytest.raises(NotFound):
            do(authz.DisableApiClient(second.id, client_id=client_id))
