"""Names to addresses, without ever holding up the reactor or the end of the program.

The system's resolver blocks, for half a minute when its servers are dead.  It therefore runs in threads that
the end of the process does not wait for; the reactor's own pool would.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

from vmodem.net.address import IPAddress, unmapped

#: Lookups that may be unanswered at one time; one more fails at once.
LOOKUPS: Final = 8
#: Addresses of one name that are looked at.
ADDRESSES: Final = 8


class Lookup(Protocol):
    """A lookup under way."""

    def cancel(self) -> None:
        """Forget the answer: neither callback is called any more."""


class Resolver(Protocol):
    """Whoever turns names into addresses."""

    def resolve(
        self,
        host: str,
        resolved: Callable[[list[IPAddress]], None],
        failed: Callable[[str], None],
    ) -> Lookup:
        """Look ``host`` up.  Calls exactly one of the two, later, on the reactor thread; ``resolved`` with at
        least one address, in the order in which to try them, ``failed`` with a reason for people."""


class _Lookup:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class SystemResolver:
    """The operating system's resolver (getaddrinfo), in threads of its own."""

    def __init__(self, reactor: Any, getaddrinfo: Callable[..., Any] = socket.getaddrinfo) -> None:
        self._reactor = reactor
        self._getaddrinfo = getaddrinfo
        self._running = 0

    def resolve(
        self,
        host: str,
        resolved: Callable[[list[IPAddress]], None],
        failed: Callable[[str], None],
    ) -> Lookup:
        lookup = _Lookup()

        def done(found: list[IPAddress], reason: str) -> None:
            self._running -= 1
            if lookup.cancelled:
                return
            if found:
                resolved(found)
            else:
                failed(reason)

        def work() -> None:
            answer = self._ask(host)
            try:
                self._reactor.callFromThread(done, *answer)
            except Exception:  # the reactor is gone for good, and whoever asked with it
                return

        self._running += 1
        if self._running > LOOKUPS:
            self._reactor.callLater(0, done, [], f"{LOOKUPS} earlier lookups are still unanswered")
        else:
            threading.Thread(target=work, name="vmodem-resolver", daemon=True).start()
        return lookup

    def _ask(self, host: str) -> tuple[list[IPAddress], str]:
        """Runs in a thread."""
        try:
            name = host.encode("ascii") if host.isascii() else host.encode("idna")
            answers = self._getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError as exc:
            return [], exc.strerror or str(exc)
        except (UnicodeError, ValueError):
            return [], "not a host name"
        except Exception as exc:  # whatever it is, the lookup must end
            return [], f"the resolver failed: {exc}"
        found: list[IPAddress] = []
        for family, _, _, _, sockaddr in answers:
            if family not in (socket.AF_INET, socket.AF_INET6):
                continue
            ip = unmapped(ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]))
            if ip not in found:
                found.append(ip)
        return alternated(found)[:ADDRESSES], "the name has no address"


def alternated(found: list[IPAddress]) -> list[IPAddress]:
    """The families in turn, beginning with that of the first address (RFC 8305 clause 4)."""
    if not found:
        return []
    first = [ip for ip in found if ip.version == found[0].version]
    second = [ip for ip in found if ip.version != found[0].version]
    result: list[IPAddress] = []
    for index in range(max(len(first), len(second))):
        result += first[index : index + 1] + second[index : index + 1]
    return result
