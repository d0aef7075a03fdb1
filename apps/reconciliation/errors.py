"""What reconciliation refuses, beside what the formats refuse. Facts name the place, never a person."""

from __future__ import annotations

from apps.core.errors import Conflict, NotFound, Refusal


class UnknownBankAccount(Refusal):
    code = "unknown_bank_account"
    title = "The statement is of an account that is not ours; add it first, or send the file elsewhere."


class DuplicateStatement(Conflict):
    code = "duplicate_statement"
    title = "This statement was imported before, from another file."


class FutureDate(Refusal):
    code = "future_date"
    title = "The statement speaks of a day that has not come yet."


class FileChanged(Refusal):
    code = "file_changed"
    title = "The kept file is not the one that was announced."


class FileTooLarge(Refusal):
    code = "file_too_large"
    title = "The file is larger than any statement may be."


class BreakIsResolved(Conflict):
    code = "break_is_resolved"
    title = "The break has been resolved already."


class SumsDiffer(Refusal):
    code = "sums_differ"
    title = "The bank's side and ours do not have the same sum."


class NotOpen(Conflict):
    code = "not_open"
    title = "One of the lines or expectations is not open any more."


class DayNotProven(Conflict):
    code = "day_not_proven"
    title = "The day cannot be closed: what the bank sent does not prove it, or breaks are open."


class NoSuchObject(NotFound):
    code = "not_found"
