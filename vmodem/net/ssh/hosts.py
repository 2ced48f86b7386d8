"""Whom to trust on a call by SSH: the known_hosts files of the user and of the system.

A host that no file names, or names with another key, is never added by us: the objection says which file and
what to do.  What does not belong here: how a key is proven (the library checks the signature).
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from vmodem.wire.knownhosts import SSH_PORT, KnownKey, find, host_name

#: Kinds of host keys we can check, best first, and the signatures each is asked for.  SHA-1 (plain "ssh-rsa")
#: is agreed on only where the far end has nothing else that we know it by.
HOST_KEYS: Final = {
    "ssh-ed25519": (b"ssh-ed25519",),
    "ecdsa-sha2-nistp256": (b"ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": (b"ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": (b"ecdsa-sha2-nistp521",),
    "ssh-rsa": (b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa"),
}
_SHA_1: Final = b"ssh-rsa"


class HostsError(Exception):
    """A known_hosts file that cannot be read; the text is one sentence with the remedy."""


class KnownHosts:
    """What ``files`` say of the server ``host``, ``port``.  Raises :class:`HostsError`."""

    def __init__(self, files: Sequence[str], host: str, port: int) -> None:
        self._host, self._port = host, port
        self._name = host_name(host, port)
        self._files = [os.path.expanduser(name) for name in files]
        self._known = list(self._read(self._name))
        # A server on another port may be known by its host's name alone.
        self._bare = [] if port == SSH_PORT else list(self._read(host_name(host, SSH_PORT)))

    def signatures(self) -> list[bytes]:
        """Signatures to ask the host for: those of keys it is known by before the others."""
        kinds = {key.kind for _, key in self._known or self._bare if not key.revoked}
        wanted = [name for kind, names in HOST_KEYS.items() if kind in kinds for name in names]
        wanted += [name for names in HOST_KEYS.values() for name in names if name not in wanted]
        if kinds != {"ssh-rsa"}:
            wanted.remove(_SHA_1)
            wanted.append(_SHA_1)
        return wanted

    def objection(self, blob: bytes) -> str | None:
        """Why the host key ``blob`` cannot be trusted, in one sentence; None when it can."""
        kind = _kind(blob)
        shown = f"{kind} {fingerprint(blob)}"
        fitting = [(path, key) for path, key in self._known + self._bare if key.blob == blob]
        for path, key in fitting:
            if key.revoked:
                return f"the host key of {self._host} ({shown}) is revoked in {path}, line {key.line}"
        if fitting:
            return None
        add = f"ssh-keyscan{'' if self._port == SSH_PORT else f' -p {self._port}'} {self._host}"
        for path, key in self._known:
            if key.kind == kind and not key.revoked:
                return (
                    f"the host key of {self._host} is not the one in {path}, line {key.line}, but {shown}; "
                    f"if it was changed on purpose, remove the old one "
                    f"(ssh-keygen -R '{self._name}' -f {path}) and add the new one ({add} >> {path})"
                )
        path = self._files[0] if self._files else "a known_hosts file"
        nothing = "no key of that kind for it" if self._known else "nothing of it"
        return (
            f"the host key of {self._host} ({shown}) is not known, {path} has {nothing}; compare the "
            f"fingerprint, then add the key: {add} >> {path}"
        )

    def _read(self, name: str) -> Iterator[tuple[str, KnownKey]]:
        for path in self._files:
            try:
                with open(path, "rb") as file:
                    for key in find(file, name):
                        yield path, key
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise HostsError(
                    f"{path}: {exc.strerror or exc}; make it readable to who runs this"
                ) from None


def fingerprint(blob: bytes) -> str:
    """A public key in short, as ssh-keygen shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _kind(blob: bytes) -> str:
    (length,) = struct.unpack_from(">L", blob.ljust(4, b"\0"))
    return blob[4 : 4 + min(length, 64)].decode("ascii", "replace")
