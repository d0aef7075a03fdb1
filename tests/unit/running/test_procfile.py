"""Reading the Procfile."""

from pathlib import Path

import pytest

from config.postgres_binaries import Unavailable
from config.supervisor import Program, read_procfile


class TestReadProcfile:
    def test_gives_names_and_commands_in_order(self, tmp_path: Path) -> None:
        (tmp_path / "Procfile").write_text(
            "# two of them\nweb: serve --port $PORT\n\nrelay: python manage.py run_relay\n"
        )

        assert read_procfile(tmp_path / "Procfile") == [
            Program(name="web", command="serve --port $PORT"),
            Program(name="relay", command="python manage.py run_relay"),
        ]

    def test_names_the_line_it_cannot_read(self, tmp_path: Path) -> None:
        (tmp_path / "Procfile").write_text("web: serve\nno colon here\n")

        with pytest.raises(Unavailable, match="Procfile line 2"):
            read_procfile(tmp_path / "Procfile")

    def test_reads_the_projects_own(self) -> None:
        names = {program.name for program in read_procfile(Path(__file__).parents[3] / "Procfile")}

        assert {"web", "worker", "beat", "relay"} <= names
