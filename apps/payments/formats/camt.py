"""Reads camt.052, camt.053 and camt.054 of every version into the one statement model.

Versions differ in shape (status as text or code, parties with or without `Pty`, BIC or BICFI); each
path lists the alternatives, newest first, so that a file whose content is older than its namespace
can still be read by a caller that asks to be lenient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from apps.payments.formats.camt_entry import read_entry, signed
from apps.payments.formats.errors import FINDINGS_MAX, Finding, FormatError
from apps.payments.formats.messages import (
    Message,
    message_name,
    read_message,
    require_valid,
    schema_findings,
    schema_of,
    sniff,
)
from apps.payments.formats.nodes import (
    Element,
    day,
    find,
    find_all,
    flag,
    line_of,
    local_name,
    moment,
    money,
    namespace_of,
    text,
)
from apps.payments.formats.statements import (
    Balance,
    Statement,
    StatementEntry,
    StatementFile,
    Summary,
    number_occurrences,
)
from apps.payments.formats.streaming import stream_elements
from apps.payments.formats.xml import (
    STREAM_ABOVE_BYTES,
    Source,
    open_source,
    source_bytes,
)

STATEMENT_KINDS = {"camt.052": "interim", "camt.053": "statement", "camt.054": "advice"}
ENTRIES_MAX = 500_000
"""A statement of more entries than this is refused; nobody's day has so many lines."""

_STATEMENT_TAGS = frozenset({"Stmt", "Rpt", "Ntfctn"})


@dataclass(frozen=True, slots=True)
class GroupHeader:
    """The head of a camt file: the message's name, id and time, its page, and findings on the schema."""

    name: str
    message_id: str
    created_at: datetime | None
    page: int = 1
    last_page: bool = True
    findings: tuple[Finding, ...] = ()


Part = GroupHeader | Statement | StatementEntry


def read_camt(source: Source, *, lenient: bool = False) -> StatementFile:
    """Read a whole camt file.

    Strictly, a file that breaks the official schema is refused. Leniently, the schema's complaints
    become warnings and everything that can be read is. Raises FormatError.
    """
    header: GroupHeader | None = None
    statements: list[Statement] = []
    entries: list[StatementEntry] = []
    for part in stream_camt(source, lenient=lenient):
        if isinstance(part, GroupHeader):
            header = part
        elif isinstance(part, StatementEntry):
            entries.append(part)
        else:
            _close(statements, entries)
            statements.append(part)
            entries = []
    _close(statements, entries)
    if header is None or not statements:
        raise FormatError("no_statement", "The message holds no statement.", None, "GrpHdr")
    return StatementFile(
        header.name,
        header.message_id,
        header.created_at,
        tuple(statements),
        sha256_of(source),
        header.findings,
    )


def _close(statements: list[Statement], entries: list[StatementEntry]) -> None:
    if statements:
        statement = statements[-1]
        statements[-1] = replace(statement, entries=number_occurrences(entries, statement.account))


def sha256_of(source: Source) -> str:
    """Return the SHA-256 of the bytes, in hex: how a file is recognised when it comes twice."""
    digest = hashlib.sha256()
    with open_source(source) as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def stream_camt(source: Source, *, lenient: bool = False) -> Iterator[Part]:
    """Yield the header, then each statement (without its entries) followed by its entries, one by one.

    Above STREAM_ABOVE_BYTES memory stays flat whatever the length. Raises FormatError; strictly that
    can also happen after parts were yielded, so keep nothing until the end is reached.
    """
    if source_bytes(source) <= STREAM_ABOVE_BYTES:
        yield from _tree_parts(source if isinstance(source, bytes) else source.read_bytes(), lenient=lenient)
        return
    name = sniff(source)
    if name is None or name[0][:8] not in STATEMENT_KINDS:
        raise FormatError("not_a_statement", "The file is not a camt.052, camt.053 or camt.054.")
    yield from _stream_parts(source, None if lenient else _checker(*name))


def _checker(name: str, dialect: str) -> Callable[[Element], None]:
    """Return what refuses a document, whole or in the making, that breaks its official schema."""
    if dialect or schema_of(name) is None:
        raise FormatError("schema_unknown", f"No official schema of {name} is on board.", None, "Document")

    def check(document: Element) -> None:
        require_valid(Message(name, dialect, document))

    return check


def _tree_parts(data: bytes, *, lenient: bool) -> Iterator[Part]:
    message = read_message(data)
    if message.kind not in STATEMENT_KINDS:
        raise FormatError("not_a_statement", "The file is not a camt.052, camt.053 or camt.054.")
    header = _read_header(message, lenient=lenient)
    yield header
    for element in message.body:
        if local_name(element) in _STATEMENT_TAGS:
            yield _read_head(element, header)
            for position, entry in enumerate(find_all(element, "Ntry"), start=1):
                yield read_entry(entry, position)


def _read_header(message: Message, *, lenient: bool) -> GroupHeader:
    findings = schema_findings(message)
    if not lenient and any(finding.severity == "error" for finding in findings):
        raise FormatError.of(findings)
    softened = tuple(replace(finding, severity="warning") for finding in findings[:FINDINGS_MAX])
    group = find(message.body, "GrpHdr")
    if group is None:
        return GroupHeader(message.name, "", None, findings=softened)
    return replace(_group_header(group), name=message.name, findings=softened)


def _group_header(group: Element) -> GroupHeader:
    name = message_name(namespace_of(group))
    paged = find(group, "MsgPgntn") is not None
    return GroupHeader(
        name=name[0] if name else "",
        message_id=text(group, "MsgId"),
        created_at=moment(group, "CreDtTm"),
        page=_count(group, "MsgPgntn/PgNb") or 1,
        last_page=flag(group, "MsgPgntn/LastPgInd") if paged else True,
    )


def _stream_parts(source: Source, check: Callable[[Element], None] | None) -> Iterator[Part]:
    header, headed, position = GroupHeader("", "", None), False, 0
    events = stream_elements(
        source, part="Ntry", containers=_STATEMENT_TAGS, others=frozenset({"GrpHdr"}), check=check
    )
    for event, element in events:
        name = local_name(element)
        if name == "GrpHdr" and event == "end":
            header = _group_header(element)
            yield header
        elif name in _STATEMENT_TAGS:
            if event == "end" and not headed:
                yield _read_head(element, header)
            headed, position = False, 0
        elif name == "Ntry" and event == "start" and not headed:
            parent = element.getparent()
            headed = parent is not None
            if parent is not None:
                yield _read_head(parent, header)
        elif name == "Ntry" and event == "end":
            position += 1
            if position > ENTRIES_MAX:
                raise _too_many(element)
            yield read_entry(element, position)


def _read_head(element: Element, header: GroupHeader) -> Statement:
    if len(find_all(element, "Ntry")) > ENTRIES_MAX:
        raise _too_many(element)
    balances = tuple(_read_balance(balance) for balance in find_all(element, "Bal"))
    iban = text(element, "Acct/Id/IBAN")
    paged = find(element, "StmtPgntn", "RptPgntn", "NtfctnPgntn") is not None
    pages = ("StmtPgntn", "RptPgntn", "NtfctnPgntn")
    return Statement(
        id=text(element, "Id"),
        kind=_kind(element),
        account=iban or text(element, "Acct/Id/Othr/Id"),
        iban=iban,
        currency=text(element, "Acct/Ccy") or _first_currency(element, balances),
        sequence=text(element, "ElctrncSeqNb"),
        legal_sequence=text(element, "LglSeqNb"),
        page=(_count(element, *(f"{p}/PgNb" for p in pages)) or 1) if paged else header.page,
        last_page=flag(element, *(f"{p}/LastPgInd" for p in pages)) if paged else header.last_page,
        created_at=moment(element, "CreDtTm"),
        from_date=day(element, "FrToDt/FrDtTm", "FrToDt/FrDt"),
        to_date=day(element, "FrToDt/ToDtTm", "FrToDt/ToDt"),
        bank_bic=text(element, "Acct/Svcr/FinInstnId/BICFI", "Acct/Svcr/FinInstnId/BIC"),
        balances=balances,
        summary=_read_summary(element),
        line=line_of(element),
    )


def _too_many(element: Element) -> FormatError:
    return FormatError(
        "too_many_entries", f"A statement has more than {ENTRIES_MAX} entries.", line_of(element)
    )


def _kind(element: Element) -> str:
    return {"Stmt": "statement", "Rpt": "interim", "Ntfctn": "advice"}[local_name(element)]


def _first_currency(element: Element, balances: tuple[Balance, ...]) -> str:
    """Take the currency of the first balance, else of the first entry: `Acct/Ccy` is optional."""
    if balances:
        return balances[0].amount.currency
    amount = find(element, "Ntry/Amt")
    return amount.get("Ccy", "") if amount is not None else ""


def _read_balance(element: Element) -> Balance:
    amount = money(element, "Amt")
    if amount is None:
        raise FormatError("amount_missing", "A balance has no amount.", line_of(element), "Bal/Amt")
    code = text(element, "Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry", "Tp/Cd")
    return Balance(code, signed(element, amount), day(element, "Dt"))


def _read_summary(element: Element) -> Summary:
    return Summary(
        entries=_count(element, "TxsSummry/TtlNtries/NbOfNtries"),
        credits=_count(element, "TxsSummry/TtlCdtNtries/NbOfNtries"),
        credit_sum=text(element, "TxsSummry/TtlCdtNtries/Sum"),
        debits=_count(element, "TxsSummry/TtlDbtNtries/NbOfNtries"),
        debit_sum=text(element, "TxsSummry/TtlDbtNtries/Sum"),
    )


def _count(element: Element, *paths: str) -> int | None:
    written = text(element, *paths)
    return int(written) if written.isascii() and written.isdigit() and len(written) <= 15 else None
