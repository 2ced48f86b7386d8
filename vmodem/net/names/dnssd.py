"""Modems of the local network, found and announced by multicast DNS (RFC 6762, 6763).

Needs the package ``zeroconf`` (extra ``mdns``), which runs on asyncio: it has a thread to itself.  Nothing in
it holds up the reactor, and the end of the program does not wait for it.

Anybody on the local network can announce anything.  What is heard is bounded, goes when its announcer no
longer answers, never displaces what was heard first, and leads to this machine itself only when nothing but
this machine is listened to.  Whether a place may be called is decided elsewhere, as for every address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import ifaddr
from twisted.logger import Logger
from zeroconf import Error, InterfaceChoice, IPVersion, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from vmodem.net.address import literal
from vmodem.wire.dnssd import SERVICE, Service, heard, shown

TYPE: Final = f"{SERVICE}.local."
#: Modems that are remembered; more are not heard.
INSTANCES: Final = 256
#: Addresses of one modem that are looked at.
ADDRESSES: Final = 4
#: How long others may keep what we announce, in seconds.
TTL_S: Final = 120
#: How often it is seen to that what was heard is still there, in seconds.
CHECK_S: Final = 60.0
#: How long one modem has to tell its place, in seconds.
ANSWER_S: Final = 3.0
#: How long after a failure (no network, say) it is tried again, in seconds.
RETRY_S: Final = 30.0
#: How long the farewell may take, in seconds.
FAREWELL_S: Final = 1.0
#: Modems asked at one time.
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Heard:
    """A modem of the local network."""

    number: str
    #: What it calls itself; printable.
    name: str
    #: Where it answers, as TARGET strings in the order in which to try them.
    uris: tuple[str, ...]


class LocalNetwork:
    """Announces ``services`` and, unless told not to, listens for others.

    ``interfaces`` are addresses of this machine on which to do so; all when none is given.  Begins at once;
    ``stop`` ends it.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        services: Sequence[Service] = (),
        *,
        interfaces: Sequence[str] = (),
        browse: bool = True,
        check_s: float = CHECK_S,
    ) -> None:
        self._reactor = reactor
        self._services = tuple(services)
        self._interfaces = list(interfaces)
        self._browse = browse
        self._check_s = check_s
        self._table: Mapping[str, Heard] = MappingProxyType({})
        self._instances: dict[str, Heard] = {}
        self._asked: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        threading.Thread(target=self._run, name="vmodem-mdns", daemon=True).start()

    @property
    def table(self) -> Mapping[str, Heard]:
        """What is there now, by number."""
        return self._table

    def find(self, number: str) -> Heard | None:
        """Who announced ``number``; of several the one heard first."""
        return self._table.get(number)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Take the announcements back and end.  ``stopped`` is called later, within about a second; may be
        called once."""
        with self._lock:
            self._stopped = stopped
            loop, stopping = self._loop, self._stopping
            if self._over:
                self._reactor.callLater(0, stopped)
            elif loop is not None and stopping is not None:
                loop.call_soon_threadsafe(stopping.set)

    # -- in the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as exc:  # whatever it is, the modem must not hear of it
            self._say("multicast DNS ended: {reason}", repr(exc))
        with self._lock:
            self._over, self._loop = True, None
            stopped = self._stopped
        if stopped is not None:
            self._tell(stopped)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        stopping = asyncio.Event()
        with self._lock:
            if self._stopped is not None:
                return
            self._loop, self._stopping = loop, stopping
        while not stopping.is_set():
            try:
                await self._serve(stopping)
            except (OSError, Error, RuntimeError) as exc:
                self._say("multicast DNS is not possible now: {reason}", str(exc) or repr(exc))
                await _either(stopping, RETRY_S)

    async def _serve(self, stopping: asyncio.Event) -> None:
        """Announce and listen until it is to stop."""
        mdns = self._opened()
        slots = asyncio.Semaphore(_AT_ONCE)

        def changed(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
            if state_change is ServiceStateChange.Removed:
                self._forget(name)
            else:
                self._begin(self._ask(mdns, name, slots))

        browser = None
        try:
            for service in self._services:
                self._begin(self._announce(mdns, service))
            if self._browse:
                browser = AsyncServiceBrowser(mdns.zeroconf, TYPE, handlers=[changed])
            while not await _either(stopping, self._check_s):
                for name in list(self._instances):
                    self._begin(self._ask(mdns, name, slots))
        finally:
            for task in list(self._tasks):
                task.cancel()
            self._instances.clear()
            self._publish()
            if browser is not None:
                await browser.async_cancel()
            with suppress(asyncio.TimeoutError, OSError, Error):
                await asyncio.wait_for(mdns.async_close(), FAREWELL_S)

    def _opened(self) -> AsyncZeroconf:
        interfaces: Any = self._interfaces or InterfaceChoice.All
        if not self._interfaces:
            try:
                return AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.All)
            except OSError:  # a machine without IPv6
                return AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
        return AsyncZeroconf(interfaces=interfaces)

    async def _announce(self, mdns: AsyncZeroconf, service: Service) -> None:
        host = "".join(char if char.isascii() and char.isalnum() else "-" for char in socket.gethostname())
        # Dots part labels here.
        name = service.name.replace(".", " ")
        info = AsyncServiceInfo(
            TYPE,
            f"{name}.{TYPE}",
            port=service.port,
            properties=dict(service.txt),
            server=f"vmodem-{host[:50] or 'host'}.local.",
            host_ttl=TTL_S,
            other_ttl=TTL_S,
            parsed_addresses=self._own_addresses(),
        )
        try:
            await (await mdns.async_register_service(info, allow_name_change=True))
        except (Error, OSError, ValueError) as exc:
            self._say("{name} cannot be announced: {reason}", str(exc) or repr(exc), name=service.name)

    def _own_addresses(self) -> list[str]:
        if self._interfaces:
            return [each for each in self._interfaces if literal(each) is not None]
        found: list[str] = []
        for adapter in ifaddr.get_adapters():
            for each in adapter.ips:
                text = each.ip if isinstance(each.ip, str) else each.ip[0]
                if not ipaddress.ip_address(text).is_loopback:
                    found.append(text)
        return found

    async def _ask(self, mdns: AsyncZeroconf, name: str, slots: asyncio.Semaphore) -> None:
        """Where a modem is; one that does not answer any more is forgotten."""
        if name in self._asked or len(self._asked) >= INSTANCES:
            return
        self._asked.add(name)
        try:
            async with slots:
                info = AsyncServiceInfo(TYPE, name)
                known = await info.async_request(mdns.zeroconf, int(ANSWER_S * 1000))
            self._note(name, self._read(info) if known else None)
        except (Error, OSError, ValueError):
            self._forget(name)
        finally:
            self._asked.discard(name)

    def _read(self, info: AsyncServiceInfo) -> Heard | None:
        number, name = heard(info.properties)
        if not number or not info.port:
            return None
        uris = []
        for text in info.parsed_scoped_addresses()[: 4 * ADDRESSES]:
            found = literal(text)
            if found is None or found[0].is_multicast or found[0].is_unspecified:
                continue
            if found[0].is_loopback and not self._only_here():
                continue
            uris.append(f"tcp:[{text}]:{info.port}" if found[0].version == 6 else f"tcp:{text}:{info.port}")
        if not uris:
            return None
        return Heard(number, name or shown(info.name.removesuffix("." + TYPE)), tuple(uris[:ADDRESSES]))

    def _only_here(self) -> bool:
        known = [literal(each) for each in self._interfaces]
        return bool(known) and all(each is not None and each[0].is_loopback for each in known)

    def _note(self, name: str, found: Heard | None) -> None:
        if found is None:
            self._forget(name)
        elif self._instances.get(name) != found and (
            name in self._instances or len(self._instances) < INSTANCES
        ):
            self._instances[name] = found
            self._publish()
            where = " ".join(found.uris)
            self._say("heard of {name}: {number} is {reason}", where, name=found.name, number=found.number)

    def _forget(self, name: str) -> None:
        if self._instances.pop(name, None) is not None:
            self._publish()

    def _publish(self) -> None:
        table: dict[str, Heard] = {}
        for each in self._instances.values():
            table.setdefault(each.number, each)
        self._table = MappingProxyType(table)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= 2 * INSTANCES:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- to the reactor ------------------------------------------------------------------------------------

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._say("multicast DNS: {reason}", str(context.get("exception") or context.get("message")))

    def _say(self, text: str, reason: str, **more: str) -> None:
        self._tell(lambda: self._log.info(text, reason=reason, **more))

    def _tell(self, what: Callable[[], None]) -> None:
        with suppress(Exception):  # the reactor is gone for good, and whoever wanted to know with it
            self._reactor.callFromThread(what)


async def _either(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, so long at most; whether it came."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
