"""Charts drawn on the server as SVG: geometry in attributes, looks in the stylesheet, numbers in titles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.money import Money

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 150, 64, 10, 20


def bars(days: Sequence[tuple[date, Money]]) -> SafeString:
    """Draw one bar a day, the last one marked as today; the scale begins at zero."""
    top = max((money.minor for _, money in days), default=0) or 1
    ceiling = _round_up(top)
    room = HEIGHT - TOP - BOTTOM
    step = (WIDTH - LEFT) / len(days)
    drawn = format_html_join(
        "",
        "{}",
        (
            (
                _bar(
                    day,
                    money,
                    LEFT + index * step,
                    step,
                    round(room * money.minor / ceiling, 1),
                    index == len(days) - 1,
                ),
            )
            for index, (day, money) in enumerate(days)
        ),
    )
    currency = days[0][1].currency
    summary = f"Settled by day in {currency}: most {Money(top, currency)}"
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        WIDTH,
        HEIGHT,
        summary,
        _grid(ceiling, currency, room),
        drawn,
        _dates(days, step),
    )


def share(part: int, whole: int) -> SafeString:
    """Draw how large a part is of a whole, as a line that fills up."""
    wide = round(100 * part / whole, 1) if whole else 0
    return format_html(
        '<svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="room" width="100" height="4"/><rect class="bar" width="{}" height="4"/></svg>',
        wide,
    )


def _bar(day: date, money: Money, left: float, step: float, tall: float, last: bool) -> SafeString:
    return format_html(
        '<g><title>{} · {}</title><rect class="hit" x="{}" y="{}" width="{}" height="{}"/>'
        '<rect class="bar{}" x="{}" y="{}" width="{}" height="{}" rx="2"/></g>',
        f"{day:%d %b}",
        str(money),
        round(left, 1),
        TOP,
        round(step, 1),
        HEIGHT - TOP - BOTTOM,
        " today" if last else "",
        round(left + step * 0.15, 1),
        round(HEIGHT - BOTTOM - tall, 1),
        round(step * 0.7, 1),
        tall,
    )


def _grid(ceiling: int, currency: str, room: int) -> SafeString:
    return format_html_join(
        "",
        '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="end" x="{}" y="{}">{}</text>',
        (
            (
                "grid" if part else "axis",
                LEFT,
                WIDTH,
                HEIGHT - BOTTOM - room * part / 2,
                HEIGHT - BOTTOM - room * part / 2,
                LEFT - 8,
                HEIGHT - BOTTOM - room * part / 2 + 4,
                _short(Money(ceiling * part // 2, currency)),
            )
            for part in (0, 1, 2)
        ),
    )


def _dates(days: Sequence[tuple[date, Money]], step: float) -> SafeString:
    shown = range(0, len(days), 7)
    return format_html_join(
        "",
        '<text class="middle" x="{}" y="{}">{}</text>',
        ((round(LEFT + (index + 0.5) * step, 1), HEIGHT - 4, f"{days[index][0]:%d %b}") for index in shown),
    )


def _round_up(minor: int) -> int:
    """Return the next of 1, 2, 5, 10, 20, 50 … at or above."""
    size = 10 ** (len(str(minor)) - 1)
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= minor)


def _short(money: Money) -> str:
    """Write an amount for an axis: 1.2 M, 50 k, 7."""
    units = int(money.decimal_text().partition(".")[0])
    for size, letter in ((1_000_000_000, "bn"), (1_000_000, "M"), (1_000, "k")):
        if units >= size:
            whole, rest = divmod(units * 10 // size, 10)
            return f"{whole}.{rest} {letter}" if rest and whole < 10 else f"{whole} {letter}"
    return str(units)
