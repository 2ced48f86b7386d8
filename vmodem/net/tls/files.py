"""Files that TLS is to work with, looked at before it has to: everything that is wrong with them at once.

What does not belong here: making contexts for calls (:mod:`vmodem.net.tls.context`), whose words these are.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from vmodem.net.tls.context import FILE_LIMIT, load_own, plain_context, read_pem, trust
from vmodem.net.tls.settings import TlsError
from vmodem.wire.x509 import certificates, validity


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a file; ``fatal`` where TLS cannot be had at all because of it."""

    text: str
    fatal: bool = True


def look_at(cert: str, key: str, authorities: str = "", option: str = "ca") -> list[Problem]:
    """What is wrong with a certificate and its key ("" for a key in the same file; both "" for none), and
    with a file of ``authorities`` ("" for none) that was given as ``option``."""
    found: list[Problem] = []
    own = key or cert
    if cert and all(
        [
            _tried(found, lambda: read_pem("cert", cert, "CERTIFICATE-----")),
            _tried(found, lambda: read_pem("key" if key else "cert", own, "PRIVATE KEY-----")),
        ]
    ):
        good = _tried(found, lambda: load_own(plain_context(), cert, key or None))
        found += [Problem(text, False) for text in (*(_dates("cert", cert) if good else ()), *_open(own))]
    if authorities and _tried(found, lambda: trust(plain_context(), option, authorities)):
        found += [Problem(text, False) for text in _dates(option, authorities)]
    return found


def _tried(found: list[Problem], step: Callable[[], object]) -> bool:
    try:
        step()
    except TlsError as exc:
        found.append(Problem(str(exc)))
        return False
    return True


def _dates(option: str, path: str) -> list[str]:
    """Our own certificate stands first in its file; of authorities one that is valid is enough."""
    with open(path, "rb") as file:
        blocks = certificates(file.read(FILE_LIMIT))
    spans: list[tuple[int, int]] = []
    for der in blocks[:1] if option == "cert" else blocks:
        try:
            spans.append(validity(der))
        except ValueError:
            return []  # what OpenSSL took and we cannot read is left to it
    now = time.time()
    if not spans or any(first <= now <= last for first, last in spans):
        return []
    what = f"{option}={path}" if option == "cert" else f"{option}={path}: every certificate in it"
    last = max(last for _, last in spans)
    if last < now:
        return [f"{what} expired on {_day(last)}, and who looks at that refuses it; renew it"]
    first = min(first for first, _ in spans)
    return [f"{what} is not valid before {_day(first)}; wait, or set this machine's clock"]


def _open(path: str) -> list[str]:
    mode = os.stat(path).st_mode
    if mode & stat.S_IROTH:
        return [f"{path} holds a private key, and every account of this machine may read it; chmod o= it"]
    return []


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
