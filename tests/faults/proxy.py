"""An HTTP/1.1 proxy that makes faults between two programs. Each message is read whole, then sent on."""

import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading


class Loop:
    """The event loop of all proxies, on a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


def reset(writer):
    """Breaks a connection: the other side gets RST."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclasses.dataclass
class Message:
    """A request or a response. body: as it was sent, with the framing of chunks."""

    head: bytes
    body: bytes

    @property
    def start(self):
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    def header(self, name):
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name:
                return value.strip().lower()
        return None

    def damaged(self):
        """The same with one byte changed in the middle of the body."""
        body = bytearray(self.body)
        if body and self.header(b"transfer-encoding") is None:
            body[len(body) // 2] ^= 0x55
        return Message(self.head, bytes(body))


def answer(status):
    """A response of the cloud's front end."""
    body = b'{"error":{"code":%d,"message":"injected","errors":[{"reason":"backendError"}]}}' % status
    if status == 204:
        return Message(b"HTTP/1.1 204 No Content\r\n\r\n", b"")
    return Message(b"HTTP/1.1 %d Injected\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)), body)


async def read_chunks(reader):
    """The body of a chunked message, with its framing."""
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        parts += [line, await reader.readexactly(size + 2) if size else b""]
        if size == 0:
            while parts[-1] != b"\r\n":
                parts.append(await reader.readuntil(b"\r\n"))
            return b"".join(parts)


async def read_body(reader, message, until_end):
    if message.header(b"transfer-encoding") == b"chunked":
        return await read_chunks(reader)
    length = message.header(b"content-length")
    if length is not None:
        return await reader.readexactly(int(length))
    return await reader.read() if until_end else b""


async def read_response(reader, method):
    while True:
        response = Message(await reader.readuntil(b"\r\n\r\n"), b"")
        if response.status >= 200:
            break
    if method != "HEAD" and response.status not in (204, 304):
        response.body = await read_body(reader, response, until_end=True)
    return response


class Exchange:
    """One request, for the fault that handles it: fault(exchange) is a coroutine that uses the methods below."""

    def __init__(self, proxy, request, client):
        self.proxy, self.request, self.client = proxy, request, client

    async def forward(self, part=1):
        """Sends the request, or a part of it, to the server. Returns the response; None after a part."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.upstream, limit=1 << 20)
        try:
            data = self.request.head + self.request.body
            writer.write(data[:int(len(data) * part)])
            await writer.drain()
            return await read_response(reader, self.request.method) if part == 1 else None
        finally:
            reset(writer) if part < 1 else writer.close()

    async def send(self, response, part=1):
        """Sends the response, or its head and a part of its body."""
        self.client.write(response.head + response.body[:int(len(response.body) * part)])
        await self.client.drain()

    async def relay(self):
        await self.send(await self.forward())

    async def twice(self):
        """Sends the request twice at once; the client gets the first one's response."""
        again = asyncio.ensure_future(self.forward())
        self.proxy.doubles.add(again)  # the loop itself does not hold it
        again.add_done_callback(lambda done: self.proxy.doubles.discard(done) or done.cancelled() or done.exception())
        await self.relay()

    @staticmethod
    async def pause(seconds):
        await asyncio.sleep(seconds)

    def reset(self):
        reset(self.client)


class Proxy:
    """
    port: where it listens. upstream: the port of the server behind it, which may change. inject: called with each request
    (a Message); returns the fault that handles it, or None. hits: how many requests it returned a fault for.
    """

    def __init__(self, loop, upstream=None):
        self.upstream = upstream
        self.inject = lambda request: None
        self.hits = 0
        self.doubles = set()
        self._server = loop.run(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20, backlog=256))
        self.port = self._server.sockets[0].getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"

    async def _serve(self, reader, writer):
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            reset(writer)
        finally:
            writer.close()

    async def _read_request(self, reader, writer):
        try:
            request = Message(await reader.readuntil(b"\r\n\r\n"), b"")
        except asyncio.IncompleteReadError:
            return None
        if request.header(b"expect") == b"100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            lines = [line for line in request.head.split(b"\r\n") if not line.lower().startswith(b"expect:")]
            request.head = b"\r\n".join(lines)
        request.body = await read_body(reader, request, until_end=False)
        return request

    async def _serve_one(self, reader, writer):
        """Serves one request. Returns whether another one may follow."""
        request = await self._read_request(reader, writer)
        if request is None:
            return False
        fault = self.inject(request)
        self.hits += fault is not None
        exchange = Exchange(self, request, writer)
        work = asyncio.ensure_future((fault or Exchange.relay)(exchange))
        # A client that gives up ends the exchange on both sides, as a load balancer does.
        gone = asyncio.ensure_future(self._wait_for_end(reader))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()
            return False
        work.result()
        return not writer.is_closing() and request.header(b"connection") != b"close"

    @staticmethod
    async def _wait_for_end(reader):
        while not reader.at_eof():
            await asyncio.sleep(0.05)
