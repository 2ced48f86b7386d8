"""What a configuration says, table by table, as frozen values.

Field names are the keys of the file.  Strings that have a grammar of their own (LINE, LISTEN, TARGET, rules)
are kept as written; whoever builds from them takes them apart, and the check does so beforehand.  Times are
seconds, rates bit/s, sizes bytes.

What does not belong here: reading files, and building anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from vmodem.call.directory import Entry
from vmodem.net.admission.limits import CallerLimits

if TYPE_CHECKING:
    from .source import Source

#: Where a modem answers unless told otherwise.
DEFAULT_LISTEN: Final = "tcp:8001:interface=127.0.0.1"
DEFAULT_LINE: Final = "pty:modem0"

Dialect = Literal["rockwell", "hayes", "usr", "lenient"]
Order = Literal["linear", "circular", "least-recent"]
OffHook = Literal["busy", "closed"]
Clients = Literal["one", "kick", "share", "observe"]
Role = Literal["primary", "secondary"]
Driver = Literal["contact", "megatec", "apcsmart"]


@dataclass(frozen=True)
class Answering:
    """What modems and groups share: where calls come in and who may."""

    answer: tuple[str, ...] = ()
    #: Networks; None is anybody.
    allow_callers: tuple[str, ...] | None = None
    #: Names of client certificates (``*.plant.example``); None is any that the listener accepts.
    allow_certificates: tuple[str, ...] | None = None
    #: Asked of every caller; "" is none.
    password: str = ""
    caller_limits: CallerLimits = field(default_factory=CallerLimits)
    #: While nobody can answer: say busy, or stop listening, so that a hunting caller goes elsewhere at once.
    off_hook: OffHook = "busy"
    #: What a caller reads who finds the line busy.
    busy_text: str = "BUSY\r\n"
    #: Networks of the vmodem at the other end of a pair; empty is no pair.
    pair: tuple[str, ...] = ()
    #: What both ends of a pair know.
    pair_secret: str = ""


@dataclass(frozen=True)
class ModemConfig(Answering):
    """``[modem.NAME]``"""

    name: str = "modem0"
    line: str = DEFAULT_LINE
    #: Its own number.
    number: str = ""
    #: AT commands run at start, without the AT.
    init: str = ""
    dialect: Dialect = "rockwell"
    #: ``directory``, ``NET:PORT``, ``NET:*``; None is anything.
    allow_dial: tuple[str, ...] | None = None
    #: Dials a minute; 0 is no limit.
    dial_limit: int = 0
    #: TARGET that ATD alone dials; "" is none.
    default: str = ""
    #: Pacing of calls that have no rate of their own, in bit/s; 0 is none.
    rate: int = 0
    #: TARGET that Windows' cable handshake is joined to; "" leaves CLIENT unanswered.
    windows_cable: str = ""
    #: How long a call waits before it rings, in seconds.
    answer_delay: float = 0.0
    #: How long the modem stays off-hook after a call, in seconds.
    hold: float = 0.0
    #: Number or TARGET of a leased line; "" is none.
    leased: str = ""
    #: When a leased line is dialled: always, or while DTR is on.
    leased_on: Literal["start", "dtr"] = "start"


@dataclass(frozen=True)
class GroupConfig(Answering):
    """``[group.NAME]``: a hunt group."""

    name: str = ""
    modems: tuple[str, ...] = ()
    order: Order = "linear"


@dataclass(frozen=True)
class DirectoryConfig:
    """``[directory]``: numbers, and where to look for those that are not there."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    #: Apex of a private ENUM tree; "" is none.
    enum: str = ""
    #: Look for numbers on the local network by DNS-SD, and announce ours.
    lan: bool = False
    #: DNS server ``ADDRESS[:PORT]`` asked instead of the system's; "" is the system's.
    resolver: str = ""
    #: No built-in numbers.
    built_ins: bool = True


@dataclass(frozen=True)
class Pack:
    """``pack = {...}``: when what the device sent leaves as one packet.  Seconds and bytes; 0 or "" is off,
    None the default: two characters of silence, 1 to 20 ms."""

    idle: float | None = None
    max_age: float = 0.0
    max_size: int = 0
    delimiter: str = ""
    #: Bytes after the delimiter that still belong to it.
    after: int = 0
    #: The delimiter is not sent.
    strip: bool = False


@dataclass(frozen=True)
class PortConfig:
    """``[port.NAME]``: a port of the serial device server."""

    name: str = ""
    line: str = ""
    listen: tuple[str, ...] = ()
    #: TARGETs that are connected to, in order (connect-back).
    connect: tuple[str, ...] = ()
    #: When they are: at once, at the device's first byte, or while its DSR is on.
    connect_on: Literal["start", "data", "dsr"] = "start"
    clients: Clients = "one"
    #: Most clients at one time.
    max_clients: int = 16
    #: Who may change settings and drive lines: any client, only the one that may write, nobody.
    control: Literal["any", "writer", "none"] = "any"
    #: With ``share``: who wrote keeps the others from writing until so long after his last byte; 0 lets all
    #: write at any time.
    write_lock: float = 0.0
    #: Kept for a client that does not read, in bytes; then ``slow`` is done.
    queue: int = 65536
    #: To a client that does not read: forget its oldest bytes, close it, or hold everybody up.
    slow: Literal["drop-oldest", "close", "block"] = "close"
    #: ``rawlp``: what the device sends is dropped.
    printer: bool = False
    #: Bytes of history a new client is sent first.
    history: int = 0
    #: Sent to a client when it connects; to the device when the first client comes, when the last has gone.
    banner: str = ""
    open_string: str = ""
    close_string: str = ""
    #: Close a client after so long without a byte, or so long in all, in seconds; 0 never.
    idle_timeout: float = 0.0
    session_limit: float = 0.0
    #: Framing errors and breaks are marked in the stream as PARMRK does.
    mark_errors: bool = False
    pack: Pack = field(default_factory=Pack)
    #: Named sequences of line changes: ``"reset" = "-dtr 100 +dtr"``.
    pulses: Mapping[str, str] = field(default_factory=dict)
    #: Networks; None is loopback only, unless ``open``.
    allow_callers: tuple[str, ...] | None = None
    allow_certificates: tuple[str, ...] | None = None
    password: str = ""
    caller_limits: CallerLimits = field(default_factory=CallerLimits)
    #: Anybody who reaches the listener may connect.
    open: bool = False
    #: File that every byte is written to with direction and time; "" is none.
    capture: str = ""


@dataclass(frozen=True)
class RedirectConfig:
    """``[redirect.NAME]``: a local port whose other end is on the network."""

    name: str = ""
    port: str = ""
    to: str = ""
    pack: Pack = field(default_factory=Pack)
    #: File that every byte is written to with direction and time; "" is none.
    capture: str = ""


@dataclass(frozen=True)
class UpsConfig:
    """``[ups.NAME]``"""

    name: str = ""
    line: str = ""
    driver: Driver = "megatec"
    listen: tuple[str, ...] = ()
    #: Number in the cable table, with ``contact``.
    cable: int = 0
    #: Changes of that row: ``{ ob = "-cts" }``.
    cable_override: Mapping[str, str] = field(default_factory=dict)
    #: What the other drivers are told: ``{ no-vendor = "yes" }``.
    options: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    #: How often the UPS is asked, in seconds.
    poll: float = 2.0
    #: Commands run at events: ``onbatt``, ``lowbatt``, ``online``, ``replbatt``, ``commbad``, ``commok``,
    #: ``fsd``, ``shutdown``.
    hooks: Mapping[str, str] = field(default_factory=dict)
    #: Answer the old UDP query form, too.
    udp: bool = False
    #: Certificate and key for STARTTLS.
    cert: str = ""
    key: str = ""
    allow_callers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class UserConfig:
    """``[user.NAME]``: who may do what with a UPS."""

    name: str = ""
    password: str = ""
    upsmon: Role | None = None
    actions: tuple[str, ...] = ()
    instcmds: tuple[str, ...] = ()


@dataclass(frozen=True)
class PanelConfig:
    """``[panel]``"""

    listen: str = ""


@dataclass(frozen=True)
class Config:
    """A whole configuration."""

    modems: Mapping[str, ModemConfig] = field(default_factory=dict)
    directory: DirectoryConfig = field(default_factory=DirectoryConfig)
    groups: Mapping[str, GroupConfig] = field(default_factory=dict)
    ports: Mapping[str, PortConfig] = field(default_factory=dict)
    redirects: Mapping[str, RedirectConfig] = field(default_factory=dict)
    upses: Mapping[str, UpsConfig] = field(default_factory=dict)
    users: Mapping[str, UserConfig] = field(default_factory=dict)
    panel: PanelConfig | None = None
    #: The file that it was read from, for saying where something stands; None for arguments.
    source: Source | None = field(default=None, compare=False, repr=False)
