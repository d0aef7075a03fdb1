"""Tells formats apart by what is in the file, never by its name."""

from __future__ import annotations

import re

from apps.payments.formats.errors import FormatError
from apps.payments.formats.messages import sniff
from apps.payments.formats.xml import Source, open_source

NACHA, MT940, MT942, BAI2 = "NACHA", "MT940", "MT942", "BAI2"

_BAI2 = re.compile(rb"\A\s*01\s*,")
_NACHA = re.compile(rb"\A\s*101[ 0-9A-Z]|\A\s*[5-9][0-9 ]{2}|(?m:^[5-8][0-9]{2}.{91}\r?$)")
_MT = re.compile(rb"(?m)^:20:|^:25:|^:28C?:|^:60[FM]:|\{4:")
_MT942 = re.compile(rb"(?m)^:34F:|^:13D?:|^:90[CD]:")


def detect(source: Source) -> str:
    """Return the format: an ISO 20022 message name (camt.053.001.08), NACHA, MT940, MT942 or BAI2.

    A Swiss dialect keeps its suffix (pain.002.001.03.ch.02). Raises FormatError (unknown_format).
    """
    with open_source(source) as stream:
        head = stream.read(65536)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        if name := sniff(source):
            return ".".join(part for part in name if part)
        raise FormatError("unknown_format", "The XML is no ISO 20022 message that can be recognised.", 1)
    if _BAI2.search(text):
        return BAI2
    if _MT.search(text):
        balances = re.search(rb"(?m)^:6[02][FM]:", text)
        return MT942 if _MT942.search(text) and not balances else MT940
    if _NACHA.search(text):
        return NACHA
    raise FormatError("unknown_format", "The file is of no format that is known here.", 1)
