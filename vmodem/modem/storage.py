"""What outlives the process: stored profiles, and the records of calls.

Profiles are written whole to a file beside the old one and put in its place by a rename, so that whoever
pulls the plug leaves the old or the new, never neither.  Nothing here may stop a modem from working: what
cannot be read means factory settings, what cannot be written means ERROR to AT&W and a counted loss of call
records.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from twisted.logger import Logger

from atparser import ProfileError, Store
from vmodem.modem.record import CallRecord

from .folder import default_folder

__all__ = ["PROFILE_LIMIT", "RECORDS_LIMIT", "StateFolder", "default_folder"]

#: A profile file larger than this is not ours, in bytes.
PROFILE_LIMIT: Final = 1 << 20
#: Call records are begun anew at this size; one older file is kept.  In bytes.
RECORDS_LIMIT: Final = 1 << 20


def prepare_folder(folder: str) -> None:
    """Make the folder; a warning when that cannot be done."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        usable = os.access(folder, os.W_OK | os.X_OK)
        reason = "it may not be written to"
    except OSError as exc:
        usable, reason = False, exc.strerror or str(exc)
    if not usable:
        StateFolder.log.warn(
            "state folder {folder} cannot be used ({reason}): settings will not be kept; "
            "name another with --state-dir",
            folder=folder,
            reason=reason,
        )


class StateFolder:
    """The state of one modem, in a folder that may be shared."""

    log = Logger()

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".") or "modem"
        self._profile = os.path.join(folder, stem + ".profile.json")
        self._records = os.path.join(folder, stem + ".calls.jsonl")
        self._lost = 0

    def load(self) -> Store:
        """What was stored; factory settings, with a warning, where it cannot be used."""
        try:
            with open(self._profile, "rb") as file:
                data = file.read(PROFILE_LIMIT + 1)
            if len(data) > PROFILE_LIMIT:
                raise ValueError("it is too large")
            snapshot = json.loads(data)
            if not isinstance(snapshot, dict):
                raise ValueError("it is not a table")
            return Store(snapshot)
        except FileNotFoundError:
            return Store()
        except (OSError, ValueError, RecursionError, ProfileError) as exc:
            self.log.warn(
                "{file} cannot be used ({reason}): starting with factory settings",
                file=self._profile,
                reason=str(exc),
            )
            return Store()

    def store(self, snapshot: Mapping[str, Any]) -> bool:
        """Keep the profiles; False, with the reason in the log, when that failed."""
        temporary = ""
        try:
            handle, temporary = tempfile.mkstemp(prefix=".profile.", dir=self.folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(snapshot, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._profile)
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            self.log.error(
                "{file} cannot be written: {reason}", file=self._profile, reason=exc.strerror or str(exc)
            )
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            return False
        return True

    def records(self, limit: int) -> list[dict[str, Any]]:
        """The latest call records, the latest last; what cannot be read is passed over."""
        found: list[dict[str, Any]] = []
        for path in (self._records, self._records + ".1"):
            try:
                with open(path, "rb") as file:
                    lines = file.read(RECORDS_LIMIT + 65536).splitlines()
            except OSError:
                continue
            older = []
            for line in lines[-limit:]:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    older.append(record)
            found = older + found
            if len(found) >= limit:
                break
        return found[-limit:]

    def record(self, record: CallRecord) -> None:
        """Keep a call's record, and say how it went in the log."""
        took = f"{record.duration_s:.1f} s, {record.sent} bytes sent, {record.received} received"
        self.log.info(
            "{modem}: call {way} {number}{peer}: {took}; {reason}",
            modem=record.modem,
            way="from" if record.direction == "in" else "to",
            number=record.number,
            peer=f" ({record.peer})" if record.peer and record.peer != record.number else "",
            took=took if record.connected else "not connected",
            reason=record.reason,
        )
        line = json.dumps(record.as_json()).encode() + b"\n"
        try:
            with contextlib.suppress(FileNotFoundError):
                if os.stat(self._records).st_size > RECORDS_LIMIT:
                    os.replace(self._records, self._records + ".1")
            handle = os.open(self._records, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                before = os.fstat(handle).st_size
                if os.write(handle, line) < len(line):
                    os.ftruncate(handle, before)  # half a record would spoil the next as well
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
        except OSError as exc:
            if not self._lost:
                self.log.warn(
                    "{file} cannot be written ({reason}): call records are lost",
                    file=self._records,
                    reason=exc.strerror or str(exc),
                )
            self._lost += 1
        else:
            if self._lost:
                self.log.warn("{count} call records were lost", count=self._lost)
                self._lost = 0
