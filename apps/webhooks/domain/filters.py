"""How an endpoint says which events it wants: exact names, prefixes that end in `.*`, or `*` for all.

The matching itself is done where events are fanned out, in SQL (`webhooks_fan_out`). Events of the
webhooks context go only to who names them exactly: an endpoint that fails must not be told of its failing.
"""

from __future__ import annotations

import re

FILTERS_MAX = 50
_FILTER = re.compile(r"\*|[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*(?:\.\*)?")


def is_filter(text: str) -> bool:
    """Tell whether the text is a usable filter of at most 100 characters."""
    return len(text) <= 100 and _FILTER.fullmatch(text) is not None
