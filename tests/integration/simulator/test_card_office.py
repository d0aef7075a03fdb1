"""The sandbox's card processor as `make run` has it: calls, signed events, payouts, and a file to go on from."""

import json
import stat
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from apps.core.money import Money
from apps.payments.formats.settlement import read_settlement
from apps.simulator.bank import Bank
from apps.simulator.card_office import CardOffice, save_office
from apps.simulator.listening import listening
from apps.simulator.processor import Processor
from apps.simulator.processor_http import NotAwake, signed
from apps.simulator.sandbox import cast
from apps.webhooks.signatures import standard

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = {"Authorization": "Bearer sandbox"}


@pytest.fixture
def receiver():
    """Give an endpoint on this machine, and what it got."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), body))
            self.send_response(200 if self.path != "/no" else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], got
    server.shutdown()
    server.server_close()


@pytest.fixture
def office(tmp_path, monkeypatch, receiver):
    monkeypatch.setenv("PORT", str(receiver[0]))
    state = tmp_path / "card_processor.json"
    save_office(state, Processor(), {"org_1": {"path": "/in", "secret": SECRET}})
    return CardOffice(state, incoming=tmp_path / "incoming")


def ask(office, path, body, key):
    said = office.serve("POST", path, {**KEY, "Idempotency-Key": key}, json.dumps(body).encode())
    return said.status, json.loads(said.body)


def authorise(office, card="tok_visa", key="att_1"):
    return ask(
        office,
        "/v1/authorisations",
        {"reference": key, "merchant": "org_1", "amount": 10_000, "currency": "EUR", "card_token": card},
        key,
    )


class TestTheOffice:
    def test_sleeps_until_the_sandbox_is_loaded(self, tmp_path):
        office = CardOffice(tmp_path / "none.json", incoming=tmp_path)
        office.pass_time(at=AT)
        office.deliver(at=AT)

        with pytest.raises(NotAwake):
            office.serve("GET", "/v1/requests/x", KEY, b"")

    def test_keeps_its_secrets_to_its_owner(self, office):
        authorise(office)

        assert stat.S_IMODE(office.state.stat().st_mode) == 0o600

    def test_answers_once_and_remembers_after_a_restart(self, office):
        first = authorise(office)
        again = CardOffice(office.state, incoming=office.incoming)

        assert first[0] == 200
        assert authorise(again) == first
        assert authorise(again, card="tok_other")[0] == 422
        assert ask(again, "/v1/nothing", {}, "k")[0] == 404
        assert again.serve("POST", "/v1/authorisations", KEY, b"[]").status == 400
        assert again.serve("POST", "/v1/authorisations", {}, b"{}").status == 401

    def test_tells_by_webhooks_that_a_real_receiver_verifies(self, office, receiver):
        authorise(office)
        now = datetime.now(UTC)
        office.pass_time(at=now)
        office.deliver(at=now)

        ((path, headers, body),) = receiver[1]
        assert path == "/in"
        headers = {name.lower(): value for name, value in headers.items()}
        assert headers["webhook-signature"] == standard.sign(
            secrets=[SECRET], message_id=headers["webhook-id"], at=now, body=body
        )
        assert json.loads(body)["type"] == "card.authorisation.authorised"

    def test_tries_again_what_was_not_taken_and_gives_up(self, office, receiver):
        office._awake()
        office.endpoints["org_1"]["path"] = "/no"
        authorise(office)
        office.pass_time(at=AT)
        for minutes in range(120):
            office.deliver(at=AT + timedelta(minutes=minutes))

        assert len(receiver[1]) == 8
        assert office.waiting == []

    def test_pays_out_with_a_report_that_foots(self, office):
        _, one = authorise(office)
        ask(
            office,
            f"/v1/authorisations/{one['id']}/captures",
            {"reference": "opr_1", "amount": 10_000, "currency": "EUR", "final": True},
            "opr_1",
        )
        bank = Bank(bic=cast.OPERATOR_BIC)
        iban = cast.SETTLEMENT_IBANS["EUR"]
        bank.open_account(iban, "EUR", Money.zero("EUR"))

        assert office.pay_out(bank, at=AT)
        assert not office.pay_out(bank, at=AT)
        (path,) = office.incoming.glob("*.settlement.csv")
        report = read_settlement(path.read_bytes())
        assert path.name.startswith(f"{cast.PROVIDER}.po_")
        assert report.payouts() == {("po_000001", "EUR"): Money(10_000 - 165, "EUR")}
        assert bank.has_news(iban, day=AT.date())


class TestListening:
    def test_carries_calls_and_the_page_of_the_payer(self, office):
        class Teller:
            def serve(self, path, body):
                return b"{}"

            def serve_cards(self, method, path, headers, body):
                return office.serve(method, path, headers, body)

        with listening(Teller(), port=_free(), stop=threading.Event()) as port:
            base = f"http://127.0.0.1:{port}/card_processor"
            body = {
                "reference": "att_9",
                "merchant": "org_1",
                "amount": 1,
                "currency": "EUR",
                "card_token": "tok_3ds",
            }
            request = urllib.request.Request(
                f"{base}/v1/authorisations",
                data=json.dumps(body).encode(),
                headers={**KEY, "Idempotency-Key": "att_9"},
                method="POST",
            )
            told = json.load(urllib.request.urlopen(request, timeout=20))
            page = urllib.request.urlopen(f"{base}/pay/{told['id']}", timeout=20).read()
            urllib.request.urlopen(f"{base}/pay/{told['id']}", data=b"outcome=yes", timeout=20).read()
            asked = urllib.request.Request(f"{base}/v1/requests/att_9", headers=KEY)
            after = json.load(urllib.request.urlopen(asked, timeout=20))

        assert told["status"] == "requires_action"
        assert b"is this you" in page
        assert after["status"] == "authorised"


class TestFaults:
    @pytest.mark.parametrize("card", ["tok_timeout", "tok_late_success", "tok_lost"])
    def test_lose_the_answer(self, office, card):
        body = {"reference": "a", "merchant": "org_1", "amount": 1, "currency": "EUR", "card_token": card}
        headers = {**KEY, "Idempotency-Key": "a"}

        assert office.serve("POST", "/v1/authorisations", headers, json.dumps(body).encode()) is None
        later = office.desk.processor.get("/v1/requests/a", at=datetime.now(UTC) + timedelta(minutes=2))
        assert later.status == (404 if card == "tok_lost" else 200)

    def test_signing_follows_standard_webhooks(self, office):
        authorise(office)
        office.pass_time(at=AT)
        event = office.waiting[0].event
        body, headers = signed(event, SECRET, at=AT)

        assert headers["webhook-signature"] == standard.sign(
            secrets=[SECRET], message_id=event.id, at=AT, body=body
        )


def _free():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
