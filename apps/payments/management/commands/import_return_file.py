"""Apply what banks send back: returns, rejections, answers to recalls."""

from __future__ import annotations

from typing import Any

from apps.core import clock
from apps.core.actors import system_actor
from apps.payments.commands.ach_returns import ApplyAchReturns
from apps.payments.management.importing import ImportFiles
from apps.payments.return_files import READERS, command_of, import_return


class Command(ImportFiles):
    """Read files of returns of any known format and move the payments they are about."""

    help = (
        f"Apply files of returns ({', '.join(sorted(READERS))}), told apart by content. Good entries are applied, "
        "bad ones are findings with their line and rule. Exits with 1 if a file is refused or has findings."
    )

    def take(self, data: bytes, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Apply the file."""
        actor = system_actor("import_return_file")
        return import_return(data, file_name=name, actor=actor, at=clock.database_now())

    def show(self, data: bytes, name: str) -> dict[str, Any]:
        """Tell what would be applied."""
        command: Any = command_of(data, file_name=name)
        entries = command.returns if isinstance(command, ApplyAchReturns) else command.lines
        return {"format": command.format, "message_id": command.message_id, "entries": len(entries)}
