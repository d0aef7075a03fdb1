"""PostgreSQL is killed under load, ten times: nothing acknowledged is lost, and every proof holds."""

import os
import random
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.local_services import Cluster
from config.postgres_binaries import server_account
from tests import database as test_database

KILLS = 10
CLIENTS = 4

POST = """SELECT codes, seqs FROM ledger.post(now(), ARRAY[%s::uuid], ARRAY[%s::uuid], ARRAY['test.kill'],
    ARRAY['2026-11-02'::date], ARRAY['system:test'], ARRAY[''], NULL, ARRAY[1], ARRAY[%s::bigint], ARRAY[%s::bigint],
    ARRAY[%s::bigint], ARRAY['EUR'])"""


class Client(threading.Thread):
    """Posts until told to stop, over whatever server there is; remembers what was acknowledged."""

    def __init__(
        self, url: str, organisation_id: uuid.UUID, accounts: list[int], stop: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self.url, self.organisation_id, self.accounts, self.stop = url, organisation_id, accounts, stop
        self.acknowledged: set[uuid.UUID] = set()

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True, connect_timeout=2) as connection:
                    connection.execute(
                        "SELECT set_config('bezant.organisation', %s, false)", [str(self.organisation_id)]
                    )
                    self.work(connection)
            except psycopg.Error:
                time.sleep(0.05)

    def work(self, connection: psycopg.Connection[Any]) -> None:
        while not self.stop.is_set():
            key = uuid.uuid4()
            debit, credit = random.sample(self.accounts, 2)
            codes, _ = connection.execute(
                POST, [self.organisation_id, key, debit, credit, random.randint(1, 9)]
            ).fetchone()
            if codes == [0]:
                self.acknowledged.add(key)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path, database: str) -> None:
    home = test_database.place_folder(tmp_path / "postgres", account=server_account())
    template = test_database._template()
    cluster = Cluster(home=home, binaries=template.binaries, account=template.account, durable=True)
    test_database.copy_cluster(template, cluster)
    server = cluster.start()
    try:
        url = cluster.url(role="bezant_app", database=test_database.TEMPLATE)
        organisation_id, accounts = uuid.uuid4(), []
        with psycopg.connect(url) as connection:
            connection.execute("SELECT set_config('bezant.organisation', %s, false)", [str(organisation_id)])
            accounts = [
                connection.execute(
                    "SELECT account_id FROM ledger.open_account(%s, %s, 'A', 'liability', 'EUR', 'system:test', %s)",
                    [organisation_id, f"a{n}", -500 if n else None],
                ).fetchone()[0]
                for n in range(6)
            ]
        stop = threading.Event()
        clients = [Client(url, organisation_id, accounts, stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            time.sleep(random.uniform(0.3, 1.0))
            kill_all_of(cluster)
            server.wait(10)  # a zombie would still own the socket's lock file
            server = cluster.start()
        time.sleep(0.5)
        stop.set()
        for client in clients:
            client.join(10)
        with psycopg.connect(cluster.url(role="bezant_owner", database=test_database.TEMPLATE)) as owner:
            stored = {
                key
                for (key,) in owner.execute(
                    "SELECT key FROM ledger.journal WHERE organisation_id = %s", [organisation_id]
                )
            }
            violations = owner.execute(
                "SELECT name, examples FROM ledger.proofs() WHERE violations > 0"
            ).fetchall()
        acknowledged = set().union(*(client.acknowledged for client in clients))
        assert len(acknowledged) > 100
        assert acknowledged <= stored
        assert (
            len(stored - acknowledged) <= KILLS * CLIENTS
        )  # committed, and the answer was lost with the server
        assert violations == []
    finally:
        cluster.stop()


def kill_all_of(cluster: Any) -> None:
    """Kill the server and every process it started, at once, as a power cut would."""
    postmaster = cluster.running_pid()
    children = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (entry / "stat").exists() and parent_of(entry) == postmaster
    ]
    for pid in [postmaster, *children]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while cluster.running_pid() is not None:
        time.sleep(0.02)


def parent_of(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return None
