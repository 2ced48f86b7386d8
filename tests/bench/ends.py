"""The two ends that a program under measurement joins: the terminal equipment's and the network's."""

from __future__ import annotations

import os
import select
import socket
import termios
import threading
import time
import tty
from pathlib import Path
from typing import Any

from .process import PATIENCE_S, Failed, Program

#: Asked of one read or write; a terminal gives and takes less.
_CHUNK = 256 * 1024


class End:
    """One end of a byte stream, non-blocking underneath; every wait has a limit."""

    def __init__(self, fd: int, owner: Any = None) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._owner = owner
        self._readable = select.poll()
        self._readable.register(fd, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(fd, select.POLLOUT)
        self._left = b""

    def close(self) -> None:
        if self._owner is not None:
            self._owner.close()
        else:
            os.close(self.fd)

    def send(self, data: bytes | memoryview, patience_s: float = PATIENCE_S) -> None:
        """Send all of it."""
        view, at, limit = memoryview(data), 0, time.monotonic() + patience_s
        while at < len(view):
            try:
                at += os.write(self.fd, view[at : at + _CHUNK])
            except BlockingIOError:
                if not self._writable.poll(1000) and time.monotonic() > limit:
                    raise Failed(f"only {at} of {len(view)} bytes were taken") from None

    def fill(self, room: memoryview, patience_s: float = PATIENCE_S) -> None:
        """Receive as many bytes as there is room."""
        at, limit = 0, time.monotonic() + patience_s
        while at < len(room):
            try:
                got = os.readv(self.fd, [room[at : at + _CHUNK]])
            except BlockingIOError:
                if not self._readable.poll(1000) and time.monotonic() > limit:
                    raise Failed(f"only {at} of {len(room)} bytes arrived") from None
                continue
            if not got:
                raise Failed(f"the stream ended after {at} of {len(room)} bytes")
            at += got

    def expect(self, word: bytes, patience_s: float = PATIENCE_S) -> bytes:
        """Receive until ``word`` has come; returns everything up to its end, keeps what is behind it."""
        limit = time.monotonic() + patience_s
        while word not in self._left:
            if not self._readable.poll(1000) and time.monotonic() > limit:
                raise Failed(f"{word!r} did not come, but {self._left[-200:]!r}")
            try:
                data = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                continue
            except OSError as exc:
                raise Failed(f"waiting for {word!r}: {exc}") from exc
            if not data:
                raise Failed(f"the stream ended before {word!r}")
            self._left += data
        before, found, self._left = self._left.partition(word)
        return before + found


def open_terminal(path: Path, program: Program) -> End:
    """Open a pseudo-terminal of ``program`` as terminal equipment does, as soon as it is there."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            break
        except FileNotFoundError:
            program.check()
            time.sleep(0.001)
    tty.setraw(fd, termios.TCSANOW)
    return End(fd)


def connect(port: int, program: Program) -> End:
    """Connect to a port of ``program``, as soon as it listens there."""
    while True:
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(("127.0.0.1", port))
            return End(sock.fileno(), sock)
        except ConnectionRefusedError:
            sock.close()
            program.check()
            time.sleep(0.005)


class Host:
    """A listening host on the network."""

    def __init__(self) -> None:
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._sock.settimeout(PATIENCE_S)
        self.port = int(self._sock.getsockname()[1])

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: Any) -> None:
        self._sock.close()

    def accept(self) -> End:
        try:
            sock, _ = self._sock.accept()
        except TimeoutError:
            raise Failed("no connection came") from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return End(sock.fileno(), sock)


class Worker(threading.Thread):
    """Does one thing beside the main thread; ``finish`` waits for it and raises what it raised."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        super().__init__(daemon=True)
        self._work = function, arguments
        self._error: Exception | None = None
        self.ended = 0.0
        self.start()

    def run(self) -> None:
        function, arguments = self._work
        try:
            function(*arguments)
        except Exception as exc:
            self._error = exc
        self.ended = time.monotonic()

    def finish(self) -> None:
        self.join()
        if self._error is not None:
            raise self._error
