"""Who we are in TLS, and who the peer has to be.

A context is made once from the operator's settings, and knows its files: when one of them is replaced (a
certificate was renewed), the next call gets the new one.

What does not belong here: how a call begins (``tls``), and what certificates say (``tlsnames``).
"""

from __future__ import annotations

import errno
import functools
import os
import ssl
import stat
from collections.abc import Callable, Iterable
from typing import Final

from twisted.logger import Logger

from vmodem.net.tls.names import matches, subject_name, wire_name, wrong_name
from vmodem.net.tls.session import Session
from vmodem.net.tls.settings import (
    TlsClientSettings,
    TlsError,
    TlsServerSettings,
    check_client,
    parse_pin,
    show_pin,
)

#: Files with certificates and keys are not longer than this, in bytes.
FILE_LIMIT: Final = 1 << 24
#: So many kinds of calls (by the files they take) have their context kept.
KEPT: Final = 16


class Refused(Exception):
    """The peer is not who it has to be; the text is the reason for people."""


def load_client(settings: TlsClientSettings) -> ClientContext:
    """For calling.  Raises :class:`TlsError`.

    Made for each call if need be: what was read from files, and the authorities of the system, are kept."""
    return ClientContext(settings)


def load_server(settings: TlsServerSettings) -> ServerContext:
    """For being called.  Raises :class:`TlsError`."""
    return ServerContext(settings)


class _Files:
    """OpenSSL's context, made anew when the files it was made from change.

    ``paths`` names them as they are at present; ``make`` raises :class:`TlsError`."""

    _log = Logger()

    def __init__(self, make: Callable[[], ssl.SSLContext], paths: Callable[[], Iterable[str]]) -> None:
        self._make = make
        self._paths = paths
        self._state = self._look()
        self.context = make()

    def current(self) -> ssl.SSLContext:
        """The context for a call that begins now."""
        state = self._look()
        if state != self._state:
            names = ", ".join(path for path in state if state[path] != self._state.get(path))
            self._state = state
            try:
                self.context = self._make()
                self._log.info("TLS: {files} read again", files=names)
            except TlsError as exc:
                # Perhaps one file of two has been replaced yet; the other's change is another chance.
                self._log.warn("TLS: what was read before stays in use: {reason}", reason=str(exc))
        return self.context

    def _look(self) -> dict[str, tuple[int, int, int] | None]:
        """Each file as it is now."""
        found: dict[str, tuple[int, int, int] | None] = {}
        for path in self._paths():
            try:
                file = os.stat(path)
                found[path] = (file.st_mtime_ns, file.st_size, file.st_ino)
            except (OSError, ValueError):
                found[path] = None
        return found


class ClientContext:
    """What :func:`load_client` makes."""

    def __init__(self, settings: TlsClientSettings) -> None:
        self.settings = settings
        check_client(settings)
        self._pin = None if settings.pin is None else parse_pin(settings.pin)
        try:
            self._name = wire_name(settings.server_name)
        except ValueError:
            if self._pin is None:
                raise TlsError(
                    f'"{settings.server_name}" is no name that a certificate could hold; '
                    "give a host name or an IP address, or pin=SHA256"
                ) from None
            self._name = ""
        self._files = _client_files(settings.ca, settings.cert, settings.key, self._pin is None)

    def session(self) -> Session:
        """A session that has not begun."""
        return Session(self._files.current(), self._name)

    def judge(self, session: Session) -> str:
        """The peer's name for a session whose handshake is done.  Raises :class:`Refused`."""
        if session.leaf is None:
            raise Refused("the other end gave no certificate")
        if self._pin is not None:
            # The names in it count for nothing, and nobody vouches for them.
            if session.fingerprint != self._pin:
                shown = show_pin(session.fingerprint)
                raise Refused(f"the certificate is not the one that was pinned; its SHA-256 is {shown}")
            return ""
        certificate = session.certificate
        if not matches(self._name, certificate):
            raise Refused(wrong_name(self._name, certificate))
        return subject_name(certificate)


class ServerContext:
    """What :func:`load_server` makes."""

    def __init__(self, settings: TlsServerSettings) -> None:
        self.settings = settings
        paths = _named(settings.cert, settings.key, settings.clientca)
        self._files = _Files(lambda: _make_server(settings), lambda: paths)

    def session(self) -> Session:
        """A session that has not begun."""
        return Session(self._files.current(), None)

    def judge(self, session: Session) -> str:
        """The caller's name for a session whose handshake is done.  Raises :class:`Refused`."""
        if self.settings.clientca is None:
            return ""
        if session.leaf is None:
            raise Refused("the caller gave no certificate")
        return subject_name(session.certificate)


def _make_server(settings: TlsServerSettings) -> ssl.SSLContext:
    context = plain_context(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    # A caller that sends and leaves without reading would have our tickets reset the connection.
    context.num_tickets = 0
    load_own(context, settings.cert, settings.key)
    if settings.clientca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        trust(context, "clientca", settings.clientca)
    return context


@functools.lru_cache(KEPT)
def _client_files(ca: str | None, cert: str | None, key: str | None, verified: bool) -> _Files:
    """What calls have in common: names and pins are no matter of OpenSSL's context.  Reading the system's
    authorities takes 20 ms, in which no other call moves."""

    def make() -> ssl.SSLContext:
        context = plain_context(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # judge() sees to it, and can say what was wrong
        if not verified:
            context.verify_mode = ssl.CERT_NONE
        elif ca is None:
            context.load_default_certs()
        else:
            trust(context, "ca", ca)
        if cert is not None:
            load_own(context, cert, key)
        return context

    def paths() -> tuple[str, ...]:
        if ca is None and verified:
            system = ssl.get_default_verify_paths()
            return _named(system.cafile, system.capath, cert, key)
        return _named(ca, cert, key)

    return _Files(make, paths)


def _named(*paths: str | None) -> tuple[str, ...]:
    return tuple(path for path in paths if path is not None)


def plain_context(protocol: int = ssl.PROTOCOL_TLS_SERVER) -> ssl.SSLContext:
    """OpenSSL's context with nothing of ours in it yet."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def trust(context: ssl.SSLContext, option: str, path: str) -> None:
    """Accept what the authorities in a file have signed; each counts by itself, whoever signed it.  Raises
    :class:`TlsError`."""
    read_pem(option, path, "CERTIFICATE-----")
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as exc:
        raise TlsError(
            f"{option}={path} holds no certificate that can be read ({_why(exc)}); it must be PEM"
        ) from None


def load_own(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Be who the certificate says.  Raises :class:`TlsError`."""
    read_pem("cert", cert, "CERTIFICATE-----")
    where = f"cert={cert}" if key is None else f"key={key}"
    read_pem("cert" if key is None else "key", cert if key is None else key, "PRIVATE KEY-----")
    asked: list[bool] = []

    def passphrase() -> str:
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(cert, key, passphrase)
    except (OSError, ValueError) as exc:
        if asked:
            problem = f'{where} is protected by a passphrase; remove it with "openssl pkey -in OLD -out NEW"'
        elif getattr(exc, "reason", "") == "KEY_VALUES_MISMATCH":
            problem = f"{where} does not fit the certificate in {cert}; name the key that was made for it"
        else:
            problem = f"cert={cert} and its key cannot be used ({_why(exc)}); both must be PEM"
        raise TlsError(problem) from None


def read_pem(option: str, path: str, wanted: str) -> None:
    """Look into a file: OpenSSL's own words name neither the file nor what is missing.  Raises
    :class:`TlsError`."""
    try:
        if stat.S_IFMT(os.stat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            raise OSError(errno.EINVAL, "it is no file")  # a pipe may never be read to its end
        with open(path, "rb") as file:
            found = file.read(FILE_LIMIT)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise TlsError(
            f"{option}={path} cannot be read: {reason}; name a PEM file this user may read"
        ) from None
    if wanted.encode() not in found:
        kind = "private key" if wanted.startswith("PRIVATE") else "certificate"
        remedy = (
            "name its file with key="
            if (option, kind) == ("cert", "private key")
            else "name a PEM file with one"
        )
        raise TlsError(f"{option}={path} holds no {kind}; {remedy}")


def _why(exc: Exception) -> str:
    reason = getattr(exc, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(getattr(exc, "strerror", None) or exc)
