"""Calls by SSH: a login shell on a pseudo-terminal of the far end, as a stream (RFC 4254).

Nobody is there to be asked anything: the far end must be known (:mod:`vmodem.net.ssh.hosts`), and a key must
open it (:mod:`vmodem.net.ssh.login`).  Here is what every turn of the protocol
(:mod:`vmodem.net.ssh.protocol`) means for the call.

What does not belong here: the bytes of the windows (:mod:`vmodem.net.ssh.channel`), and deadlines.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any, Final

from twisted.logger import Logger

try:
    from vmodem.net.ssh.login import Login
    from vmodem.net.ssh.protocol import PIECE, WINDOW, Channel, Connection, Transport
except ImportError as exc:
    raise ImportError("calls by SSH need more packages: pip install 'vmodem[ssh]'") from exc

from vmodem.net.layer import Opened, OpenFailed, Opening
from vmodem.net.ssh.channel import ChannelStream
from vmodem.net.ssh.hosts import HostsError, KnownHosts
from vmodem.net.ssh.wired import Wired
from vmodem.net.stream import LINGER_S, Cause, Ending, Stream
from vmodem.wire.knownhosts import SSH_PORT

#: Longest break that is asked for, in seconds (RFC 4335 clause 3 leaves it to both sides).
BREAK_LIMIT_S: Final = 3.0
#: How long the far end's programs have for reading what was sent last, before they are hung up, in seconds.
SETTLE_S: Final = 1.0
#: After the far end's last byte, how long its exit status is waited for, in seconds.
STATUS_S: Final = 1.0


@dataclass(frozen=True)
class SshSettings:
    """Whom to call, and with what.  ``~`` in file names is the home of whoever runs this."""

    user: str
    #: As written in the target: the name the host goes by in known_hosts.
    host: str
    port: int = SSH_PORT
    known_hosts: tuple[str, ...] = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
    keys: tuple[str, ...] = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
    #: The socket of an agent, "" for none; None for the one the environment names (SSH_AUTH_SOCK).
    agent: str | None = None


def open_ssh(
    reactor: Any, below: Stream, settings: SshSettings, opened: Opened, failed: OpenFailed
) -> Opening:
    """Log in over ``below`` and start a shell there; see :mod:`vmodem.net.layer`.

    The stream's ending has the exit status in its detail."""
    return Session(reactor, below, settings, opened, failed)


class Session:
    """One call: its opening, then what is below its stream (:class:`vmodem.net.ssh.channel.Carrier`)."""

    log = Logger()

    def __init__(
        self, reactor: Any, below: Stream, settings: SshSettings, opened: Opened, failed: OpenFailed
    ) -> None:
        self.peer = f"{settings.user}@{below.peer}"
        self.stream = ChannelStream(reactor, self, self.peer)
        #: Why the connection is being ended, once something has said so.
        self.reason = ""
        #: Nothing more is expected of the connection.
        self.over = False
        self.channel: Channel | None = None
        self._connection = Connection(self)
        agent = os.environ.get("SSH_AUTH_SOCK", "") if settings.agent is None else settings.agent
        self.login = Login(reactor, settings.user, settings.keys, agent, self._connection, self.fail)
        self._reactor = reactor
        self._below = below
        self._settings = settings
        self._opened = opened
        self._failed = failed
        self._open = False  # `opened` was called
        self._hung_up = False
        self._sent_at = float("-inf")
        self._transport: Transport | None = None
        self._wired: Wired | None = None
        self._untaken = 0  # bytes the user has taken, that the window was not opened for yet
        self._timer: Any = reactor.callLater(0, self._begin)

    # -- opening -------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._timer = None
        settings = self._settings
        try:
            hosts = KnownHosts(settings.known_hosts, settings.host, settings.port)
        except HostsError as exc:
            self.fail(str(exc))
            return
        self._transport = Transport(self, hosts)
        self._wired = Wired(self._below, self._transport, self._lost)
        self._wired.start()
        self._wired.registerProducer(self, True)

    def ready(self) -> None:
        """The shell runs."""
        if not self.over:
            self._open = True
            self.login.leave()
            self._opened(self.stream)

    def cancel(self) -> None:
        if not (self._open or self.over):
            self._finish()

    def fail(self, reason: str) -> None:
        """There will be no call, or it cannot go on."""
        if self.over:
            return
        self._finish()
        if self._open:
            self.stream.ended(Ending(Cause.ERROR, reason))
        else:
            self._failed(reason)

    # -- the stream's side ---------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        channel, transport, wired = self.channel, self._transport, self._wired
        if self.over or channel is None or transport is None or wired is None:
            return 0
        if wired.blocked or transport.agreeing or channel.localClosed:
            return 0
        return int(min(channel.remoteWindowLeft, channel.remoteMaxPacket, PIECE))

    def send(self, data: bytes) -> None:
        if self.channel is not None:
            self.channel.remoteWindowLeft -= len(data)
            self._sent_at = float(self._reactor.seconds())
            self._connection.sendData(self.channel, data)

    def taken(self, size: int) -> None:
        self._untaken += size
        if self._untaken >= WINDOW // 2 and self.channel is not None and not self.over:
            size, self._untaken = self._untaken, 0
            self._connection.open_window(self.channel, size)

    def send_break(self, seconds: float) -> None:
        if self.channel is not None and not (self.over or self.channel.localClosed):
            length_ms = round(min(max(seconds, 0.0), BREAK_LIMIT_S) * 1000)
            self._connection.sendRequest(self.channel, b"break", struct.pack(">L", length_ms))

    def hang_up(self) -> None:
        channel = self.channel
        if self.over:
            return
        self._hung_up = True
        if channel is None or channel.localClosed:
            self._goodbye()
            return
        # Closing hangs the far end's terminal up, and what its programs have not read yet is lost there.
        self._connection.sendEOF(channel)
        settled = self._sent_at + SETTLE_S - float(self._reactor.seconds())
        self._set_timer(max(0.0, settled), self._close_channel)

    def _close_channel(self) -> None:
        self._set_timer(LINGER_S, self._goodbye)  # `closed` comes first if the far end closes it, too
        if self.channel is not None:
            self._connection.close(self.channel)

    def abort(self) -> None:
        self._finish()

    # -- the connection's side -----------------------------------------------------------------------------

    def pauseProducing(self) -> None:
        """The stream below takes no more; ``room`` says so."""

    def resumeProducing(self) -> None:
        self.stream.room_changed()

    def stopProducing(self) -> None:
        """``_lost`` follows."""

    def no_more(self) -> None:
        """The far end sends no more data; how the shell ended may still follow."""
        if not (self.over or self._hung_up):
            self._set_timer(STATUS_S, self._tell)

    def closing(self) -> None:
        """The far end closes the channel."""
        if not self.over and self.channel is not None and not self.channel.localClosed:
            self._connection.close(self.channel)

    def closed(self) -> None:
        """The channel is closed on both sides."""
        if self.over:
            return
        self._tell()
        if not self._open:
            self.fail(f"the shell ended at once ({self._status})")
        elif self._hung_up:
            self._goodbye()

    def _tell(self) -> None:
        self._set_timer(None)
        self.stream.ended(Ending(Cause.FINISHED, self._status))

    @property
    def _status(self) -> str:
        return (self.channel.status if self.channel is not None else "") or "end of stream"

    def _lost(self, ending: Ending | None) -> None:
        """The connection below has ended."""
        if not self.over:
            if self.reason:
                self.fail(self.reason)
            elif self._open:
                self._finish()
                if ending is None or ending.cause is Cause.FINISHED:
                    ending = Ending(Cause.FINISHED, self._status)
                self.stream.ended(ending)
            else:
                known = self._transport is not None and self._transport.gotVersion
                why = "the far end closed the connection" if known else "no SSH server answers there"
                detail = f" ({ending.detail})" if ending is not None else ""
                self.fail(why + detail)
        if self._transport is not None:
            self._transport.stop()

    # -- ends ----------------------------------------------------------------------------------------------

    def _goodbye(self) -> None:
        """Everything has been said: end the connection in order."""
        self._set_timer(None)
        if self.over:
            return
        if self._transport is None or self._wired is None:
            self._finish()
            return
        self._transport.say_goodbye()
        self.over = True
        self._wired.close(LINGER_S)

    def _finish(self) -> None:
        """Let go of everything at once."""
        self.over = True
        self._set_timer(None)
        self.login.leave()
        if self._wired is not None:
            self._wired.abortConnection()
        else:
            self._below.abort()

    def _set_timer(self, seconds: float | None, action: Any = None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if seconds is None else self._reactor.callLater(seconds, action)
