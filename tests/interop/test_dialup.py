"""Dial-up networking: PPP through a call to slirp, from the modem's line to a page of a web server."""

from __future__ import annotations

import http.server
import os
import pwd
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.helpers.ppp import PppClient, TcpClient
from tests.helpers.process import Dte, ModemProcess, Scene, children, until
from tests.helpers.programs import need

pytestmark = pytest.mark.interop

#: Longer than a window of the client's, and its last byte tells that all came in order.
PAGE = b"".join(b"line %d of the page\r\n" % number for number in range(500)) + b"end"
#: Where slirp reaches the machine it runs on.
HOST = "10.0.2.2"


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[int]:
    """A web server on this machine; its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class Computer:
    """A dial-up computer on a line that is connected."""

    def __init__(self, dte: Dte) -> None:
        self.dte = dte
        self.ppp = PppClient("guest", "guest")

    def go_online(self) -> None:
        self._until(lambda: self.ppp.up, "PPP comes up")

    def fetch(self, port: int) -> bytes:
        """The page of the web server at :data:`HOST`."""
        request = b"GET / HTTP/1.0\r\nHost: " + HOST.encode() + b"\r\n\r\n"
        tcp = TcpClient(self.ppp.send_ip, self.ppp.address, (HOST, port), request)
        self.ppp.on_ip = lambda data: tcp.receive(data, time.monotonic())
        self._until(lambda: tcp.finished or tcp.refused, "the page comes", tcp.tick)
        assert not tcp.refused
        head, _, body = bytes(tcp.received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 ")
        return body

    def _until(
        self, true: Callable[[], object], what: str, tick: Callable[[float], None] = lambda now: None
    ) -> None:
        end = time.monotonic() + 15
        while not true():
            now = time.monotonic()
            if now > end or self.dte.ended:
                pytest.fail(f"not so: {what}; came {self.ppp.seen[-8:]}, {bytes(self.dte.buffer[-200:])!r}")
            self.ppp.tick(now)
            tick(now)
            out = self.ppp.taken()
            if out:
                self.dte.send(out)
            self.dte.pump(0.05)
            self.ppp.receive(bytes(self.dte.buffer), time.monotonic())
            self.dte.buffer.clear()


@pytest.fixture
def slirp() -> str:
    (program,) = need("slirp-fullbolt")
    return f"exec:{program} -P nozeros"


def test_a_page_by_telephone(scene: Scene, slirp: str, pages: int) -> None:
    """ATDT, PPP, HTTP; under another account where that can be had; gone when the DTE hangs up."""
    user = ', user = "nobody"' if os.geteuid() == 0 else ""
    directory = scene.folder / "numbers.toml"
    directory.write_text(f'"5551234" = {{ target = "{slirp}", note = "the Internet"{user} }}\n')
    modem = scene.modem("--directory", str(directory), "--init", "S12=10")
    dte = scene.dte(modem, "AT&D2")
    dte.connect("5551234")
    (pid,) = until(lambda: children(modem.pid), "the program runs")
    if user:
        assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("nobody").pw_uid
    computer = Computer(dte)
    computer.go_online()
    assert computer.ppp.address == "10.0.2.15"
    assert computer.fetch(pages) == PAGE
    modem.wait_log(r"PPP with program slirp-fullbolt: no name asked for, address 10\.0\.2\.15, ")
    dte.buffer.clear()
    dte.escape()
    dte.ok("ATH")
    until(lambda: pid not in children(modem.pid), "slirp is gone")
    modem.wait_log(r"call to 5551234 .*local hang-up")
    modem.wait_log(r"slirp-fullbolt \(\d+\): the program (ended with|was ended by)")


def test_a_page_over_a_windows_cable(scene: Scene, slirp: str, pages: int) -> None:
    """CLIENT, CLIENTSERVER, PPP, HTTP: no AT anywhere.  Again after the line was closed."""
    modem = scene.modem("--windows-cable", slirp)
    for _ in range(2):
        dte = Dte(modem.link)
        dte.send("CLI")
        dte.silent(0.2)
        dte.send("ENT")
        dte.expect("^CLIENTSERVER")
        computer = Computer(dte)
        computer.go_online()
        assert computer.fetch(pages) == PAGE
        before = modem.log.count("call to CLIENT")
        dte.close()
        until(lambda: modem.log.count("call to CLIENT") > before, "the call has ended")  # noqa: B023
    dte = scene.dte(modem)
    dte.command("AT", r"AT\r\r\nOK\r\n")


def test_a_cable_that_leads_nowhere(scene: Scene) -> None:
    """Nothing is said, so that the computer asks again; the log says why."""
    modem: ModemProcess = scene.modem("--windows-cable", "exec:no-such-program")
    dte = scene.dte(modem)
    for _ in range(2):
        dte.send("CLIENT")
        dte.silent(0.3)
    modem.wait_log(r'call to CLIENT.*no program "no-such-program" here')
    dte.ok("AT")


def test_a_program_that_leaves_at_once(scene: Scene) -> None:
    """A program that ends as soon as it began: connected, and over, with its status in the log."""
    modem = scene.modem("--entry", "5551234=exec:false")
    dte = scene.dte(modem, "ATQ0")
    dte.connect("5551234")
    dte.expect("^\r\nNO CARRIER\r\n")
    modem.wait_log(r"call to 5551234 .*the program ended with status 1")
