"""The short way of our reactor does what the long one does."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def run(script: str) -> str:
    """Run ``script`` in a fresh process, where a reactor can be installed; returns what it printed."""
    prelude = """
        import os, sys
        from vmodem.net.reactor import install
        reactor = install()
    """
    code = textwrap.dedent(prelude) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


READER = """
    class Reader:
        def __init__(self, fd): self.fd, self.lost = fd, None
        def fileno(self): return self.fd
        def logPrefix(self): return "reader"
        def connectionLost(self, reason): self.lost = reason; lost(self)
"""


def test_the_installed_reactor_has_the_monotonic_clock() -> None:
    out = run("import time; print(abs(reactor.seconds() - time.monotonic()) < 1)")
    assert out.split() == ["True"]


def test_input_reaches_the_reader_and_an_end_is_told() -> None:
    out = run(
        READER
        + """
    def lost(reader): print("lost", reader.lost.type.__name__); reactor.stop()
    class Printing(Reader):
        def doRead(self):
            print(os.read(self.fd, 100).decode())
    out, into = os.pipe()
    reactor.addReader(Printing(out))
    os.write(into, b"hello")
    reactor.callLater(0.1, os.close, into)
    reactor.run()
    """
    )
    assert out.split() == ["hello", "lost", "ConnectionDone"]


def test_a_reader_that_raises_is_disconnected_and_the_others_go_on() -> None:
    out = run(
        READER
        + """
    def lost(reader): print("lost", reader.lost.type.__name__)
    class Raising(Reader):
        def doRead(self): raise ZeroDivisionError("on purpose")
    class Stopping(Reader):
        def doRead(self): print(os.read(self.fd, 100).decode()); reactor.stop()
    for kind, delay in ((Raising, 0.0), (Stopping, 0.1)):
        out, into = os.pipe()
        reactor.addReader(kind(out))
        reactor.callLater(delay, os.write, into, b"alive")
    reactor.run()
    """
    )
    assert out.split()[:3] == ["lost", "ZeroDivisionError", "alive"]


def test_a_reader_removed_by_an_earlier_one_in_the_same_turn_is_not_called() -> None:
    out = run(
        READER
        + """
    def lost(reader): pass
    class Removing(Reader):
        def doRead(self):
            print("read")
            for other in readers: reactor.removeReader(other)
            reactor.callLater(0, reactor.stop)
    readers = []
    for _ in range(2):
        out, into = os.pipe()
        readers.append(Removing(out))
        reactor.addReader(readers[-1])
        os.write(into, b"x")
    reactor.run()
    """
    )
    assert out.split() == ["read"]


def test_another_inside_of_twisted_falls_back_to_the_stock_reactor() -> None:
    script = """
        import twisted.internet.epollreactor as stock
        build = stock.EPollReactor.__init__
        def init(self, *args, **kwargs):
            build(self, *args, **kwargs)
            self._selectables_of_another_name = self.__dict__.pop("_selectables")
        stock.EPollReactor.__init__ = init
        from vmodem.net import reactor
        print(reactor._lean())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.split() == ["None"], done.stderr
