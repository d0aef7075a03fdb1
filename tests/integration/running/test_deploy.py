"""The server configurations in deploy/ are ones that the servers accept."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local_services import CLEAN_ENVIRONMENT, Cluster, as_account, find_cluster, remove_cluster

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    yield find_cluster(tmp_path / "postgres", durable=False)
    remove_cluster(tmp_path / "postgres")


def test_postgresql_accepts_every_line_of_its_configuration(cluster: Cluster) -> None:
    # The server's account may not be able to read the checkout, so the lines go as options.
    lines = [
        line
        for line in (DEPLOY / "postgresql.conf").read_text().splitlines()
        if "=" in line and line[0] != "#"
    ]
    options = [part for line in lines for part in ("-c", line.replace(" = ", "=").replace("'", ""))]

    answer = subprocess.run(
        [str(cluster.binaries.postgres), "-D", str(cluster.data), *options, "-C", "fsync"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=CLEAN_ENVIRONMENT,
        **as_account(cluster.account),
    )

    assert (answer.returncode, answer.stdout.strip(), answer.stderr) == (0, "on", "")
    assert len(lines) > 20
