"""Reconciliation: statements, runs, matches, breaks with both sides beside each other."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from apps.console import badges, navigation
from apps.console.actions import confirm, offered
from apps.console.pages.reconciliation_days import READ, account_name, may_work
from apps.console.pages.reconciliation_work import (
    ACTIONS,
    COMMANDS,
    KEYS,
    UNDO,
    legal,
    match_page,
    may_match,
    undo,
)
from apps.console.pages.search import place
from apps.console.seen import seen
from apps.console.site import SITE
from apps.console.tiles import Panel, Tile, panel, tile
from apps.console.timeline import timeline_of
from apps.core import clock
from apps.core.console import ReadOnlyAdmin, amount_html, id_html, page_of, state_html, time_html
from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation.public import (
    Break,
    BreakEvent,
    Match,
    Proposal,
    ReconRun,
    Statement,
    StatementLine,
    age_bucket,
    queries,
    workbench,
)

OPEN_BREAKS = "/console/breaks/?state__exact=open"
LINES_MAX, HISTORY_MAX = 500, 200
_BREAK_TONES = {"open": "bad", "resolved": "good"}
_MATCH_TONES = {"made": "busy", "applied": "good", "undone": "off"}

navigation.entry("Reconciliation", "Days", "/console/reconciliation/", permission=READ, keys="r")
navigation.entry("Reconciliation", "Breaks", "/console/breaks/", permission=READ, keys="b")
navigation.entry("Reconciliation", "Statements", "/console/statements/", permission=READ)
navigation.entry("Reconciliation", "Runs", "/console/runs/", permission=READ)
navigation.entry("Reconciliation", "Matches", "/console/matches/", permission=READ)
navigation.entry("Reconciliation", "By the file", "/console/break-files/", permission=READ)
for prefix, address in (("brk", "breaks"), ("stm", "statements"), ("run", "runs"), ("mat", "matches")):
    place(prefix, f"/console/{address}/{{}}/", READ)
Break._meta.verbose_name_plural = "breaks"
Statement._meta.verbose_name_plural = "statements"
ReconRun._meta.verbose_name_plural = "reconciliation runs"
Match._meta.verbose_name_plural = "matches"


def _money(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)


class StatementAdmin(ReadOnlyAdmin):
    """What banks sent."""

    permission, slug, id_prefix = READ, "statements", "stm"
    intro = "As the bank wrote them. Proven: opening + booked entries = closing, in one currency."
    list_display = ("statement", "account", "day_of", "kind", "proof_word", "line_count", "total", "imported")
    list_filter = ("proof", "kind", "currency")
    list_select_related = ("bank_account",)

    @admin.display
    def statement(self, row: Statement) -> str:
        """Show the bank's id."""
        return row.bank_id or "–"

    @admin.display
    def account(self, row: Statement) -> str:
        """Show the bank account."""
        return account_name(row.bank_account)

    @admin.display(description="day")
    def day_of(self, row: Statement) -> str:
        """Show the day."""
        return time_html(row.day)

    @admin.display(description="proof")
    def proof_word(self, row: Statement) -> str:
        """Show whether the balances foot."""
        return state_html(row.proof)

    @admin.display(description="closing")
    def total(self, row: Statement) -> str:
        """Show the closing balance."""
        return amount_html(_money(row.closing_minor, row.currency))

    @admin.display
    def imported(self, row: Statement) -> str:
        """Show when."""
        return time_html(row.imported_at)

    def object_page(self, request: HttpRequest, found: Statement) -> HttpResponse:
        """Show a statement's footing and its lines; names and texts stay sealed."""
        facts = {
            "id": id_html(public_id("stm", found.id), short=False),
            "account": account_name(found.bank_account),
            "day": found.day,
            "proof": state_html(found.proof),
            "because": found.proof_reasons or "",
            "opening": _money(found.opening_minor, found.currency),
            "credits": _money(found.credit_minor, found.currency),
            "debits": _money(found.debit_minor, found.currency),
            "closing": _money(found.closing_minor, found.currency),
            "entries": found.entry_count,
            "lines known before": found.known_count,
            "file": found.file.name,
            "sha-256": found.file.sha256,
            "imported": found.imported_at,
        }
        lines = StatementLine.objects.filter(statement=found).order_by("position", "part")[:LINES_MAX]
        return self.page(
            request,
            "console/statement.html",
            title=f"Statement {found.bank_id}",
            facts=facts,
            lines=[(line, _money(line.amount_minor, line.currency)) for line in lines],
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the account and the file with the statement."""
        return super().get_queryset(request).select_related("bank_account", "file")


class RunAdmin(ReadOnlyAdmin):
    """Runs of the matching, newest first."""

    permission, slug, id_prefix = READ, "runs", "run"
    list_display = ("when", "account", "as_of_day", "matched_count", "break_count", "expected_count")
    list_select_related = ("bank_account",)

    @admin.display(description="run")
    def when(self, row: ReconRun) -> str:
        """Show when."""
        return time_html(row.at)

    @admin.display
    def account(self, row: ReconRun) -> str:
        """Show the bank account."""
        return account_name(row.bank_account)

    @admin.display(description="as of")
    def as_of_day(self, row: ReconRun) -> str:
        """Show the day."""
        return time_html(row.as_of)

    @admin.display(description="matched")
    def matched_count(self, row: ReconRun) -> int:
        """Sum the matches."""
        return _sum(row.matched)

    @admin.display(description="breaks")
    def break_count(self, row: ReconRun) -> int:
        """Sum the open breaks."""
        return _sum(row.breaks)

    def object_page(self, request: HttpRequest, found: ReconRun) -> HttpResponse:
        """Show what a run matched, and where its account stands now: open, expected, breaks, drift."""
        told = workbench.run_page(found)
        currency = found.bank_account.currency
        facts = {
            "account": account_name(found.bank_account),
            "as of": found.as_of,
            "at": found.at,
            "made by": found.made_by,
            "expected then, not due": found.expected_count,
            "open breaks then": _in_words(found.breaks),
            "took": f"{found.seconds:.2f} s",
        }
        return self.page(
            request,
            "console/run.html",
            title=f"Run of {found.at:%Y-%m-%d %H:%M} UTC",
            facts=facts,
            currency=currency,
            told=told,
            drift=_money(told.position.drift_minor, currency) if told.position else None,
            breaks_url=f"/console/breaks/?state__exact=open&bank_account_id={found.bank_account_id}",
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the account with the run."""
        return super().get_queryset(request).select_related("bank_account")


def _in_words(counts: dict[str, int]) -> str:
    told = (f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
    return ", ".join(told) or "none"


def _sum(counts: Any) -> int:
    return (
        sum(number for number in counts.values() if isinstance(number, int))
        if isinstance(counts, dict)
        else 0
    )


class BreakAdmin(ReadOnlyAdmin):
    """Differences between the bank and us."""

    permission, slug, id_prefix = READ, "breaks", "brk"
    intro = "A break is a difference with a reason. What is expected and not yet due is none."
    list_display = ("found", "reason_word", "state_word", "difference", "account", "since", "age", "owner")
    list_filter = ("state", "reason", "currency")
    list_select_related = ("bank_account",)

    @admin.display(description="break")
    def found(self, row: Break) -> str:
        """Show the id."""
        text = public_id("brk", row.id)
        return f"{text[:8]}…{text[-6:]}"

    @admin.display(description="reason")
    def reason_word(self, row: Break) -> str:
        """Show why."""
        return row.reason.replace("_", " ")

    @admin.display(description="state")
    def state_word(self, row: Break) -> str:
        """Show whether it is open."""
        return state_html(row.state, tone=_BREAK_TONES.get(row.state, ""))

    @admin.display
    def difference(self, row: Break) -> str:
        """Show the bank's amount less ours."""
        return amount_html(Money(row.difference_minor, row.currency))

    @admin.display
    def account(self, row: Break) -> str:
        """Show the bank account."""
        return account_name(row.bank_account)

    @admin.display(description="age in days")
    def age(self, row: Break) -> str:
        """Show how old it is, by bucket; nothing of a resolved one."""
        days = (clock.database_now().date() - row.day).days if row.state == "open" else None
        return age_bucket(days) if days is not None else "–"

    @admin.display
    def since(self, row: Break) -> str:
        """Show since when."""
        return time_html(row.day)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read both sides with the break."""
        return super().get_queryset(request).select_related("bank_account", "line", "expectation")

    def more_urls(self) -> list[Any]:
        """Add what can be done about a break."""
        guard = self.admin_site.admin_view
        return [
            path("<str:object_id>/match/", guard(self.match)),
            path("<str:object_id>/<slug:action>/", guard(self.act)),
        ]

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Let a run's page link to the breaks of its account."""
        return lookup == "bank_account_id" or super().lookup_allowed(lookup, value, request)

    def object_page(self, request: HttpRequest, found: Break) -> HttpResponse:
        """Show our side and the bank's beside each other, mark what differs, and offer what can be done."""
        bank, ours = _bank_side(found), _our_side(found)
        both = bool(bank) and bool(ours)
        differing = {name for name in bank if both and name in ours and str(bank[name]) != str(ours[name])}
        refused = workbench.match_behind(found)
        match_id = found.line.match_id if found.line is not None and found.state != "open" else None
        return self.page(
            request,
            "console/break.html",
            title=f"Break: {found.reason.replace('_', ' ')}",
            found=found,
            bank=bank,
            ours=ours,
            differing=differing,
            difference=Money(found.difference_minor, found.currency),
            history=[(event, _note(event, request)) for event in _events(found)],
            tone=_BREAK_TONES.get(found.state, ""),
            age_days=(clock.database_now().date() - found.day).days,
            account=account_name(found.bank_account),
            timeline=timeline_of(public_id("brk", found.id)),
            actions=[(one, KEYS[one.name]) for one in offered(request, [ACTIONS[n] for n in legal(found)])],
            may_match=may_match(found) and may_work(request),
            proposals=[_proposal(one) for one in queries.proposals_for(found)],
            refused_match=public_id("mat", refused.id) if refused else "",
            match_id=public_id("mat", match_id) if match_id else "",
        )

    def match(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Choose what a break's line is, or which lines an expectation is."""
        found = seen(self, request, object_id)
        return match_page(request, found, back=self.address(found.id))

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Confirm and run one of the commands that the break allows."""
        if action in ("change", "delete", "history"):
            return self.refuse(request)
        found = seen(self, request, object_id)
        if action not in ACTIONS:
            raise Http404
        facts = {
            "break": public_id("brk", found.id),
            "reason": found.reason.replace("_", " "),
            "difference": Money(found.difference_minor, found.currency),
            "account": account_name(found.bank_account),
        }
        return confirm(
            request,
            ACTIONS[action],
            back=self.address(found.id),
            facts=facts,
            build=partial(COMMANDS[action], found),
        )


def _events(found: Break) -> QuerySet[BreakEvent]:
    return BreakEvent.objects.filter(break_of=found).order_by("version")[:HISTORY_MAX]


def _note(event: BreakEvent, request: HttpRequest) -> str:
    """Open a note for those who work on breaks; the others see that there is one."""
    if event.note is None:
        return ""
    return event.note.shown() if may_work(request) else "•••"


def _proposal(one: Proposal) -> dict[str, Any]:
    ours = one.expectation
    payment = public_id("pay", ours.payment_id) if ours.payment_id else ""
    return {
        "score": one.score,
        "why": ", ".join(reason.replace("_", " ") for reason in one.reasons),
        "amount": Money(ours.amount_minor, ours.currency),
        "due": ours.due_date,
        "end_to_end": ours.end_to_end,
        "payment": id_html(payment, url=page_of(payment)) if payment else ours.kind,
        "id": public_id("exp", ours.id),
    }


class MatchAdmin(ReadOnlyAdmin):
    """What was found to be the same money, by the passes and by people."""

    permission, slug, id_prefix = READ, "matches", "mat"
    intro = (
        "Lines of the bank and expectations of ours that are the same money. Undone ones keep what they held."
    )
    list_display = ("match", "method_word", "state_word", "amount", "account", "day_of", "made_by")
    list_filter = ("method", "state", "currency")
    list_select_related = ("bank_account",)

    @admin.display
    def match(self, row: Match) -> str:
        """Show the id."""
        text = public_id("mat", row.id)
        return f"{text[:8]}…{text[-6:]}"

    @admin.display(description="method")
    def method_word(self, row: Match) -> str:
        """Show how it was found."""
        return row.method.replace("_", " ")

    @admin.display(description="state")
    def state_word(self, row: Match) -> str:
        """Show where it is."""
        return state_html(row.state, tone=_MATCH_TONES.get(row.state, ""))

    @admin.display
    def amount(self, row: Match) -> str:
        """Show the bank's side."""
        return amount_html(Money(row.bank_minor, row.currency))

    @admin.display
    def account(self, row: Match) -> str:
        """Show the bank account."""
        return account_name(row.bank_account)

    @admin.display(description="day")
    def day_of(self, row: Match) -> str:
        """Show the day of the latest booking."""
        return time_html(row.day)

    def more_urls(self) -> list[Any]:
        """Add taking it back."""
        return [path("<str:object_id>/undo/", self.admin_site.admin_view(self.undo))]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the account with the match."""
        return super().get_queryset(request).select_related("bank_account")

    def object_page(self, request: HttpRequest, found: Match) -> HttpResponse:
        """Show both sides of a match, what it posted, and whether it can be taken back."""
        told = workbench.match_page(found)
        facts = {
            "id": id_html(public_id("mat", found.id), short=False),
            "method": found.method.replace("_", " "),
            "account": account_name(found.bank_account),
            "day": found.day,
            "bank's side": Money(found.bank_minor, found.currency),
            "our side": Money(found.expected_minor, found.currency),
            "journals": ", ".join(str(seq) for seq in found.journals),
            "made by": found.made_by,
            "made": found.made_at,
            "reason": found.reason,
            "taken back by": found.undone_by,
            "taken back": found.undone_at,
        }
        return self.page(
            request,
            "console/match.html",
            title="Match",
            found=found,
            facts=facts,
            tone=_MATCH_TONES.get(found.state, ""),
            lines=[
                (one, public_id("stm", one.statement_id), Money(one.amount_minor, one.currency))
                for one in told.lines
            ],
            expectations=[
                (
                    one,
                    public_id("pay", one.payment_id) if one.payment_id else "",
                    Money(one.amount_minor, one.currency),
                )
                for one in told.expectations
            ],
            actions=offered(request, [UNDO]) if workbench.may_be_undone(found) else [],
            timeline=timeline_of(public_id("mat", found.id)),
        )

    def undo(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm and take a match back."""
        found = seen(self, request, object_id)
        facts = {
            "match": public_id("mat", found.id),
            "method": found.method.replace("_", " "),
            "amount": Money(found.bank_minor, found.currency),
        }
        return confirm(request, UNDO, back=self.address(found.id), facts=facts, build=partial(undo, found))


def _bank_side(found: Break) -> dict[str, Any]:
    line = found.line
    if line is None:
        return {}
    statement = public_id("stm", line.statement_id)
    return {
        "amount": Money(line.amount_minor, line.currency),
        "date": line.booking_date,
        "end-to-end id": line.end_to_end,
        "batch": line.batch_id,
        "creditor reference": line.creditor_reference,
        "bank's reference": line.bank_reference,
        "return reason": line.return_reason,
        "statement": id_html(statement, url=page_of(statement)),
    }


def _our_side(found: Break) -> dict[str, Any]:
    expected = found.expectation
    if expected is None:
        return {}
    payment = public_id("pay", expected.payment_id) if expected.payment_id else ""
    return {
        "amount": Money(expected.amount_minor, expected.currency),
        "date": expected.due_date,
        "end-to-end id": expected.end_to_end,
        "batch": expected.batch_id,
        "creditor reference": expected.creditor_reference,
        "kind": expected.kind,
        "window": f"{expected.window_from} to {expected.window_to}",
        "payment": id_html(payment, url=page_of(payment)),
    }


SITE.register(Statement, StatementAdmin)
SITE.register(ReconRun, RunAdmin)
SITE.register(Break, BreakAdmin)
SITE.register(Match, MatchAdmin)


def open_breaks() -> int:
    """Count the open breaks."""
    return Break.objects.filter(state="open").count()


badges.BADGES.append(badges.Badge("breaks", OPEN_BREAKS, READ, open_breaks))


@tile(READ)
def breaks_tile() -> Tile:
    """Tell how many breaks are open, and since when."""
    oldest = Break.objects.filter(state="open").order_by("day", "id").first()
    more = f"oldest of {oldest.day:%d %b}" if oldest else "bank and books agree"
    return Tile("Open breaks", open_breaks(), OPEN_BREAKS, more, "bad" if oldest else "good")


@panel(READ)
def oldest_breaks_panel() -> Panel | None:
    """List the oldest open breaks."""
    rows = Break.objects.filter(state="open").select_related("bank_account").order_by("day", "id")[:6]
    shown = [
        (
            row,
            public_id("brk", row.id),
            account_name(row.bank_account),
            Money(row.difference_minor, row.currency),
        )
        for row in rows
    ]
    return Panel("console/oldest_breaks.html", {"rows": shown}) if shown else None
