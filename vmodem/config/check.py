"""What tables of a configuration mean together: names that lead nowhere, loops, doors left open.

Each finding names the place and the remedy.  What does not belong here: what a table says by itself
(structure.py), and what two tables both want (clash.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vmodem.call.directory import Directory, Entry
from vmodem.call.target import Target, parse_target

from .clash import clashes
from .grammar import dialled
from .mistake import Finding, Path, nearest
from .schema import Answering, Config
from .texts import WAYS, listen_spec, listens, target_of, targets


@dataclass(frozen=True)
class Names:
    """Names that stand in the file, those of tables included that have mistakes of their own."""

    modems: Iterable[str] = field(default_factory=tuple)
    groups: Iterable[str] = field(default_factory=tuple)
    numbers: Iterable[str] = field(default_factory=tuple)


def check(config: Config, names: Names | None = None, whole: Config | None = None) -> list[Finding]:
    """Everything that is wrong with a configuration as a whole.

    ``whole`` is the same with what is good of tables that have mistakes of their own ("" in the place of what
    is not): what they say can be wrong together with others as well.
    """
    names = names or Names()
    whole = whole or config
    modems = {*config.modems, *names.modems}
    groups = {*config.groups, *names.groups}
    return [
        *clashes(whole),
        *_inits(whole),
        *_groups(config, whole, modems),
        *_dangling(whole, modems, groups, names.numbers),
        *_loops(whole),
        *_doors(config),
        *_pairs(config),
        *_ports(config),
        *_upses(config),
        *_users(config),
    ]


def _inits(config: Config) -> Iterator[Finding]:
    from atparser import DIALECTS, InitError, Modem, Options

    for key, modem in config.modems.items():
        if not modem.init:
            continue
        if modem.init.lstrip()[:2].upper() == "AT":  # it would answer, and forget the rest
            text = f'commands are written without the AT: "{modem.init.lstrip()[2:].lstrip()}"'
            yield Finding(("modem", key, "init"), text)
            continue
        options = DIALECTS.get(modem.dialect, DIALECTS["lenient"])  # "" is a mistake told already
        try:
            Modem(Options(**options)).start(0.0, modem.init)
        except InitError as exc:
            yield Finding(("modem", key, "init"), str(exc))


# -- names ---------------------------------------------------------------------------------------------------


def _groups(config: Config, whole: Config, modems: set[str]) -> Iterator[Finding]:
    for key, group in whole.groups.items():
        if not group.modems and key in config.groups:
            yield Finding(("group", key, "modems"), "a group needs one modem at least")
        for place, member in enumerate(group.modems):
            path: Path = ("group", key, "modems", place)
            if not member:
                continue  # told already
            if member not in modems:
                yield Finding(path, _nobody("modem", member, modems))
            elif member in group.modems[:place]:
                yield Finding(path, f'"{member}" is a member already; name each modem once')


def _dangling(
    config: Config, modems: set[str], groups: set[str], numbers: Iterable[str]
) -> Iterator[Finding]:
    """Targets within this process that are not there."""
    for path, target in targets(config):
        if target.kind == "line" and target.name not in modems:
            yield Finding(path, _nobody("modem", target.name, modems))
        elif target.kind == "group" and target.name not in groups:
            yield Finding(path, _nobody("group", target.name, groups))
    told = {number: Entry(_SOMEWHERE) for number in numbers if number not in config.directory.entries}
    directory = Directory({**config.directory.entries, **told}, built_ins=config.directory.built_ins)
    asked = bool(config.directory.enum) or config.directory.lan
    for key, modem in config.modems.items():
        text = modem.leased
        if (
            text
            and target_of(text) is None
            and not asked
            and not dialled(text)
            and not _lookup(directory, text)
        ):
            yield Finding(
                ("modem", key, "leased"),
                f'"{text}" is neither in the directory nor an address; add it to [directory], '
                "or write a target like tcp:HOST:PORT",
            )


def _nobody(what: str, name: str, known: set[str]) -> str:
    hint = nearest(name, sorted(known)) or f"add a table [{what}.{name}]"
    return f'there is no {what} "{name}"; {hint}'


#: Where numbers lead whose own entries have mistakes.
_SOMEWHERE = parse_target("discard:")


def _directory(config: Config) -> Directory:
    return Directory(config.directory.entries, built_ins=config.directory.built_ins)


def _lookup(directory: Directory, number: str) -> Target | None:
    from atparser.dialstring import parse_dial

    match = directory.lookup(parse_dial(number))
    return None if match is None else match.entry.target


def _loops(config: Config) -> Iterator[Finding]:
    """Modems that dial of their own accord and end at themselves: busy, for ever."""
    directory = _directory(config)

    def next_of(key: str, way: str) -> str:
        """The one modem that is rung, or ""."""
        text = getattr(config.modems[key], way)
        target = target_of(text) or (_lookup(directory, text) if text else None)
        if target is not None and target.kind == "group" and target.name in config.groups:
            members = config.groups[target.name].modems
            return members[0] if len(members) == 1 else ""
        return target.name if target is not None and target.kind == "line" else ""

    for key in config.modems:
        for way in WAYS:
            if next_of(key, way) == key:
                yield Finding(
                    ("modem", key, way),
                    "leads back to this modem, which is busy while it dials; name another",
                )
        seen = [key]
        while (follower := next_of(seen[-1], "leased")) in config.modems and follower not in seen:
            seen.append(follower)
        if follower == key and len(seen) > 1 and key == min(seen):
            way_round = " -> ".join([*seen, key])
            yield Finding(
                ("modem", key, "leased"),
                f"both ends of this leased line dial, and find each other busy ({way_round}); "
                'let one end answer (init = "S0=1") and leave its leased = away',
            )


# -- doors ---------------------------------------------------------------------------------------------------


def _doors(config: Config) -> Iterator[Finding]:
    """Listeners that more than this machine reaches, and nobody watches."""
    for path, text, allowed in listens(config):
        spec = listen_spec(text)
        if spec is not None and spec.kind == "udp" and spec.exposure and not allowed:
            yield Finding(
                path,
                f"{spec.exposure} can send datagrams here, and a datagram's sender proves nothing; "
                'add allow_callers = ["NET"], or listen on interface=127.0.0.1',
            )
    for key, port in config.ports.items():
        if port.open or port.allow_callers is not None or port.password or port.allow_certificates:
            continue
        for place, text in enumerate(port.listen):
            spec = listen_spec(text)
            if spec is None or not spec.ours or spec.kind == "udp" or not spec.exposure:
                continue
            if not spec.values.get("clientca"):
                yield Finding(
                    ("port", key, "listen", place),
                    f"{spec.exposure} can reach this port; say who may: allow_callers, password, "
                    "clientca= with tls:, or open = true for anybody",
                )


def _pairs(config: Config) -> Iterator[Finding]:
    """The other vmodem of a pair is asked for no password and no certificate."""
    tables: list[tuple[Path, Answering]] = [(("modem", key), modem) for key, modem in config.modems.items()]
    tables += [(("group", key), group) for key, group in config.groups.items()]
    for path, table in tables:
        if table.pair_secret and not table.pair:
            text = 'there is no pair; add pair = ["NET"], which says where the other vmodem is'
            yield Finding((*path, "pair_secret"), text)
        if table.pair and table.password and not table.pair_secret:
            text = "callers have to give a password, and the other vmodem has none to give; add pair_secret"
            yield Finding((*path, "pair"), text)
        if table.pair and table.allow_certificates is not None:
            text = "callers have to show a certificate, which a pair does not ask for; take one of them away"
            yield Finding((*path, "pair"), text)


def _ports(config: Config) -> Iterator[Finding]:
    for key, port in config.ports.items():
        if not port.listen and not port.connect:
            yield Finding(
                ("port", key), 'nobody can reach it: add listen = "rfc2217:tcp:PORT", or connect = "TARGET"'
            )


def _upses(config: Config) -> Iterator[Finding]:
    if config.upses:
        from vmodem.ups import drivers
    names: dict[str, str] = {}
    certificates: dict[str, tuple[str, str, str]] = {}
    for key, ups in config.upses.items():
        other = names.setdefault(key.lower(), key)
        if other != key:
            yield Finding(
                ("ups", key), f"clients know no case, and there is ups.{other}; choose another name"
            )
        for path, text in drivers.mistakes(
            ups.driver, ups.line, cable=ups.cable, override=ups.cable_override, options=ups.options
        ):
            yield Finding(("ups", key, *path), text)
        if ups.key and not ups.cert:
            yield Finding(("ups", key, "key"), "a key is of no use without its certificate; add cert = FILE")
        for place, text in enumerate(ups.listen):
            spec = listen_spec(text)
            if spec is not None and spec.kind == "udp":
                remedy = "clients need a connection; use tcp:PORT, and udp = true for the old form"
                yield Finding(("ups", key, "listen", place), remedy)
            if ups.udp and spec is not None and not spec.on_network:
                remedy = f'udp = true needs an address and a port, which "{text}" has not; use tcp:PORT'
                yield Finding(("ups", key, "listen", place), remedy)
            elif ups.udp and spec is not None and spec.exposure and ups.allow_callers is None:
                remedy = (
                    "beyond this machine the old form needs a list of who may ask, as the sender of a "
                    "datagram proves nothing; add allow_callers"
                )
                yield Finding(("ups", key, "udp"), remedy)
            if ups.cert:
                first = certificates.setdefault(text.strip(), (key, ups.cert, ups.key))
                if first[1:] != (ups.cert, ups.key):
                    remedy = (
                        f"a listener has one certificate, and ups.{first[0]} names another; name the same"
                    )
                    yield Finding(("ups", key, "cert"), remedy)


def _users(config: Config) -> Iterator[Finding]:
    for key, user in config.users.items() if config.upses else ():
        if not user.password:
            yield Finding(("user", key), 'nobody can log in without a password; add password = "..."')
        elif not (user.password.isascii() and user.password.isprintable()):
            remedy = "clients leave out all but printable ASCII; choose another password"
            yield Finding(("user", key, "password"), remedy)
