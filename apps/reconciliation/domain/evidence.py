"""The evidence of a closed day as a page that can be read and printed without anything else."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;color:#1a1d21}"
    "table{border-collapse:collapse;width:100%;margin:0 0 1.5rem}th,td{border:1px solid #c9ced6;"
    "padding:.3rem .6rem;text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "code{font-size:12px;word-break:break-all}@page{margin:18mm}"
)


def report_html(evidence: dict[str, Any], *, sha256: str) -> str:
    """Write the evidence as one HTML page. Everything that came from a file is escaped."""
    title = f"{evidence['account']} {evidence['currency']}, {evidence['day']}"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>Day closed: {escape(title)}</h1>",
        _pairs(
            {
                "Opening at the bank": evidence["opening"],
                "Closing at the bank": evidence["closing"],
                "Cash in the books": evidence["books"],
                "Drift": evidence["drift"],
                "Closed by": evidence["closed_by"],
                "Closed at": evidence["closed_at"],
            }
        ),
        _table(
            "Statements",
            ["Statement", "Entries", "Credit", "Debit", "Proof", "File (SHA-256)"],
            [
                [row["bank_id"], row["entries"], row["credit"], row["debit"], row["proof"], row["file"]]
                for row in evidence["statements"]
            ],
        ),
        _table(
            "Matches",
            ["Method", "Count", "Sum"],
            [[name, row["count"], row["sum"]] for name, row in sorted(evidence["matches"].items())],
        ),
        _table(
            "Breaks still open, accepted at the close",
            ["Break", "Reason", "Difference", "Owner"],
            [[row["id"], row["reason"], row["difference"], row["owner"]] for row in evidence["breaks"]],
        ),
        f"<p>SHA-256 of the evidence as canonical JSON: <code>{escape(sha256)}</code></p></html>",
    ]
    return "\n".join(parts)


def _pairs(values: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}<td class=n>{escape(str(value))}" for name, value in values.items()
    )
    return f"<table>{rows}</table>"


def _table(title: str, heads: list[str], rows: list[list[Any]]) -> str:
    if not rows:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    head = "".join(f"<th>{escape(name)}" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in row) for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{head}{body}</table>"
