"""A card processor as merchants see it: authorises, captures, gives back, and tells of it by events.

It knows nothing of the platform but the messages. Time is an argument, everything it remembers is JSON-able.
What a card's token says makes it misbehave (`FAULTS`); any other token is an ordinary card.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.core.money import Money

FAULTS = {
    "tok_decline_CODE": "the issuer declines with that code",
    "tok_3ds, tok_3ds_decline": "the payer must authenticate first; then it is authorised, or declined",
    "tok_timeout": "authorised, but the answer is lost; an inquiry tells",
    "tok_late_success": "the answer is lost, and for a minute an inquiry finds nothing; then an event tells",
    "tok_lost": "the request is lost, and an inquiry finds nothing",
    "tok_error": "HTTP 500, and nothing done",
    "tok_unknown": "refused: there is no such token",
    "tok_wrong_amount, tok_wrong_currency": "authorised, but for something else",
    "tok_pending": "captures and refunds are pending, and succeed when time passes",
    "tok_capture_fails, tok_refund_fails": "it is pending, and fails when time passes",
    "tok_capture_timeout, tok_refund_timeout": "done, but the answer is lost",
    "tok_dispute, tok_dispute_won": "disputed once captured; evidence loses, or wins",
    "tok_inquiry": "the issuer inquires once it is captured, and leaves it at that",
    "tok_twice": "every event comes twice",
    "tok_backwards": "events come in reverse",
}
FEE_BP, FEE_FLAT, DISPUTE_FEE = 140, 25, 1_500
LATE_AFTER = timedelta(seconds=60)
EVIDENCE_WITHIN = timedelta(days=7)
AUTHORISED_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller gets: an HTTP status and a JSON object, or nothing when the answer is lost."""

    status: int
    data: dict[str, Any]
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An event on its way to a merchant."""

    merchant: str
    id: str
    type: str
    data: dict[str, Any]
    at: datetime


class Processor:
    """The accounts of one processor's merchants, and every request it has seen."""

    def __init__(self, *, base_url: str = "http://127.0.0.1") -> None:
        self.base_url = base_url
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        self.later: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.payouts = 0

    def post(self, path: str, body: dict[str, Any], *, key: str, at: datetime) -> Reply:
        """Take a request. The same key and body get the same answer again, another body a refusal."""
        digest = hashlib.sha256(repr((path, sorted(body.items()))).encode()).hexdigest()
        known = self.requests.get(key)
        if known is not None and known["digest"] != digest:
            return Reply(422, {"code": "idempotency_conflict"})
        if known is not None and known["object"]:
            return Reply(200, self._shown(known["object"]))
        if known is not None and known["code"]:
            return Reply(409, {"code": known["code"]})
        reply, object_id = self._take(path, body, at)
        done = reply.status < 300 and object_id
        if done or reply.status == 409:
            seen_from = at + LATE_AFTER if reply.data.get("late") else at
            self.requests[key] = {
                "digest": digest,
                "object": object_id,
                "code": "" if done else reply.data["code"],
                "seen_from": seen_from.isoformat(),
            }
        if object_id and not reply.lost:
            return Reply(reply.status, self._shown(object_id))
        return reply

    def get(self, path: str, *, at: datetime) -> Reply:
        """Answer an inquiry by the merchant's own reference."""
        found = self.requests.get(path.removeprefix("/v1/requests/"))
        if found is None or not found["object"] or at < datetime.fromisoformat(found["seen_from"]):
            return Reply(404, {"code": "unknown_reference"})
        return Reply(200, self._shown(found["object"]))

    def complete_action(self, authorisation: str, *, succeeded: bool, at: datetime) -> bool:
        """Let the payer have authenticated, or failed to. Returns whether anybody had been asked to."""
        one = self.objects.get(authorisation)
        if one is None or one["status"] != "requires_action":
            return False
        fine = succeeded and one["card"] != "tok_3ds_decline"
        one |= {
            "status": "authorised" if fine else "declined",
            "code": "" if fine else "authentication_failed",
        }
        self._tell(one, at)
        return True

    def pass_time(self, at: datetime) -> None:
        """Do what was to happen by this moment."""
        due = [one for one in self.later if datetime.fromisoformat(one["at"]) <= at]
        self.later = [one for one in self.later if one not in due]
        for one in due:
            row = self.objects[one["id"]]
            row |= one["changes"]
            if row["status"] == "succeeded" and row["object"] != "dispute":
                self._succeeded(row, at)
            self._tell(row, at)

    def take_events(self) -> list[Told]:
        """Take the events that are to be told now, as the merchant will get them."""
        events, self.events = self.events, []
        if any(one["card"] == "tok_backwards" for one in events):
            events.reverse()
        told = []
        for one in events:
            event = Told(
                one["merchant"], one["id"], one["type"], one["data"], datetime.fromisoformat(one["at"])
            )
            told += [event, event] if one["card"] == "tok_twice" else [event]
        return told

    def open_dispute(self, authorisation: str, amount: int, *, at: datetime, status: str = "opened") -> str:
        """Let the cardholder dispute an amount. Returns the dispute's id."""
        parent = self.objects[authorisation]
        row = self._new(
            "dispute",
            parent,
            "",
            {"amount": amount, "currency": parent["currency"]},
            status=status,
            reason="product_not_received",
            evidence_due_at=(at + EVIDENCE_WITHIN).isoformat(),
        )
        if status == "opened":
            self._line(row, "dispute", -amount, DISPUTE_FEE)
        self._tell(row, at)
        return str(row["id"])

    def decide_dispute(self, dispute: str, status: str, *, at: datetime) -> None:
        """Decide a dispute: won, lost, reversed or closed."""
        row = self.objects[dispute]
        row["status"] = status
        if status in ("won", "reversed"):
            self._line(row, "dispute_won", row["amount"], 0)
        self._tell(row, at)

    def pay_out(self, currency: str, *, at: datetime) -> tuple[bytes, Money, str] | None:
        """Pay out what waits in a currency: the settlement report (CSV), its net amount and its name."""
        lines = [line for line in self.lines if line["currency"] == currency]
        if not lines:
            return None
        self.lines = [line for line in self.lines if line["currency"] != currency]
        self.payouts += 1
        name, net = f"po_{self.payouts:06d}", sum(line["gross"] - line["fee"] for line in lines)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["reference", "kind", "gross", "fee", "net", "currency", "date", "payout"])
        day = at.date().isoformat()
        for line in lines:
            amounts = (line["gross"], line["fee"], line["gross"] - line["fee"])
            texts = [Money(minor, currency).decimal_text() for minor in amounts]
            writer.writerow([line["reference"], line["kind"], *texts, currency, day, name])
        total = Money(-net, currency).decimal_text()
        writer.writerow([name, "payout", total, "0", total, currency, day, name])
        return out.getvalue().encode(), Money(net, currency), name

    def to_data(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data."""
        return dict(vars(self))

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Processor:
        """Make the processor again from its state."""
        processor = cls()
        vars(processor).update(data)
        return processor

    def _take(self, path: str, body: dict[str, Any], at: datetime) -> tuple[Reply, str]:
        parts = path.strip("/").split("/")
        if parts == ["v1", "authorisations"]:
            return self._authorise(body, at)
        parent = self.objects.get(parts[2]) if len(parts) == 4 else None
        if parent is None:
            return Reply(404, {"code": "unknown_object"}), ""
        if parts[1] == "disputes" and parent["object"] == "dispute":
            return self._answer_dispute(parent, parts[3], at)
        kind = {"captures": "capture", "voids": "void", "refunds": "refund"}.get(parts[3])
        if parts[1] != "authorisations" or kind is None:
            return Reply(404, {"code": "unknown_object"}), ""
        return self._operate(kind, parent, body, at)

    def _authorise(self, body: dict[str, Any], at: datetime) -> tuple[Reply, str]:
        card = str(body.get("card_token", ""))
        if card == "tok_unknown" or not card.startswith("tok_"):
            return Reply(409, {"code": "unknown_token"}), ""
        if card == "tok_error":
            return Reply(500, {"code": "processing_error"}), ""
        if card == "tok_lost":
            return Reply(0, {}, lost=True), ""
        stated = {"amount": body["amount"], "currency": body["currency"]}
        if card == "tok_wrong_amount":
            stated["amount"] += 100
        if card == "tok_wrong_currency":
            stated["currency"] = "USD" if stated["currency"] != "USD" else "EUR"
        row = self._new(
            "authorisation",
            None,
            str(body["reference"]),
            stated,
            status="authorised",
            card=card,
            merchant=str(body.get("merchant", "")),
            expires_at=(at + AUTHORISED_FOR).isoformat(),
        )
        if card.startswith("tok_decline_"):
            row |= {"status": "declined", "code": card.removeprefix("tok_decline_")[:40]}
        if card.startswith("tok_3ds"):
            row |= {"status": "requires_action", "action_url": f"{self.base_url}/pay/{row['id']}"}
        lost, late = card in ("tok_timeout", "tok_late_success"), card == "tok_late_success"
        if late:
            self._later(row, at + LATE_AFTER, status="authorised")
        elif card != "tok_timeout":
            self._tell(row, at)
        return Reply(0 if lost else 200, {"late": late}, lost=lost), str(row["id"])

    def _operate(
        self, kind: str, parent: dict[str, Any], body: dict[str, Any], at: datetime
    ) -> tuple[Reply, str]:
        card, amount = parent["card"], body.get("amount")
        refusal = self._refusal(kind, parent, body)
        if refusal:
            return Reply(409, {"code": refusal}), ""
        stated = {"amount": amount, "currency": body["currency"]}
        row = self._new(kind, parent, str(body["reference"]), stated, status="succeeded")
        row["final"] = bool(body.get("final"))
        later = {f"tok_{kind}_fails": "failed", "tok_pending": "succeeded"}.get(card)
        if later is not None and kind != "void":
            row["status"] = "pending"
            self._later(
                row, at + LATE_AFTER, status=later, code="processing_error" if later == "failed" else ""
            )
        else:
            self._succeeded(row, at)
            self._tell(row, at)
        return Reply(200, {}, lost=card == f"tok_{kind}_timeout"), str(row["id"])

    def _refusal(self, kind: str, parent: dict[str, Any], body: dict[str, Any]) -> str:
        if parent["object"] != "authorisation" or parent["status"] != "authorised":
            return "not_authorised"
        amount = body.get("amount")
        if type(amount) is not int or amount <= 0 or body.get("currency") != parent["currency"]:
            return "bad_amount"
        taken, given = self._sum(parent, "capture"), self._sum(parent, "refund")
        closed = any(
            one["object"] == "void" or one.get("final")
            for one in self._of(parent)
            if one["status"] != "failed"
        )
        if kind in ("capture", "void") and (closed or amount > parent["amount"] - taken):
            return "exceeds_authorised"
        if kind == "refund" and amount > taken - given:
            return "exceeds_captured"
        return ""

    def _succeeded(self, row: dict[str, Any], at: datetime) -> None:
        """Do what follows from a capture or refund that has come about."""
        parent = self.objects[row["authorisation"]]
        if row["object"] == "refund":
            self._line(row, "refund", -row["amount"], 0)
        if row["object"] != "capture":
            return
        self._line(
            row, "payment", row["amount"], min(row["amount"], FEE_FLAT + row["amount"] * FEE_BP // 10_000)
        )
        if parent["card"].startswith("tok_dispute"):
            self._later_dispute(parent, row["amount"], at, "opened")
        elif parent["card"] == "tok_inquiry":
            self._later_dispute(parent, row["amount"], at, "inquiry")

    def _later_dispute(self, parent: dict[str, Any], amount: int, at: datetime, status: str) -> None:
        # Told after the capture's own event.
        stated = {"amount": amount, "currency": parent["currency"]}
        due = (at + EVIDENCE_WITHIN).isoformat()
        row = self._new("dispute", parent, "", stated, status="new", reason="fraudulent", evidence_due_at=due)
        if status == "opened":
            self._line(row, "dispute", -amount, DISPUTE_FEE)
        self._later(row, at, status=status)
        if status == "inquiry":
            self._later(row, at + LATE_AFTER, status="closed")

    def _answer_dispute(self, row: dict[str, Any], what: str, at: datetime) -> tuple[Reply, str]:
        if row["status"] != "opened" or what not in ("evidence", "accept"):
            return Reply(409, {"code": "dispute_not_open"}), ""
        wins = what == "evidence" and self.objects[row["authorisation"]]["card"] == "tok_dispute_won"
        if what == "accept":
            self.decide_dispute(row["id"], "lost", at=at)
        else:
            self._later(row, at + LATE_AFTER, status="won" if wins else "lost")
            if wins:
                self._line(row, "dispute_won", row["amount"], 0)
        return Reply(200, {}), str(row["id"])

    def _new(
        self, kind: str, parent: dict[str, Any] | None, reference: str, stated: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        prefix = {"authorisation": "pi", "capture": "cap", "void": "vd", "refund": "re", "dispute": "dp"}[
            kind
        ]
        row = {
            "id": f"{prefix}_{len(self.objects) + 1:08d}",
            "object": kind,
            "reference": reference,
            "authorisation": parent["id"] if parent else "",
            "merchant": parent["merchant"] if parent else "",
            "card": parent["card"] if parent else "",
            "code": "",
            **stated,
            **more,
        }
        self.objects[row["id"]] = row
        return row

    def _shown(self, object_id: str) -> dict[str, Any]:
        return {name: value for name, value in self.objects[object_id].items() if name != "card"}

    def _tell(self, row: dict[str, Any], at: datetime) -> None:
        kind = f"card.{row['object']}.{row['status']}"
        name = "evt_" + hashlib.sha256(f"{row['id']}|{kind}".encode()).hexdigest()[:24]
        self.events.append(
            {
                "merchant": row["merchant"],
                "card": row["card"],
                "id": name,
                "type": kind,
                "data": self._shown(row["id"]),
                "at": at.isoformat(),
            }
        )

    def _later(self, row: dict[str, Any], at: datetime, **changes: Any) -> None:
        self.later.append({"id": row["id"], "at": at.isoformat(), "changes": changes})

    def _line(self, row: dict[str, Any], kind: str, gross: int, fee: int) -> None:
        self.lines.append(
            {"reference": row["id"], "kind": kind, "gross": gross, "fee": fee, "currency": row["currency"]}
        )

    def _of(self, parent: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in self.objects.values() if one["authorisation"] == parent["id"]]

    def _sum(self, parent: dict[str, Any], kind: str) -> int:
        return sum(
            one["amount"] for one in self._of(parent) if one["object"] == kind and one["status"] != "failed"
        )
