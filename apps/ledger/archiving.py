"""Archives: a sealed partition as a CSV file with the description that lets anybody verify it offline."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from apps.core.merkle import subtree_root
from apps.ledger import verifier
from apps.ledger.proving import StoredNodes

TABLES = (
    ("journal", verifier.JOURNAL_COLUMNS),
    ("account_event", verifier.EVENT_COLUMNS),
    ("posting", verifier.POSTING_COLUMNS),
)
COLUMNS = ("table", *dict.fromkeys(name for _, columns in TABLES for name, _ in columns))


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that was written and whose partition was detached."""

    file: Path
    from_seq: int
    to_seq: int
    leaves: int


def archive_oldest(
    sealer: psycopg.Connection[tuple[Any, ...]], *, folder: Path, actor: str, nodes: StoredNodes
) -> Archive | None:
    """Write the oldest sealed partition to the folder, verify the file, then detach the partition.

    `nodes` reads the log's tree. Returns None when no partition is wholly sealed. The file is complete
    and on disk before the partition leaves the database; an interrupted call changes nothing there.
    """
    with sealer.transaction():
        sealer.execute("SET LOCAL statement_timeout = 0")
        ((begin, end),) = sealer.execute("SELECT from_seq, to_seq FROM ledger.archivable()").fetchall()
        if begin is None:
            return None
        file = folder / f"ledger-{begin}-{end - 1}.csv"
        digest = _write(file, _rows(sealer, begin, end))
        meta = _describe(sealer, begin, end, nodes)
        _write_description(file, meta)
        with file.open(encoding="utf-8", newline="") as written:
            verifier.verify_archive(csv.DictReader(written), meta, meta["keys"][-1])
        checkpoint = verifier.open_checkpoint(meta["checkpoint"], meta["keys"][-1])
        leaves = len(meta["leaf_hashes"])
        sealer.execute(
            "SELECT ledger.detach_archived(%s, %s, %s, %s, %s, %s, %s, %s)",
            [begin, end, meta["first_leaf"], leaves, checkpoint.root, file.name, digest, actor],
        )
    return Archive(file, begin, end, leaves)


def _rows(sealer: psycopg.Connection[tuple[Any, ...]], begin: int, end: int) -> Iterator[dict[str, Any]]:
    """Give the rows of the partition in the order of their leaves: a journal, then its postings by line."""
    parts = [
        f"SELECT seq AS at, {place} AS rank, {'line' if table == 'posting' else '0'} AS line_at, '{table}' AS \"table\", "
        + ", ".join(_column(name, columns) for name in COLUMNS[1:])
        + f" FROM ledger.{table} WHERE seq >= %(begin)s AND seq < %(end)s"
        for place, (table, columns) in enumerate(TABLES)
    ]
    with sealer.cursor("archive") as cursor:
        cursor.itersize = 5_000
        cursor.execute(
            sql.SQL(" UNION ALL ".join(parts) + " ORDER BY at, rank, line_at"),  # type: ignore[arg-type]
            {"begin": begin, "end": end},
        )
        for row in cursor:
            yield dict(zip(COLUMNS, row[3:], strict=True))


def _column(name: str, columns: tuple[tuple[str, str], ...]) -> str:
    kind = dict(columns).get(name)
    if kind is None:
        return f"'\\N' AS {name}"
    if kind == "timestamptz":
        shown = f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
    else:
        shown = f"{name}::text"
    return f"coalesce({shown}, '\\N') AS {name}"


def _write(file: Path, rows: Iterator[dict[str, Any]]) -> bytes:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        target.flush()
        os.fsync(target.fileno())
    with file.open("rb") as written:
        return hashlib.file_digest(written, "sha256").digest()


def _write_description(file: Path, meta: dict[str, Any]) -> None:
    with Path(f"{file}.json").open("w", encoding="utf-8") as target:
        json.dump(meta, target, ensure_ascii=False)
        target.flush()
        os.fsync(target.fileno())


def _describe(
    sealer: psycopg.Connection[tuple[Any, ...]], begin: int, end: int, nodes: StoredNodes
) -> dict[str, Any]:
    from apps.ledger.sealing import verifier_keys

    leaves = sealer.execute(
        "SELECT leaf_index, encode(hash, 'hex') FROM ledger.seal_leaf WHERE seq >= %s AND seq < %s ORDER BY leaf_index",
        [begin, end],
    ).fetchall()
    ((size, note),) = sealer.execute(
        "SELECT tree_size, note FROM ledger.seal ORDER BY n DESC LIMIT 1"
    ).fetchall()
    first = leaves[0][0] if leaves else 0
    return {
        "format": "bezant-ledger-archive/1",
        "checkpoint": note,
        "keys": verifier_keys(),
        "first_leaf": first,
        "leaf_hashes": [digest for _, digest in leaves],
        "siblings": dict(_siblings(first, first + len(leaves), 0, size, nodes)),
    }


def _siblings(first: int, last: int, begin: int, end: int, nodes: StoredNodes) -> Iterator[tuple[str, str]]:
    """Give the subtrees beside a run of leaves that lead from it to the root."""
    if end <= first or begin >= last:
        yield f"{begin}-{end}", subtree_root(begin, end, nodes).hex()
    elif end - begin > 1:
        split = begin + (1 << ((end - begin - 1).bit_length() - 1))
        yield from _siblings(first, last, begin, split, nodes)
        yield from _siblings(first, last, split, end, nodes)
