"""The files that checkpoints are copied to: appended to, never read whole to append, whole after a crash."""

import os
from pathlib import Path
from typing import Any

from apps.core import anchors


def upto(last: int) -> Any:
    return lambda after: [{"n": n, "note": "ä" * 700} for n in range(after + 1, last + 1)]


def numbers(path: Path) -> list[int]:
    return [entry["n"] for entry in anchors.read_all(path)]


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "anchor.jsonl"
    assert anchors.read_all(path) == []
    assert anchors.append_missing(path, upto(3)) == 3
    assert numbers(path) == [1, 2, 3]


def test_only_what_is_new_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"
    anchors.append_missing(path, upto(300))  # several blocks
    asked: list[int] = []

    assert anchors.append_missing(path, lambda after: asked.append(after) or []) == 0
    assert anchors.append_missing(path, upto(301)) == 1
    assert asked == [300]
    assert numbers(path) == list(range(1, 302))


def test_a_torn_line_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"
    anchors.append_missing(path, upto(3))
    os.truncate(path, path.stat().st_size - 10)

    assert anchors.append_missing(path, upto(4)) == 2
    assert numbers(path) == [1, 2, 3, 4]


def test_rubbish_longer_than_a_block_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"
    anchors.append_missing(path, upto(2))
    with path.open("ab") as file:
        file.write(b"\0" * 200_000 + b'\n[1]\n7\n{"n": "x"}\n')

    assert anchors.append_missing(path, upto(3)) == 1
    assert numbers(path) == [1, 2, 3]
