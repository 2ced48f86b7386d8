"""The SSH protocol of a call: which algorithms, how fast bytes may come, what the far end is asked for.

Twisted Conch's classes, told what they leave open, and held to what a far end that means ill must not be able
to do to us.  What does not belong here: what becomes of the call (:mod:`vmodem.net.ssh.call`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from twisted.conch.error import ConchError
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS, getMP, getNS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_OPEN_FAILURE,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    SSHConnection,
)
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_CONNECTION_LOST,
    DISCONNECT_HOST_KEY_NOT_VERIFIABLE,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    MSG_DISCONNECT,
    SSHClientTransport,
)
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from vmodem.net.ssh.hosts import KnownHosts
from vmodem.net.ssh.login import shown

if TYPE_CHECKING:
    from vmodem.net.ssh.call import Session

#: Bytes the far end may send that nobody has taken yet.
WINDOW: Final = 128 * 1024
#: Longest piece sent or taken at once (RFC 4253 clause 6.1).
PIECE: Final = 32768
#: New keys are agreed after so many bytes (RFC 4253 clause 9).
REKEY_BYTES: Final = 1 << 30
#: What the far end is told of the terminal.
TERMINAL: Final = b"vt100"
COLUMNS, ROWS = 80, 24
#: Modes of the far end's terminal (RFC 4254 clause 8): every byte of eight bits arrives.  What is not named
#: here, echo and line editing above all, stays as the far end has it.
_MODES: Final = (
    (31, 0),  # ISTRIP
    (38, 0),  # IXON
    (39, 0),  # IXANY
    (40, 0),  # IXOFF
    (91, 1),  # CS8
    (92, 0),  # PARENB
    (128, 38400),  # TTY_OP_ISPEED
    (129, 38400),  # TTY_OP_OSPEED
)


#: What the library itself has to say is for who looks closely; as it comes it would go by the names of our
#: classes, and tell every call's channels among what happens to calls.
LIBRARY: Final = Logger("twisted.conch")


class Transport(SSHClientTransport):
    """Packets and keys."""

    ourVersionString = b"SSH-2.0-vmodem"
    supportedCiphers = [
        name
        for name in (b"aes256-ctr", b"aes192-ctr", b"aes128-ctr")
        if name in SSHClientTransport.supportedCiphers
    ]
    supportedMACs = [b"hmac-sha2-512", b"hmac-sha2-256", b"hmac-sha1"]
    supportedKeyExchanges = [
        name
        for name in SSHClientTransport.supportedKeyExchanges
        if name != b"diffie-hellman-group-exchange-sha1"
    ]
    supportedCompressions = [b"none"]

    def __init__(self, session: Session, hosts: KnownHosts) -> None:
        self._session = session
        self._hosts = hosts
        self._log = LIBRARY
        self.supportedPublicKeys = hosts.signatures()
        #: Keys are being agreed on: nothing else may be sent.
        self.agreeing = False
        self._secured = False
        self._since_keys = 0
        #: The far end was told that this is the end: what still comes from it means nothing.
        self._disconnected = False

    def dataReceived(self, data: bytes) -> None:
        self._count(len(data))
        try:
            super().dataReceived(data)
        except Exception as exc:
            # The library trusts the lengths and numbers that the far end makes up.
            self._session.log.debug(
                "{peer} broke the protocol: {kind}: {reason}",
                peer=self._session.peer,
                kind=type(exc).__name__,
                reason=str(exc),
            )
            self._session.fail("the far end does not keep to the SSH protocol")

    def getPacket(self) -> bytes | None:
        return None if self._disconnected else super().getPacket()

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        self.incomingPacketSequence &= 0xFFFFFFFF  # RFC 4253 clause 6.4
        if not self._session.over:
            super().dispatchMessage(messageNum, payload)

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        super().sendPacket(messageType, payload)
        self.outgoingPacketSequence &= 0xFFFFFFFF
        self._count(len(payload))

    def _count(self, size: int) -> None:
        self._since_keys += size
        if self._since_keys > REKEY_BYTES and self._secured and not self.agreeing:
            self.sendKexInit()

    def sendKexInit(self) -> None:
        self.agreeing = True
        self._since_keys = 0
        super().sendKexInit()

    def connectionSecure(self) -> None:
        self.agreeing = False
        if self._secured:
            self._session.stream.room_changed()
        else:
            self._secured = True
            self.requestService(self._session.login)

    def ssh_KEX_DH_GEX_GROUP(self, packet: bytes) -> Any:
        if self.kexAlg.startswith(b"diffie-hellman-group-exchange"):
            # A number of a million bits would keep us busy for the rest of the day.
            if not 2048 <= getMP(packet)[0].bit_length() <= 8192:
                self.sendDisconnect(DISCONNECT_KEY_EXCHANGE_FAILED, b"no such group was asked for")
                return None
        return super().ssh_KEX_DH_GEX_GROUP(packet)

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        objection = self._hosts.objection(hostKey)
        if objection is None:
            return succeed(True)
        self._session.reason = objection
        return fail(ConchError("host key not accepted"))

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        why = f"SSH: {shown(desc)}"
        if reason == DISCONNECT_HOST_KEY_NOT_VERIFIABLE:
            desc = b"bad host key"  # the library would tell the far end our side's error
            why = "the far end does not prove its host key"
        elif reason == DISCONNECT_CONNECTION_LOST and not self.gotVersion:
            why = "no SSH server answers there"
        elif reason == DISCONNECT_KEY_EXCHANGE_FAILED and desc.startswith(b"couldn't match"):
            why = "the far end has no algorithm that is still in use"
        self._session.reason = self._session.reason or why
        self._disconnected = True
        super().sendDisconnect(reason, desc)

    def say_goodbye(self) -> None:
        """We end it, and nothing is wrong."""
        self.sendPacket(
            MSG_DISCONNECT, struct.pack(">L", DISCONNECT_BY_APPLICATION) + NS(b"hung up") + NS(b"")
        )

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        told = shown(description) or f"reason {reasonCode}"
        self._session.reason = self._session.reason or f"the far end ended it: {told}"

    def receiveUnimplemented(self, seqnum: int) -> None:
        """We send nothing that could not be done without."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The session hears of it by itself, and stops the service when it has understood why."""

    def stop(self) -> None:
        if self.service is not None:
            self.service.serviceStopped()
            self.service = None


class Connection(SSHConnection):
    """The service that has channels; ours is the only one."""

    transport: Any

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._log = LIBRARY
        self._session = session

    def serviceStarted(self) -> None:
        self._session.channel = Channel(self._session)
        self.openChannel(self._session.channel)

    def ssh_CHANNEL_OPEN(self, packet: bytes) -> None:
        """Nobody opens one here."""
        sender = getNS(packet)[1][:4]
        answer = sender + struct.pack(">L", OPEN_ADMINISTRATIVELY_PROHIBITED) + NS(b"not here") + NS(b"")
        self.transport.sendPacket(MSG_CHANNEL_OPEN_FAILURE, answer)

    def adjustWindow(self, channel: SSHChannel, bytesToAdd: int) -> None:
        """The library would open the window for what came; it is opened for what was taken."""

    def open_window(self, channel: SSHChannel, size: int) -> None:
        """Let the far end send so many bytes more."""
        if channel in self.channelsToRemoteChannel:
            super().adjustWindow(channel, size)

    def sendClose(self, channel: SSHChannel) -> None:
        """Only the library asks for this, when a window is overrun."""
        self._session.fail("the far end sends more than it may")

    def close(self, channel: SSHChannel) -> None:
        """Close the channel on our side."""
        super().sendClose(channel)


class Channel(SSHChannel):
    """A session with a terminal and a shell (RFC 4254 clause 6)."""

    name = b"session"
    conn: Any

    def __init__(self, session: Session) -> None:
        super().__init__(localWindow=WINDOW, localMaxPacket=PIECE)
        self._log = LIBRARY
        self._session = session
        #: How the shell ended, once that was said.
        self.status = ""

    def channelOpen(self, specificData: bytes) -> None:
        if not self.remoteMaxPacket:
            self._session.fail("the far end takes no bytes")
            return
        size = struct.pack(">4L", COLUMNS, ROWS, 0, 0)
        modes = b"".join(struct.pack(">BL", *mode) for mode in _MODES) + b"\0"
        terminal = self.conn.sendRequest(self, b"pty-req", NS(TERMINAL) + size + NS(modes), wantReply=1)
        terminal.addErrback(self._no_terminal)
        shell = self.conn.sendRequest(self, b"shell", b"", wantReply=1)
        shell.addCallbacks(lambda _: self._session.ready(), self._no_shell)
        shell.addErrback(lambda failure: self._session.log.failure("taking an SSH call failed", failure))

    def _no_terminal(self, failure: Failure) -> None:
        if not self._session.over:
            self._session.log.info("{peer} gives no terminal", peer=self._session.peer)

    def _no_shell(self, failure: Failure) -> None:
        self._session.fail("the far end starts no shell")

    def openFailed(self, reason: Any) -> None:
        told = reason.args[0] if isinstance(reason, ConchError) and reason.args else b""
        why = f": {shown(told)}" if told else ""
        self._session.fail(f"the far end opens no session{why}")

    def dataReceived(self, data: bytes) -> None:
        if data:
            self._session.stream.received(data)

    def extReceived(self, dataType: int, data: bytes) -> None:
        self.dataReceived(data)  # error messages, where there is no terminal

    def addWindowBytes(self, data: int) -> None:
        self.remoteWindowLeft += data
        self._session.stream.room_changed()

    def request_exit_status(self, data: bytes) -> bool:
        self.status = f"exit status {struct.unpack('>L', data[:4])[0]}"
        return True

    def request_exit_signal(self, data: bytes) -> bool:
        self.status = f"ended by signal {shown(getNS(data)[0])}"
        return True

    def eofReceived(self) -> None:
        self._session.no_more()

    def closeReceived(self) -> None:
        self._session.closing()

    def closed(self) -> None:
        self._session.closed()
