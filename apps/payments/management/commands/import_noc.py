"""Apply notifications of change: what banks correct about accounts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core import clock
from apps.core.actors import system_actor
from apps.payments.commands.ach_returns import ApplyAchReturns
from apps.payments.formats import FormatError
from apps.payments.management.importing import ImportFiles
from apps.payments.refusals import put_refusals
from apps.payments.return_files import command_of, import_return


class Command(ImportFiles):
    """Read NACHA files with notifications of change and correct the accounts they are about."""

    help = (
        "Apply notifications of change (NACHA, COR entries C01 to C09): the next entry uses the corrected "
        "account, the old one is kept, no money moves. Returns in the same file are applied too. What cannot "
        "be meant is refused: --refuse writes the answer (C61 to C69) into the outgoing folder. Exits with 1 "
        "if something is wrong."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--refuse", action="store_true", help="answer what is refused, by a file")
        parser.add_argument("--folder", type=Path, default=Path(settings.BANK_OUTGOING_DIR))

    def take(self, data: bytes, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Apply the file, and answer what is refused if that is asked for."""
        _read(data, name)
        actor, at = system_actor("import_noc"), clock.database_now()
        answer = import_return(data, file_name=name, actor=actor, at=at)
        if answer["refused_changes"] and options["refuse"]:
            refused = answer["refused_changes"]
            answer["refusals"] = put_refusals(data, refused, folder=options["folder"], actor=actor, at=at)
        return answer

    def show(self, data: bytes, name: str) -> dict[str, Any]:
        """Tell how many changes of which codes are in a file."""
        command = _read(data, name)
        return {
            "format": command.format,
            "changes": [change.code for change in command.changes],
            "returns": len(command.returns),
            "findings": [{"line": item.line, "code": item.code} for item in command.findings],
        }


def _read(data: bytes, name: str) -> ApplyAchReturns:
    command = command_of(data, file_name=name)
    if not isinstance(command, ApplyAchReturns) or not command.changes:
        raise FormatError("no_change", "The file holds no notification of change.", None, "addenda98")
    return command
