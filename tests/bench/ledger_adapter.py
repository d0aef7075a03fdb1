"""Bezant's ledger for a comparison with other ledgers on the same work.

One class, run inside this project's environment: `prepare` makes the schema and accounts 0..n-1, `transfer`
returns when the transfer is durable. The harness starts its own server and gives its address as a DSN.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ORGANISATION = uuid.UUID(int=1)
DAY = date(2026, 11, 2)
SPAN = timedelta(days=300)


class Adapter:
    threads = True

    def __init__(self, dsn: str, option: str = "") -> None:
        self.dsn = dsn
        parts = dict(part.split("=", 1) for part in dsn.split())
        place = (
            f"{parts.get('dbname', 'postgres')}?host={parts.get('host', '')}&port={parts.get('port', '5432')}"
        )
        os.environ |= {
            "DATABASE_URL": f"postgresql://bezant_app@/{place}", "DATABASE_OWNER_URL": f"postgresql://bezant_owner@/{place}",
            "DATABASE_ADMIN_URL": f"postgresql://{parts.get('user', 'postgres')}@/{place}",
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings"),
        }  # fmt: skip
        sys.path.insert(0, str(ROOT))
        self.ready = False

    def setup(self) -> None:
        if not self.ready:
            import django

            django.setup()
            self.ready = True

    def prepare(self, accounts: int) -> None:
        import psycopg
        from psycopg import sql

        self.manage("setup_database")
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            admin.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO bezant_owner").format(sql.Identifier(admin.info.dbname))
            )
        self.manage("migrate", "--skip-checks", "--verbosity", "0")
        self.setup()
        from apps.core import tenancy
        from apps.ledger import public as ledger

        with tenancy.scope(ORGANISATION):
            for number in range(accounts):
                opened = ledger.open_account(
                    organisation_id=ORGANISATION,
                    code=f"a{number}",
                    name="A",
                    kind="liability",
                    currency="EUR",
                )
                assert opened.id == number + 1

    def manage(self, *command: str) -> None:
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, check=True, stdout=sys.stderr)

    def connect(self) -> None:
        self.setup()
        from django.db import connection

        from apps.core.money import Money
        from apps.ledger import posting
        from apps.ledger.domain import JournalDraft, Posting
        from apps.ledger.group_commit import GROUP

        self.connection, self.money, self.post = connection, Money, posting.call
        self.draft_class, self.posting_class, self.group = JournalDraft, Posting, GROUP
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('bezant.organisation', %s, false)", [str(ORGANISATION)])
        import threading

        self.grouped = threading.current_thread() is not threading.main_thread()

    def draft(self, source: int, target: int, amount: int):
        return self.draft_class(
            key=uuid.uuid4(), organisation_id=ORGANISATION, kind="bench.transfer", effective_date=DAY, actor="system:bench",
            postings=(self.posting_class(source + 1, target + 1, self.money(amount, "EUR")),),
        )  # fmt: skip

    def transfer(self, source: int, target: int, amount: int) -> None:
        draft = self.draft(source, target, amount)
        if self.grouped:
            self.group.post(draft, organisation_id=ORGANISATION)
        else:
            (result,) = self.post((draft,))
            assert result.ok

    def transfer_many(self, rows: list[tuple[int, int, int]]) -> None:
        assert all(result.ok for result in self.post([self.draft(*row) for row in rows]))

    def recover(self) -> None:
        self.connection.close()
        self.connect()

    def balance(self, account: int) -> int:
        from apps.ledger import public as ledger

        return ledger.balance(account + 1).posted

    def balance_as_of(self, account: int, when: datetime) -> int:
        from apps.ledger import public as ledger

        return ledger.balance_at(account + 1, recorded_at=when)

    def fill(self, account: int, entries: int) -> datetime:
        """Write that many past entries of +1 straight into the tables, for the reads only."""
        import psycopg

        start = datetime.now(UTC) - SPAN
        place = {"a": account + 1, "n": entries, "org": ORGANISATION, "start": start, "span": SPAN}
        with psycopg.connect(self.dsn) as admin:
            admin.execute("SET session_replication_role = replica")
            admin.execute("DELETE FROM ledger.posting WHERE debit_id = %(a)s OR credit_id = %(a)s", place)
            admin.execute(
                "INSERT INTO ledger.posting (seq, line, organisation_id, debit_id, credit_id, currency, amount, debit_version,"
                " credit_version, debit_after, credit_after, recorded_at) SELECT nextval('ledger.log_seq'), 1, %(org)s, 0, %(a)s, 'EUR', 1,"
                " g, g, -g, g, %(start)s + g * (%(span)s / %(n)s::float8) FROM generate_series(1, %(n)s) g",
                place,
            )
            admin.execute(
                "UPDATE ledger.balance SET posted = %(n)s, version = %(n)s WHERE account_id = %(a)s", place
            )
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            admin.execute("VACUUM ANALYZE ledger.posting")
        return start + SPAN / 2

    def check(self) -> dict:
        import psycopg

        with psycopg.connect(self.dsn) as admin:
            ((total, journals),) = admin.execute(
                "SELECT (SELECT sum(posted) FROM ledger.balance), (SELECT count(*) FROM ledger.journal)"
            ).fetchall()
            violations = admin.execute("SELECT name FROM ledger.proofs() WHERE violations > 0").fetchall()
        return {"sum_zero": total == 0 and not violations, "transfers": journals}
