"""Logging in by SSH with the keys that the user has: in files, and in an agent.

Passwords are not used, nobody is there to type one; an encrypted key file is passed over for the same reason.
What does not belong here: the connection, and whom to trust (:mod:`vmodem.net.ssh.hosts`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.conch.ssh.agent import AGENTC_SIGN_REQUEST, SSHAgentClient
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import EncryptedKeyError, Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

#: How long an agent may take to be reached, in seconds.  What it then takes to answer is the caller's time.
AGENT_S: Final = 5.0
#: Longest text of others that is shown.
SHOWN: Final = 200

#: SSH_MSG_USERAUTH_FAILURE, SUCCESS, BANNER, PK_OK (RFC 4252 clauses 6 and 7).
_MESSAGES: Final = {
    51: "MSG_USERAUTH_FAILURE",
    52: "MSG_USERAUTH_SUCCESS",
    53: "MSG_USERAUTH_BANNER",
    60: "MSG_USERAUTH_PK_OK",
}
#: Flag of a signing request to an agent: with SHA-512 (draft-miller-ssh-agent clause 4.5.1).
_RSA_SHA2_512: Final = 4

_log = Logger()


def shown(data: bytes) -> str:
    """A text of the far end, for people."""
    return data[:SHOWN].decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class Credential:
    """A key that can sign."""

    #: Where it is, for people.
    name: str
    key: Key
    #: Signs data with an algorithm.
    sign: Callable[[bytes, bytes], Deferred[bytes]]


def from_files(names: Sequence[str]) -> Iterator[Credential]:
    """The private keys in these files; those that cannot be used are told of and passed over."""
    for name in names:
        path = os.path.expanduser(name)
        try:
            with open(path, "rb") as file:
                key = Key.fromString(file.read())
        except FileNotFoundError:
            continue
        except EncryptedKeyError:
            _log.warn("{path} is encrypted and is not used; an agent can hold it", path=path)
            continue
        except OSError as exc:
            _log.warn("{path} is not used: {reason}", path=path, reason=exc.strerror or str(exc))
            continue
        except Exception as exc:  # the library raises whatever the file makes it raise
            _log.warn("{path} is not used: {kind}", path=path, kind=type(exc).__name__)
            continue
        if key.isPublic():
            _log.warn("{path} is not used: it is a public key", path=path)
            continue
        yield Credential(path, key, _signer(key))


def _signer(key: Key) -> Callable[[bytes, bytes], Deferred[bytes]]:
    return lambda data, algorithm: succeed(key.sign(data, algorithm))


class _Agent(SSHAgentClient):
    """The far end of an agent's socket."""

    transport: Any

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        waiting, self.deferreds = self.deferreds, []
        for each in waiting:
            each.errback(ConnectionDone("the agent went away"))

    def credentials(self) -> Deferred[list[Credential]]:
        """The keys it holds."""
        found: Deferred[list[Credential]] = self.requestIdentities()
        return found.addCallback(self._usable)

    def _usable(self, identities: Any) -> list[Credential]:
        usable = []
        for blob, comment in identities:
            try:
                key = Key.fromString(blob)
            except Exception:  # a certificate, or a kind that is newer than the library
                continue
            usable.append(Credential(f"{shown(comment)} in the agent", key, self._signer(key)))
        return usable

    def _signer(self, key: Key) -> Callable[[bytes, bytes], Deferred[bytes]]:
        def sign(data: bytes, algorithm: bytes) -> Deferred[bytes]:
            flags = _RSA_SHA2_512 if algorithm == b"rsa-sha2-512" else 0
            request = NS(key.blob()) + NS(data) + struct.pack(">L", flags)
            answer: Deferred[bytes] = self.sendRequest(AGENTC_SIGN_REQUEST, request)
            return answer.addCallback(lambda packet: getNS(packet[1:])[0])

        return sign


class Login(SSHService):
    """Tries one key after the other (RFC 4252 clause 7), then starts ``instance``.

    ``agent`` is the path of an agent's socket, "" for none.  ``failed`` is told in one sentence when nothing
    helped.  ``leave`` lets go of the agent; nothing happens after it.
    """

    name = b"ssh-userauth"
    protocolMessages = _MESSAGES
    transport: Any

    def __init__(
        self,
        reactor: Any,
        user: str,
        keys: Sequence[str],
        agent: str,
        instance: SSHService,
        failed: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._user = user
        self._keys = keys
        self._path = agent
        self._instance = instance
        self._failed = failed
        self._gathered = False
        self._attempts: Iterator[tuple[Credential, bytes]] = iter(())
        self._trying: tuple[Credential, bytes] | None = None
        self._tried: list[str] = []
        self._asking: Deferred[None] | None = None
        self._agent: _Agent | None = None
        self._left = False

    def serviceStarted(self) -> None:
        # The answer names the methods; some hosts let everybody in.
        self._ask(b"none", b"")

    def leave(self) -> None:
        self._left = True
        asking, self._asking = self._asking, None
        agent, self._agent = self._agent, None
        if asking is not None:
            asking.cancel()
        if agent is not None:
            agent.transport.abortConnection()

    # -- what the far end says -----------------------------------------------------------------------------

    def ssh_USERAUTH_SUCCESS(self, packet: bytes) -> None:
        self.transport.setService(self._instance)

    def ssh_USERAUTH_BANNER(self, packet: bytes) -> None:
        """Nobody is there to read it."""

    def ssh_USERAUTH_FAILURE(self, packet: bytes) -> None:
        listed, rest = getNS(packet)
        methods = shown(listed)
        if rest[:1] != b"\0":
            self._failed(f"the far end wants more than a key ({methods})")
        elif "publickey" not in methods.split(","):
            self._failed(f"the far end takes no keys ({methods or 'nothing'} only)")
        elif not self._gathered:
            self._gathered = True
            self._gather()
        elif self._trying is not None:
            self._next()

    def ssh_USERAUTH_PK_OK(self, packet: bytes) -> None:
        if self._trying is None:
            self.transport.sendUnimplemented()
            return
        credential, algorithm = self._trying
        rest = b"\1" + NS(algorithm) + NS(credential.key.blob())
        data = NS(self.transport.sessionID) + bytes((MSG_USERAUTH_REQUEST,)) + self._head(b"publickey") + rest
        signing = credential.sign(data, algorithm)
        signing.addCallbacks(lambda signature: self._ask(b"publickey", rest + NS(signature)), self._unsigned)

    # -- our keys ------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        credentials = list(from_files(self._keys))
        if not self._path:
            self._begin(credentials)
            return
        endpoint = UNIXClientEndpoint(self._reactor, self._path, timeout=AGENT_S)
        asking: Deferred[Any] = connectProtocol(endpoint, _Agent())
        self._asking = asking
        asking.addCallback(self._reached).addErrback(self._unreached)
        asking.addCallback(lambda more: self._begin(credentials + more))

    def _reached(self, agent: _Agent) -> Deferred[list[Credential]]:
        self._agent = agent
        return agent.credentials()

    def _unreached(self, failure: Failure) -> list[Credential]:
        if not self._left:
            reason = failure.getErrorMessage()
            _log.info("the agent at {path} is not used: {reason}", path=self._path, reason=reason)
        return []

    def _begin(self, credentials: list[Credential]) -> None:
        self._asking = None
        keys = {each.key.blob(): each for each in reversed(credentials)}  # the first of each counts
        first = [each for each in credentials if keys[each.key.blob()] is each]
        self._attempts = iter([(each, name) for each in first for name in self._algorithms(each.key)])
        self._next()

    def _algorithms(self, key: Key) -> list[bytes]:
        """How a key is to sign: an RSA key with SHA-1 only where the server knows nothing better."""
        mine: list[bytes] = key.supportedSignatureAlgorithms()
        if key.sshType() != b"ssh-rsa":
            return mine
        listed = self.transport.peerExtensions.get(b"server-sig-algs")  # RFC 8308 clause 3.1
        if listed is None:
            return [b"rsa-sha2-512", b"ssh-rsa"]
        return [each for each in mine if each in listed.split(b",")][:1]

    def _next(self) -> None:
        if self._left:
            return
        self._trying = next(self._attempts, None)
        if self._trying is not None:
            credential, algorithm = self._trying
            self._tried.append(credential.name)
            self._ask(b"publickey", b"\0" + NS(algorithm) + NS(credential.key.blob()))
        elif self._tried:
            names = ", ".join(dict.fromkeys(self._tried))
            self._failed(f"none of our keys lets {self._user} in ({names}); authorized_keys there needs one")
        else:
            names = ", ".join(self._keys) or "no files"
            self._failed(f"there is no key to log in with: none of {names} can be used, and no agent has one")

    def _unsigned(self, failure: Failure) -> None:
        if not self._left and self._trying is not None:
            reason = failure.getErrorMessage()
            _log.warn("{name} does not sign: {reason}", name=self._trying[0].name, reason=reason)
            self._next()

    def _head(self, method: bytes) -> bytes:
        return bytes(NS(self._user.encode()) + NS(self._instance.name) + NS(method))

    def _ask(self, method: bytes, rest: bytes) -> None:
        if not self._left:
            self.transport.sendPacket(MSG_USERAUTH_REQUEST, self._head(method) + rest)
