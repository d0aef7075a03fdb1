"""The registry of ISO 20022 messages: which one a document is, its official schema, its envelope.

A message reaches us bare (a `Document`), with a business application header in an envelope (CBPR+,
FedNow), or with its body directly under the envelope (RTP). All three come out as `Message`.
"""

from __future__ import annotations

import contextlib
import copy
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from apps.payments.formats.errors import FINDINGS_MAX, Finding, FormatError
from apps.payments.formats.nodes import Element, line_of, local_name, namespace_of
from apps.payments.formats.xml import (
    MESSAGE_BYTES_MAX,
    Source,
    open_source,
    parse_tree,
    without_values,
)

SCHEMA_DIRECTORY = Path(__file__).parent / "schemas"
ISO_PREFIX = "urn:iso:std:iso:20022:tech:xsd:"
_ISO = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.\d{3}\.\d{3}\.\d{2})\}")
# The Swiss interbank clearing restricts ISO messages under namespaces of its own.
_SWISS = re.compile(
    r"\{http://www\.six-interbank-clearing\.com/de/([a-z]{4}\.\d{3}\.\d{3}\.\d{2})(\.ch\.\d{2})\.xsd\}"
)

_schema_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a file: its name (pacs.008.001.08), dialect, Document and application header."""

    name: str
    dialect: str
    document: Element
    header: Element | None = None

    @property
    def kind(self) -> str:
        """Return the name without its variant and version: pacs.008."""
        return self.name[:8]

    @property
    def body(self) -> Element:
        """Return the one child of the Document. Raises FormatError if it has none."""
        if not len(self.document):
            raise FormatError("xml_empty", "The Document holds no message.", line_of(self.document))
        return self.document[0]


def message_name(namespace: str) -> tuple[str, str] | None:
    """Tell the message and dialect of a namespace in braces, or None if it is not of ISO 20022."""
    if match := _ISO.fullmatch(namespace):
        return match[1], ""
    if match := _SWISS.fullmatch(namespace):
        return match[1], match[2].lstrip(".")
    return None


@lru_cache(maxsize=64)
def schema_of(name: str) -> etree.XMLSchema | None:
    """Compile the official schema of a message, or return None if none is on board."""
    path = SCHEMA_DIRECTORY / f"{name}.xsd"
    if not re.fullmatch(r"[a-z]{4}(\.\d{3}){2}\.\d{2}", name) or not path.exists():
        return None
    return etree.XMLSchema(etree.parse(str(path)))


def read_message(data: bytes, *, bytes_max: int = MESSAGE_BYTES_MAX) -> Message:
    """Parse a file that holds one ISO 20022 message, bare or in an envelope. Raises FormatError."""
    root = parse_tree(data, bytes_max=bytes_max)
    found = _documents(root)
    if not found:
        raise FormatError("not_iso20022", "The XML holds no ISO 20022 document.", line_of(root))
    if len(found) > 1:
        raise FormatError(
            "several_messages", "The XML holds more than one ISO 20022 document.", line_of(root)
        )
    return found[0]


def _documents(root: Element) -> list[Message]:
    header = next((el for el in root.iter("{*}AppHdr")), None)
    documents = [root] if local_name(root) == "Document" else list(root.iter("{*}Document"))
    named = ((document, message_name(namespace_of(document))) for document in documents)
    found = [Message(name[0], name[1], document, header) for document, name in named if name]
    return found or _bodies_without_document(root, header)


def _bodies_without_document(root: Element, header: Element | None) -> list[Message]:
    """Wrap message bodies that hang under a foreign envelope in a Document of their own namespace."""
    found = []
    for element in root.iter(etree.Element):
        parent, name = element.getparent(), message_name(namespace_of(element))
        if parent is None or name is None or name[0].startswith("head."):
            continue
        if message_name(namespace_of(parent)) is not None:
            continue
        document = etree.Element(f"{namespace_of(element)}Document", nsmap=_default_namespace(element))
        document.append(copy.deepcopy(element))
        found.append(Message(name[0], name[1], document, header))
    return found


def _default_namespace(element: Element) -> dict[Any, str]:
    return {None: namespace_of(element)[1:-1]}


def schema_findings(message: Message) -> list[Finding]:
    """Validate against the official schema and return what it says, at most FINDINGS_MAX findings.

    A message whose schema is not on board gets the warning schema_unknown. A Swiss dialect is
    validated as the ISO message it restricts.
    """
    schema = schema_of(message.name)
    if schema is None:
        text = f"No official schema of {message.name} is on board; only its content was checked."
        return [Finding("schema_unknown", text, None, "Document", "warning")]
    document = _in_iso_namespace(message) if message.dialect else message.document
    with _schema_lock:  # a schema's error log belongs to its last validation
        if schema.validate(document):
            return []
        log: Any = schema.error_log
        entries = list(log)[:FINDINGS_MAX]
    return [
        Finding("schema", without_values(entry.message), entry.line or None, _place(entry.path))
        for entry in entries
    ]


def _place(path: str | None) -> str:
    """Return the last three steps of an XPath without namespaces and wildcards."""
    steps = [re.sub(r"^\*(\[\d+\])?$|^\w+:", "", step) for step in (path or "").split("/")]
    return "/".join(step for step in steps[-3:] if step)


def _in_iso_namespace(message: Message) -> Element:
    document = copy.deepcopy(message.document)
    old, new = namespace_of(document), f"{{{ISO_PREFIX}{message.name}}}"
    for element in document.iter(etree.Element):
        if namespace_of(element) == old:
            element.tag = new + local_name(element)
    return document


def require_valid(message: Message) -> None:
    """Refuse a message that breaks its schema. Raises FormatError with every finding."""
    findings = schema_findings(message)
    if any(finding.severity == "error" for finding in findings):
        raise FormatError.of(findings)


def sniff(source: Source, *, head_bytes: int = 65536) -> tuple[str, str] | None:
    """Tell the message and dialect of an XML file from its beginning, or None. Never raises."""
    with open_source(source) as stream:
        head = stream.read(head_bytes)
    if b"\0" in head or b"<!DOCTYPE" in head:
        return None
    parser = etree.XMLPullParser(
        events=("start",), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    with contextlib.suppress(etree.XMLSyntaxError):
        parser.feed(head)
    events: Any = parser.read_events()
    with contextlib.suppress(etree.XMLSyntaxError):
        for _, element in events:
            name = message_name(namespace_of(element))
            if name and not name[0].startswith("head."):
                return name
    return None
