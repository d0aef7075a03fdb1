"""XML from strangers, read safely: no entities, no DTD, no network, limits on size and depth.

Every ISO 20022 message goes through `parse_tree` (for messages that fit in memory) or
`streaming.stream_elements` (for statements of any length). Both refuse a document that declares a DTD
before the parser sees it, so neither entity expansion nor external references exist.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import IO, Any

from lxml import etree

from apps.payments.formats.errors import FormatError

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""Largest message read as a tree: more than 60,000 payments."""
STREAM_BYTES_MAX = 160 * 1024 * 1024
"""Largest statement file read as a stream."""
STREAM_ABOVE_BYTES = 16 * 1024 * 1024
"""Statement files above this size are never held as a tree."""
TAGS_MAX = 3_000_000
"""Most tags of a message read as a tree (a start and an end count twice): each costs about 120 bytes."""
DEPTH_MAX = 64
"""The deepest path of any ISO 20022 schema is below 25."""

_CHUNK_BYTES = 1 << 20
_ENCODINGS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "latin1"})
_DECLARED_ENCODING = re.compile(
    rb"""\A(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"']{1,40})["']"""
)
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)")
_QUOTED = re.compile(r"(?<=[Vv]alue )'[^']*'|(?<=\[CDATA\[).*?(?=\]\])")

Source = bytes | Path
"""A file's bytes, or where it lies."""


def open_source(source: Source) -> IO[bytes]:
    """Open the source for reading from its beginning."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def source_bytes(source: Source) -> int:
    """Tell the size of the source in bytes."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def check_document_bytes(
    source: Source, *, bytes_max: int = MESSAGE_BYTES_MAX, tags_max: int | None = TAGS_MAX
) -> None:
    """Refuse what must never reach the parser: too large, too many tags, binary, a DTD, an exotic encoding.

    Raises FormatError with the codes too_large, empty, nul_byte, xml_dtd, xml_tags and xml_encoding.
    An encoding other than the allowed ones could hide a DTD from the search for its bytes.
    """
    size = source_bytes(source)
    if size > bytes_max:
        raise FormatError("too_large", f"The file has {size} bytes; the limit is {bytes_max}.")
    if not size:
        raise FormatError("empty", "The file is empty.")
    lines_before, tags, tail = 0, 0, b""
    with open_source(source) as stream:
        _check_encoding(stream.read(512))
        stream.seek(0)
        while chunk := stream.read(_CHUNK_BYTES):
            tags += chunk.count(b"<")
            if tags_max is not None and tags > tags_max:
                raise FormatError("xml_tags", f"The document has more than {tags_max} tags.")
            window = tail + chunk
            _check_chunk(window, lines_before)
            tail = window[-16:]
            lines_before += window[:-16].count(b"\n")


def _check_encoding(head: bytes) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FormatError("xml_encoding", "UTF-16 is not accepted; ISO 20022 files are UTF-8.", 1)
    declared = _DECLARED_ENCODING.match(head)
    if declared and declared[1].decode("ascii", "replace").lower() not in _ENCODINGS:
        raise FormatError(
            "xml_encoding", "The declared encoding is not accepted; ISO 20022 files are UTF-8.", 1
        )


def _check_chunk(window: bytes, lines_before: int) -> None:
    if (at := window.find(b"\0")) >= 0:
        raise FormatError(
            "nul_byte", "The file holds a NUL byte.", lines_before + window.count(b"\n", 0, at) + 1
        )
    if match := _DOCTYPE.search(window):
        line = lines_before + window.count(b"\n", 0, match.start()) + 1
        raise FormatError("xml_dtd", "The file declares a DTD or an entity, which is never read.", line)


def syntax_error(error: etree.XMLSyntaxError) -> FormatError:
    """Turn the parser's complaint into ours, without quoting the file."""
    line = error.lineno or None
    return FormatError("xml_syntax", without_values(f"The XML is not well formed: {error.msg}"), line)


def without_values(message: str) -> str:
    """Take quoted values out of a message of libxml2 and shorten its namespaces: they may be personal data."""
    message = _QUOTED.sub("…", message)
    return re.sub(r"\{[^}]*\}", "", message)[:300]


PARSER_OPTIONS: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
}


def parse_tree(data: bytes, *, bytes_max: int = MESSAGE_BYTES_MAX) -> etree._Element:
    """Parse a whole document and return its root. Raises FormatError."""
    check_document_bytes(data, bytes_max=bytes_max)
    try:
        root = etree.fromstring(data, etree.XMLParser(**PARSER_OPTIONS))
    except etree.XMLSyntaxError as error:
        raise syntax_error(error) from None
    except (ValueError, LookupError) as error:
        raise FormatError("xml_syntax", f"The XML cannot be read: {type(error).__name__}.") from None
    _check_depth(root)
    return root


def _check_depth(root: etree._Element) -> None:
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEPTH_MAX:
            raise FormatError(
                "xml_depth", f"Elements are nested deeper than {DEPTH_MAX}.", element.sourceline
            )
