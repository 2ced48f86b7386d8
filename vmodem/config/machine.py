"""What a configuration names on this machine: certificates, programs, accounts, devices, folders, addresses.

What will not do is an error, and ``vmodem run`` refuses with these very words.  What only a call would fail
with is a warning, and so is what another moment or another user may have: a device, a folder, an address, a
permission.  What does not belong here: ports that a program has just now, and what the file says by itself
(structure.py, check.py).
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from importlib.util import find_spec

from vmodem.call.command import PATH, ProgramError, find_account, find_program
from vmodem.call.target import Target
from vmodem.net.address import IPAddress, literal
from vmodem.net.incoming.spec import ListenSpec
from vmodem.tty.device import explain
from vmodem.tty.error import TtyError
from vmodem.tty.linespec import ParsedLine, whole
from vmodem.tty.whose import in_the_way, try_giving_away

from .mistake import Finding, Path
from .schema import Config
from .texts import lines, listen_spec, listens, targets

#: Packages of the extra that calls by SSH take.
_SSH = ("cryptography", "bcrypt")
#: What has to be there by then.
_BEFORE_START = "without it nothing starts"


def look(config: Config) -> list[Finding]:
    """Everything that this machine lacks for a configuration."""
    found: list[Finding] = []
    for path, text, line in lines(config):
        found += _line(path, text, line)
    for path, text, _ in listens(config):
        spec = listen_spec(text)
        if spec is not None and path[0] != "panel":
            found += _listener(path, spec)
    found += certificates(config)
    for path, target in targets(config):
        user = config.directory.entries[str(path[1])].user if path[0] == "directory" else ""
        found += _target(path, target, user)
    for key, ups in config.upses.items():
        for event, command in ups.hooks.items():
            found += _hook(("ups", key, "hooks", event), command)
    for kind, tables in (("port", config.ports), ("redirect", config.redirects)):
        found += [
            each for key, table in tables.items() for each in _capture((kind, key, "capture"), table.capture)
        ]
    if config.directory.lan and find_spec("zeroconf") is None:
        text = "lan = true needs more than is installed; run: pip install 'vmodem[mdns]'"
        found.append(Finding(("directory", "lan"), text))
    return found


def certificates(config: Config) -> list[Finding]:
    """The same of certificates that callers and clients are shown, and of the authorities of theirs."""
    found: list[Finding] = []
    for path, text, _ in listens(config):
        spec = listen_spec(text)
        if spec is not None and spec.kind == "tls" and path[0] != "panel":
            values = spec.values
            found += _tls(path, values["cert"], values["key"], values.get("clientca", ""), "clientca")
    for key, ups in config.upses.items():
        if ups.cert:
            found += _tls(("ups", key, "cert"), ups.cert, ups.key)
    return found


# -- lines and listeners -------------------------------------------------------------------------------------


def _line(path: Path, text: str, line: ParsedLine) -> Iterator[Finding]:
    values = line.values
    if "link" in values:
        yield from _link(path, values["link"])
        owner, group, mode = values.get("owner"), values.get("group"), values.get("mode", 0o660)
        if owner is not None or group is not None:
            try:
                try_giving_away(owner, group, mode, text)
            except TtyError as exc:
                yield Finding(path, str(exc).rstrip("."), warning=isinstance(exc.__cause__, PermissionError))
    elif "device" in values:
        yield from _device(path, values["device"], whole(text))
    elif line.kind == "unix":
        yield from _socket(path, values["path"])
    elif values.get("interface"):
        address = literal(str(values["interface"]))
        if address is not None and not address[1]:
            yield from _address(path, address[0])


def _link(path: Path, link: str) -> Iterator[Finding]:
    obstacle = in_the_way(link)
    if obstacle:
        yield Finding(path, obstacle)
    else:
        yield from _folder(path, link)


def _device(path: Path, device: str, text: str) -> Iterator[Finding]:
    try:
        mode = os.stat(device).st_mode
        if not stat.S_ISCHR(mode):
            yield Finding(path, f"{device} is no serial port; the path of one was expected")
        elif not os.access(device, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as exc:
        reason, final = explain(device, exc)
        remedy = "" if final else "; it is taken when it is, check its name if it should be there now"
        yield Finding(path, reason + remedy, warning=not final or isinstance(exc, PermissionError))


def _listener(path: Path, spec: ListenSpec) -> Iterator[Finding]:
    if spec.kind == "unix":
        yield from _socket(path, spec.path)
    elif spec.on_network and not spec.zone:
        yield from _address(path, spec.ip)


def _socket(path: Path, name: str) -> Iterator[Finding]:
    try:
        kind = os.lstat(name).st_mode
    except (OSError, ValueError):
        yield from _folder(path, name)
    else:
        if not stat.S_ISSOCK(kind):
            yield Finding(path, f"what lies at {name} is no socket; choose another path")


def _address(path: Path, ip: IPAddress) -> Iterator[Finding]:
    """Whether it is one of this machine's: any port of it can be had then."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((str(ip), 0))
    except OSError as exc:
        if exc.errno == errno.EADDRNOTAVAIL:
            remedy = "name an address that this machine has (ip address), or leave interface= away"
            yield Finding(
                path, f"{ip} is no address of this machine; {remedy} ({_BEFORE_START})", warning=True
            )
        elif exc.errno == errno.EAFNOSUPPORT:
            yield Finding(path, "this machine has no IPv6; use tcp: instead of tcp6:")


def _capture(path: Path, file: str) -> Iterator[Finding]:
    if not file:
        return
    if os.path.exists(file) and not os.path.isfile(file):
        yield Finding(path, f"{file} is there already, and is no file; choose another name")
    else:
        yield from _folder(path, file)


def _folder(path: Path, file: str) -> Iterator[Finding]:
    """Whether something can be made where ``file`` is to be."""
    folder = os.path.dirname(file) or "."
    if not os.path.isdir(folder):
        text = f"{file} cannot be made: there is no folder {folder}; make it, or name another"
        yield Finding(path, f"{text} ({_BEFORE_START})", warning=True)
    elif not os.access(folder, os.W_OK | os.X_OK):
        text = f"{file} cannot be made: {folder} may not be written to; check as the user who runs it"
        yield Finding(path, f"{text} ({_BEFORE_START})", warning=True)


# -- targets and programs ------------------------------------------------------------------------------------


def _target(path: Path, target: Target, user: str) -> Iterator[Finding]:
    if target.kind == "exec":
        try:
            find_program(target.argv[0])
        except ProgramError as exc:
            yield Finding(path, f"{exc} (until then its calls fail)", warning=True)
    if user:
        where = (*path, "user")
        try:
            find_account(user)
        except ProgramError as exc:
            yield Finding(where, f"{exc} (until then its calls fail)", warning=True)
    if target.kind == "ssh" and any(find_spec(package) is None for package in _SSH):
        text = "ssh: calls need more than is installed; run: pip install 'vmodem[ssh]'"
        yield Finding(path, text, warning=True)
    if target.kind == "tls" and any(target.option(each) for each in ("ca", "cert")):
        for each in _tls(path, target.option("cert"), target.option("key"), target.option("ca")):
            yield Finding(each.path, each.text, warning=True)


def _hook(path: Path, command: str) -> Iterator[Finding]:
    import shlex

    try:
        find_program(shlex.split(command)[0], os.environ.get("PATH", PATH))
    except ProgramError as exc:
        yield Finding(path, f"{exc} (until then nothing is run at this event)", warning=True)


def _tls(path: Path, cert: str, key: str, authorities: str = "", option: str = "ca") -> Iterator[Finding]:
    from vmodem.net.tls.files import look_at

    for problem in look_at(cert, key, authorities, option):
        yield Finding(path, problem.text, warning=not problem.fatal)
