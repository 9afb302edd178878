"""A proxy between the programs and PostgreSQL that knows the protocol: it cuts connections after chosen statements.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import asyncio
import re
import struct

from proxy import reset

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


class Cut:
    """
    Cuts the connections of the next `count` executions of a prepared statement whose name fits, or of "commit".
    answered: when PostgreSQL has answered, so that the statement is committed; else as soon as the statement is sent.
    """

    def __init__(self, name, count, answered):
        self.name, self.left, self.answered = re.compile(name), count, answered


class DatabaseProxy:
    """cut: the Cut to make, or None. cuts: how many were made. flowing: clear it to hold all answers back."""

    def __init__(self, loop, socket_path):
        self.socket_path = socket_path
        self.cut = None
        self.cuts = 0
        self.flowing = True
        self._server = loop.run(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=256))
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        try:
            server = await asyncio.open_unix_connection(self.socket_path)
        except OSError:
            return reset(writer)
        link = Link(self, (reader, writer), server)
        pumps = [asyncio.ensure_future(link.to_server()), asyncio.ensure_future(link.to_client())]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        server[1].close()
        return reset(writer) if link.cutting else writer.close()

    def take_cut(self, statement):
        """The cut for an execution of this statement, or None."""
        cut = self.cut
        if cut is None or cut.left == 0 or not cut.name.fullmatch(statement):
            return None
        cut.left -= 1
        self.cuts += 1
        return cut


class Link:
    """One connection."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.client_reader, self.client_writer = client
        self.server_reader, self.server_writer = server
        self.statement = ""  # that was bound last
        self.cutting = False
        self.swallowing = False  # the answer does not go to the client

    async def start(self):
        while True:
            head = await self.client_reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                self.server_writer.write(head + await self.client_reader.readexactly(length - 8))
                return
            self.client_writer.write(b"N")

    async def to_server(self):
        await self.start()
        while True:
            head = await self.client_reader.readexactly(5)
            body = await self.client_reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
            if head[:1] == b"B":
                self.statement = body.split(b"\0", 2)[1].decode("latin-1")
            elif head[:1] == b"Q":  # of the statements without parameters, COMMIT matters
                self.statement = body[:-1].decode("latin-1").strip().lower()
            ends = head[:1] in (b"S", b"Q")
            cut = self.proxy.take_cut(self.statement) if ends else None
            if cut:
                self.cutting = True
                self.swallowing = cut.answered
            self.server_writer.write(head + body)
            if ends:
                self.statement = ""
            await self.server_writer.drain()
            if cut and not cut.answered:
                return

    async def to_client(self):
        while True:
            head = await self.server_reader.readexactly(5)
            body = await self.server_reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
            while not self.proxy.flowing:
                await asyncio.sleep(0.05)
            if self.swallowing:
                if head[:1] == b"Z":
                    return
            else:
                self.client_writer.write(head + body)
                await self.client_writer.drain()
