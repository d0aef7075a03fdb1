"""The file by which we refuse notifications of change that cannot be meant."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.folders import put_whole
from apps.payments.calendar import calendar
from apps.payments.commands.ach_returns import TakeRefusalNumbers
from apps.payments.rails import adapter
from apps.payments.rails.ach import Ach, bank_day
from apps.payments.rails.base import Outgoing, Party


def put_refusals(
    data: bytes, refused: list[dict[str, Any]], *, folder: Path, actor: Actor, at: datetime
) -> str:
    """Write the refusals of a file's notifications into the outgoing folder. Returns the file's name.

    Raises FormatError, NoRoute, NoAchProfile, TooManyFiles.
    """
    digest = hashlib.sha256(data).hexdigest()
    command = TakeRefusalNumbers(None, digest, len(refused))
    numbers = execute(command, actor=actor, key=f"refuse:{digest}", at=at).answer
    rail = adapter("ach")
    assert isinstance(rail, Ach)
    outgoing = Outgoing(
        message_id=f"REFUSED-{digest[:8].upper()}",
        created_at=at,
        execution_date=calendar("FED").on_or_after(bank_day(at)),
        ours=Party("", ""),
        instructions=(),
        options=numbers,
    )
    file = rail.refuse_changes(data, {item["line"]: item["code"] for item in refused}, outgoing)
    name = f"{outgoing.message_id}.ach"
    put_whole(folder / name, file)
    return name
