"""Directory files: numbers, names and patterns in a file of their own.

What does not belong here: looking anything up (:mod:`vmodem.call.directory`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from vmodem.call.directory import Directory, Entry

from .mistake import ConfigError, Finding, Mistake, Path
from .source import FILE_LIMIT, read_source
from .structure import Structure

__all__ = ["FILE_LIMIT", "ConfigError", "Mistake", "entries", "load_directory"]


def load_directory(path: str | FilePath) -> Directory:
    """Read a directory file: TOML, entries in a table ``[directory]`` or at the top.

    An entry is a TARGET string, or a table with ``target`` and, as wanted, ``note``, ``caller_name``,
    ``rate`` (in bit/s) and ``user``.  Raises :class:`ConfigError` with everything that is wrong.
    """
    source = read_source(path)
    table: Mapping[str, Any] = source.table
    above: Path = ()
    wrong: list[Finding] = []
    if isinstance(table.get("directory"), dict) and "target" not in table["directory"]:
        text = "does not belong here: entries stand in [directory] or all at the top, not in both"
        wrong += [Finding((key,), text) for key in table if key != "directory"]
        table, above = table["directory"], ("directory",)
    found, more = entries(Structure(), table, above)
    if wrong or more:
        raise ConfigError(source.mistakes([*wrong, *more]))
    return Directory(found)


def entries(
    structure: Structure, table: Mapping[str, Any], above: Path
) -> tuple[dict[str, Entry], list[Finding]]:
    """The entries of a table, and what is wrong with the others; ``above`` is where the table stands."""
    found: dict[str, Entry] = {}
    wrong: list[Finding] = []
    seen: dict[str, str] = {}
    for key, value in table.items():
        where = (*above, key)
        same = seen.setdefault(key.strip().casefold(), key)
        if not key.strip():
            wrong.append(Finding(where, "a number or a name was expected as the key"))
        elif same != key:
            wrong.append(Finding(where, f'means the same as "{same}"; keep one of them'))
        entry, more = structure.table(value, Entry)
        wrong += [Finding((*where, *each.path), each.text) for each in more]
        if entry is not None:
            found[key] = entry
    return found, wrong
