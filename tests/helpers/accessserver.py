"""An access server that is turned by hand: what its client said, and what the test has it say."""

from __future__ import annotations

import socket
from typing import Any

from vmodem.wire.comport_server import ComPortServer
from vmodem.wire.events import Data, Send


class Server:
    """One client at a time.  ``codec`` None: raw bytes; ``mute``: nothing is answered."""

    def __init__(self) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(8)
        self.sock.setblocking(False)
        self.port = int(self.sock.getsockname()[1])
        self.client: socket.socket | None = None
        self.codec: ComPortServer | None = ComPortServer()
        self.raw = bytearray()
        self.data = bytearray()
        self.events: list[Any] = []
        self.mute = False

    def accepted(self) -> bool:
        try:
            self.client, _ = self.sock.accept()
        except BlockingIOError:
            return False
        self.client.setblocking(False)
        return True

    def send(self, data: bytes) -> None:
        assert self.client is not None
        self.client.sendall(data)

    def read(self) -> Server:
        """Take what has come so far, and answer what the protocol asks."""
        assert self.client is not None
        try:
            while chunk := self.client.recv(1 << 20):
                self.raw += chunk
                for event in [Data(chunk)] if self.codec is None else self.codec.receive(chunk):
                    if isinstance(event, Send):
                        if not self.mute:
                            self.send(event.data)
                    elif isinstance(event, Data) and self.events and isinstance(self.events[-1], bytes):
                        self.data += event.data
                        self.events[-1] += event.data
                    else:
                        self.data += event.data if isinstance(event, Data) else b""
                        self.events.append(event.data if isinstance(event, Data) else event)
        except BlockingIOError:
            pass
        return self

    def hang_up(self) -> None:
        """End the connection; the next one finds another codec."""
        if self.client is not None:
            self.client.close()
            if self.codec is not None:
                self.codec = ComPortServer()
        self.client = None
