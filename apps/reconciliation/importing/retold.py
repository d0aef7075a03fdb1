"""Entries that are told more than once: by an interim report, by an advice with the details, by the statement.

The lines of an entry come from whoever tells most of it; they belong to the statement that counts. Neither
depends on who came first: both orders are total (more parts, then statement before interim report before
advice, then the lower key).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from apps.reconciliation.domain.words import LineState
from apps.reconciliation.importing.inserting import insert_lines
from apps.reconciliation.lines import state_of_line
from apps.reconciliation.models import BankAccount, Statement, StatementLine

_CHUNK = 1_000
_RANKS = {"statement": 0, "interim": 1}
_ADVICE = 2
_TOLD = (
    "kind",
    "status",
    "amount_minor",
    "currency",
    "booking_date",
    "value_date",
    "end_to_end",
    "uetr",
    "message_id",
    "batch_id",
    "creditor_reference",
    "bank_reference",
    "bank_code",
    "return_reason",
    "reversal",
    "counterparty",
    "subject_id",
)
"""What a line says, beside its sealed text. The rest is where it stands and what became of it."""

Rank = tuple[int, UUID]


def store_lines(
    lines: list[StatementLine], row: Statement, account: BankAccount, *, same: frozenset[str]
) -> None:
    """Store new lines, and bring those told before together with what is told now."""
    insert_lines([line for line in lines if line.fingerprint not in same])
    if not same:
        return
    told: dict[str, list[StatementLine]] = defaultdict(list)
    for line in lines:
        if line.fingerprint in same:
            told[line.fingerprint].append(line)
    fingerprints = sorted(told)
    for start in range(0, len(fingerprints), _CHUNK):
        _bring_together(told, fingerprints[start : start + _CHUNK], row, account)


def _bring_together(
    told: dict[str, list[StatementLine]], fingerprints: list[str], row: Statement, account: BankAccount
) -> None:
    kept: dict[str, list[StatementLine]] = defaultdict(list)
    rows = StatementLine.objects.filter(bank_account_id=account.id, fingerprint__in=fingerprints)
    stored = list(rows.order_by("fingerprint", "part"))
    for line in stored:
        kept[line.fingerprint].append(line)
    homes = {one.id: one for one in Statement.objects.filter(id__in={line.statement_id for line in stored})}
    sources = _ranks_of_files({line.subject_id for line in stored}, account)
    moved: list[StatementLine] = []
    for fingerprint in fingerprints:
        old, new = kept[fingerprint], told[fingerprint]
        home = homes[old[0].statement_id]
        moves = _rank(row) < _rank(home)
        position = (new if moves else old)[0].position
        retold = _tells_more(new, _rank(row), old, sources[old[0].subject_id])
        if retold:
            _retell(old, new)
        if moves or retold:
            _stand(old, row if moves else home, position, account)
            moved += old
    StatementLine.objects.bulk_update(moved, ["statement", "position", "state"], batch_size=_CHUNK)


def retell_from(
    new: list[StatementLine], old: list[StatementLine], home: Statement, account: BankAccount
) -> None:
    """Let the stored lines of an entry say what is told in more parts; they stay where they stand."""
    position = old[0].position
    _retell(old, new)
    _stand(old, home, position, account)
    StatementLine.objects.bulk_update(old, ["statement", "position", "state"], batch_size=_CHUNK)


def _stand(lines: list[StatementLine], home: Statement, position: int, account: BankAccount) -> None:
    """Put an entry's lines where they count from now on."""
    for line in lines:
        line.statement_id, line.position = home.id, position
        if line.state != LineState.MATCHED:
            line.state = state_of_line(line, account, final=home.kind == "statement")


def _rank(row: Statement) -> Rank:
    return _RANKS.get(row.kind, _ADVICE), row.id


def _ranks_of_files(file_ids: Iterable[UUID], account: BankAccount) -> dict[UUID, Rank]:
    """Rank what was told by files, by the statements that were in them."""
    ranks: dict[UUID, Rank] = {}
    for one in Statement.objects.filter(file_id__in=set(file_ids), bank_account_id=account.id):
        ranks[one.file_id] = min(ranks.get(one.file_id, _rank(one)), _rank(one))
    return ranks


def _tells_more(new: list[StatementLine], by: Rank, old: list[StatementLine], was_by: Rank) -> bool:
    """Decide whose words an entry's lines keep. What is matched is not told again."""
    if any(line.state == LineState.MATCHED for line in old):
        return False
    return (-len(new), by) < (-len(old), was_by)


def _unsealed(line: StatementLine) -> str | None:
    return line.text.reveal() if line.text is not None else None


def _retell(old: list[StatementLine], new: list[StatementLine]) -> None:
    """Let stored lines say what is told now, part by part, and add parts that were not there."""
    for before, now in zip(old, new, strict=False):
        for name in _TOLD:
            setattr(before, name, getattr(now, name))
        before.text = _unsealed(now)
        before.save(update_fields=[*_TOLD, "text"])
    added = new[len(old) :]
    insert_lines(added)
    old += added
