"""Where clients of UPSes come in: listeners that several UPSes share, and the users that all of them know.

A listener is there as long as a UPS is served on it.  What does not belong here: UPSes and their drivers
(upses.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vmodem.config.schema import UserConfig

from .start import EX_CONFIG, EX_UNAVAILABLE, EX_USAGE, StartError

if TYPE_CHECKING:
    from vmodem.net.incoming.listen import Listener
    from vmodem.net.incoming.spec import ListenSpec
    from vmodem.ups.datagrams import Datagrams
    from vmodem.ups.model import Ups
    from vmodem.ups.upsd import Served, Upsd


class Desk:
    """All listeners for clients of UPSes, and all users."""

    def __init__(self, reactor: Any) -> None:
        from vmodem.ups.users import Users

        self._reactor = reactor
        self._users = Users(reactor.seconds)
        self._places: dict[object, _Place] = {}

    def configure(self, users: Mapping[str, UserConfig]) -> None:
        """These are the users from now on; who is connected has their rights at once.  Raises
        :class:`StartError`, and then nothing has changed."""
        from vmodem.ups.users import User, UserError

        try:
            found = [
                User(
                    name,
                    user.password,
                    user.upsmon or "",
                    frozenset(action.upper() for action in user.actions),
                    frozenset(command.lower() for command in user.instcmds),
                )
                for name, user in users.items()
            ]
        except UserError as exc:
            raise StartError(str(exc), EX_CONFIG) from exc
        self._users.replace(found)

    def join(self, text: str, served: Served, cert: str = "", key: str = "") -> None:
        """Serve a UPS on a LISTEN string, or serve it differently there; ``cert`` and ``key`` are for
        STARTTLS.  Raises :class:`StartError`, and then the UPS is not served there."""
        from vmodem.net.incoming.listen import ListenError
        from vmodem.net.incoming.spec import parse_listen

        try:
            spec = parse_listen(text)
        except ListenError as exc:
            raise StartError.of(exc, EX_USAGE) from exc
        if spec.kind == "udp":
            raise StartError(
                f'cannot serve a UPS on "{text}": clients need a connection; use tcp:, and udp = true '
                "for the old form",
                EX_USAGE,
            )
        where = _where(spec)
        place = self._places.get(where)
        if place is None:
            place = self._places[where] = _Place(self._reactor, text, spec, self._users)
        try:
            place.add(served, cert, key)
        except StartError:
            self.leave(text, served.ups)
            raise

    def leave(self, text: str, ups: Ups) -> None:
        """Serve a UPS there no more.  With the last one the listener and its connections go."""
        from vmodem.net.incoming.spec import ListenError, parse_listen

        try:
            where = _where(parse_listen(text))
        except ListenError:
            return
        place = self._places.get(where)
        if place is not None and place.remove(ups):
            del self._places[where]

    def listening(self, ups: Ups) -> list[str]:
        """Where a UPS is served, for people."""
        return [place.listener.address for place in self._of(ups)]

    def sessions(self, ups: Ups) -> int:
        """Connections on the listeners of a UPS."""
        return sum(place.server.sessions for place in self._of(ups))

    def _of(self, ups: Ups) -> list[_Place]:
        return [place for place in self._places.values() if ups.name.lower() in place.server.served]

    @property
    def ports(self) -> list[int]:
        """The TCP ports that are listened on."""
        return [place.listener.port for place in self._places.values() if place.listener.port]


class _Place:
    """One listener with its server."""

    def __init__(self, reactor: Any, text: str, spec: ListenSpec, users: Any) -> None:
        from vmodem import __version__
        from vmodem.net.incoming.listen import Listener
        from vmodem.ups.upsd import Upsd

        self._reactor = reactor
        self._spec = spec
        self._started = False
        self._certificate = ("", "")
        self._datagrams: Datagrams | None = None
        self.server: Upsd = Upsd(reactor, users, __version__, encrypted=spec.kind == "tls")
        self.listener: Listener = Listener(reactor, text, self.server.accept)

    def add(self, served: Served, cert: str, key: str) -> None:
        """Serve a UPS here.  Raises :class:`StartError`."""
        from vmodem.net.incoming.listen import ListenError

        other = self.server.served.get(served.ups.name.lower())
        if other is not None and other.ups is not served.ups:
            raise StartError(
                f'there are two UPSes "{served.ups.name}" on "{self._spec.text}", and clients know no case',
                EX_CONFIG,
            )
        self._certify(cert, key)
        self.server.serve(served)
        try:
            if not self._started:
                self.listener.start()
                self._started = True
            self._settle_datagrams()
        except ListenError as exc:
            raise StartError.of(exc, EX_UNAVAILABLE) from exc

    def remove(self, ups: Ups) -> bool:
        """Serve it no more; whether nothing is served any more."""
        from vmodem.net.incoming.listen import ListenError

        served = self.server.served.get(ups.name.lower())
        if served is not None and served.ups is ups:
            self.server.withdraw(ups)
        if not self.server.served:
            self.listener.stop()
            if self._datagrams is not None:
                self._datagrams.stop()
            self.server.close()
            return True
        try:
            self._settle_datagrams()
        except ListenError:
            pass  # there is one already, or none is wanted
        return False

    def _certify(self, cert: str, key: str) -> None:
        if not cert or (cert, key) == self._certificate:
            return
        from vmodem.net.tls.begin import TlsError, TlsServerSettings, load_server

        try:
            self.server.tls = load_server(TlsServerSettings(cert, key or cert))
        except TlsError as exc:
            raise StartError.of(exc, EX_CONFIG) from exc
        self._certificate = (cert, key)

    def _settle_datagrams(self) -> None:
        """Listen for the old form exactly while a UPS wants it."""
        wanted = any(each.udp for each in self.server.served.values())
        if self._datagrams is not None and not wanted:
            self._datagrams.stop()
            self._datagrams = None
        if self._datagrams is None and wanted:
            from vmodem.net.incoming.spec import ListenError
            from vmodem.ups.datagrams import Datagrams

            if not self._spec.on_network:
                raise ListenError(
                    f'udp = true needs an address and a port, which "{self._spec.text}" has not; use tcp:'
                )
            datagrams = Datagrams(
                self._reactor, self._spec.ip, self.listener.port, self._spec.zone, self.server
            )
            datagrams.start()
            self._datagrams = datagrams
        elif self._datagrams is not None:
            self._datagrams.check()


def _where(spec: ListenSpec) -> object:
    """What two spellings of the same place have in common."""
    if spec.kind in ("tcp", "tcp6") and spec.port:
        return (spec.kind, spec.protocol, spec.proxied, str(spec.ip), spec.zone, spec.port)
    return spec.text.strip()
