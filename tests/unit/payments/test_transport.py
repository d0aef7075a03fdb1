"""Calling a provider: what was certainly not sent is told apart from silence. With real sockets."""

import socket
import threading
from contextlib import contextmanager

import pytest

from apps.payments.transport import BYTES_MAX, BadDestination, check_url, post


@contextmanager
def peer(answer, *, close=True, speaks_http=True):
    """Listen on this machine, read one request, send `answer`; yields the URL and what was read."""
    listener = socket.create_server(("127.0.0.1", 0))
    got, done = [], threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            data = b""
            while b"\r\n\r\n" not in data or not data.endswith(b"<hello/>"):
                chunk = connection.recv(65_536)
                if not chunk:
                    break
                data += chunk
                if not speaks_http:
                    break
            got.append(data)
            if answer:
                try:
                    connection.sendall(answer)
                except OSError:
                    pass
            if not close:
                done.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/sepa_inst", got
    finally:
        done.set()
        listener.close()
        thread.join(5)


def call(url, total_s=10.0):
    return post(url, b"<hello/>", content_type="application/xml", total_s=total_s)


def http(status, body=b"", *headers):
    head = [f"HTTP/1.1 {status}".encode(), b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class TestACall:
    def test_brings_the_answer(self):
        with peer(http("200 OK", b"<answer/>")) as (url, got):
            reply = call(url)

        assert (reply.reached, reply.body, reply.error) == (True, b"<answer/>", "")
        assert b"Content-Type: application/xml" in got[0]

    def test_that_nobody_takes_was_not_sent(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        reply = call(f"http://127.0.0.1:{port}/")

        assert (reply.reached, reply.error) == (False, "cannot_connect")

    def test_to_a_server_without_tls_was_not_sent(self):
        with peer(b"what?", speaks_http=False) as (url, _):
            reply = call(url.replace("http://", "https://"))

        assert reply.reached is False

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (b"", "connection_closed"),
            (http("503 Busy"), "http_503"),
            (http("302 Found", b"", b"Location: http://127.0.0.1:1/"), "http_302"),
            (http("500 Oops", b"x" * 10), "http_500"),
            (http("200 OK", b"x" * (BYTES_MAX + 1)), "answer_too_large"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "connection_error"),
            (b"nonsense\r\n\r\n", "connection_error"),
            (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", "connection_error"),
        ],
    )
    def test_with_any_other_answer_may_have_arrived(self, answer, error):
        with peer(answer) as (url, _):
            reply = call(url)

        assert (reply.reached, reply.body, reply.error) == (True, b"", error)

    def test_without_an_answer_ends_at_the_limit(self):
        with peer(b"", close=False) as (url, _):
            reply = call(url, total_s=0.3)

        assert (reply.reached, reply.error) == (True, "timeout")

    def test_with_an_endless_answer_ends_at_the_limit(self):
        with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", close=False) as (url, _):
            reply = call(url, total_s=0.3)

        assert (reply.reached, reply.error) == (True, "timeout")


class TestAUrl:
    @pytest.mark.parametrize(
        "url", ["https://bank.example/inst", "http://127.0.0.1:9/x", "http://localhost:9", "http://[::1]:9/"]
    )
    def test_is_https_or_of_this_machine(self, url):
        check_url(url)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "http://bank.example/",
            "http://127.0.0.1.bank.example/",
            "http://10.0.0.1/",
            "ftp://127.0.0.1/",
            "https://",
            "file:///etc/passwd",
            "//bank.example",
        ],
    )
    def test_is_nothing_else(self, url):
        with pytest.raises(BadDestination):
            check_url(url)
