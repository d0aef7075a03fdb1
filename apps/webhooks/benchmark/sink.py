"""The cheapest receiver there is: answers 200 to every request and counts them. Runs as a process of its own.

`python -m apps.webhooks.benchmark.sink PORT [PAUSE_MS]`; GET /count tells how many POSTs have come. A path
that begins with /dead is never answered.
"""

from __future__ import annotations

import asyncio
import sys

_LENGTH = b"content-length:"


class Receiver(asyncio.Protocol):
    """One connection. Requests are told apart by their Content-Length; nothing else is looked at."""

    count = 0
    pause_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing read."""
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head = self.read[:end]
            total = end + 4 + _content_length(head)
            if len(self.read) < total:
                return
            self.read = self.read[total:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"GET"):
            body = str(Receiver.count).encode()
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        Receiver.count += 1
        if head.startswith(b"POST /dead"):
            return
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        if Receiver.pause_s:
            asyncio.get_running_loop().call_later(Receiver.pause_s, self._write, answer)
        else:
            self._write(answer)

    def _write(self, data: bytes) -> None:
        if isinstance(self.transport, asyncio.WriteTransport) and not self.transport.is_closing():
            self.transport.write(data)


def _content_length(head: bytes) -> int:
    place = head.lower().find(_LENGTH)
    return int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0]) if place >= 0 else 0


async def serve(port: int) -> None:
    """Listen on loopback until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    Receiver.pause_s = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    asyncio.run(serve(int(sys.argv[1])))
