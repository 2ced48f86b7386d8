"""What is read from files: checked whole, so that every mistake is shown at once.

What does not belong here: doing anything with it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vmodem.call.directory import Directory, Entry
from vmodem.call.target import parse_target

if TYPE_CHECKING:
    from cattrs import Converter

#: Largest file that is read, in bytes.
FILE_LIMIT: Final = 1 << 22


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong with a file."""

    file: str
    #: Counted from 1; 0 when no line can be named.
    line: int
    #: The key that is wrong, with those around it (``directory."555".target``); "" for the file as a whole.
    key: str
    #: What was expected, and the nearest valid name where there is one.
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)


class ConfigError(Exception):
    """A file that cannot be used; the text has one line for each mistake."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def load_directory(path: str | Path) -> Directory:
    """Read a directory file: TOML, entries in a table ``[directory]`` or at the top.

    An entry is a TARGET string, or a table with ``target`` and, as wanted, ``note``, ``caller_name``,
    ``rate`` (in bit/s) and ``user``.  Raises :class:`ConfigError` with everything that is wrong.
    """
    file = str(path)
    text = _read(file)
    table = _parse(file, text)
    mistakes: list[Mistake] = []
    prefix = ""
    if isinstance(table.get("directory"), dict) and "target" not in table["directory"]:
        for key in table:
            if key != "directory":
                wrong = "does not belong here: entries stand in [directory] or all at the top, not in both"
                mistakes.append(Mistake(file, _line(text, [key]), _shown(key), wrong))
        table, prefix = table["directory"], "directory"
    entries = _entries(file, text, table, prefix, mistakes)
    if mistakes:
        raise ConfigError(sorted(mistakes, key=lambda mistake: mistake.line))
    return Directory(entries)


def _read(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            data = stream.read(FILE_LIMIT + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise ConfigError([Mistake(file, 0, "", f"cannot be read: {reason}")]) from None
    if len(data) > FILE_LIMIT:
        raise ConfigError([Mistake(file, 0, "", f"is larger than {FILE_LIMIT} bytes")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError([Mistake(file, line, "", "is not UTF-8; save it in that encoding")]) from None


def _parse(file: str, text: str) -> dict[str, Any]:
    toml: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        table: dict[str, Any] = toml.loads(text)
    except (toml.TOMLDecodeError, RecursionError) as exc:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(exc))
        line = int(found[1]) if found is not None else (text.count("\n") + 1 if "end of" in str(exc) else 0)
        reason = re.sub(r"\s*\(at .*\)$", "", str(exc))
        raise ConfigError([Mistake(file, line, "", f"is not TOML: {reason}")]) from None
    return table


def _entries(
    file: str, text: str, table: Mapping[str, Any], prefix: str, mistakes: list[Mistake]
) -> dict[str, Entry]:
    """The entries of a table; what is wrong with them is added to ``mistakes``."""
    above = [prefix] if prefix else []
    entries: dict[str, Entry] = {}
    seen: dict[str, str] = {}
    converter = _converter()
    for key, value in table.items():
        where = [*above, key]
        same = seen.setdefault(key.strip().casefold(), key)
        if not key.strip():
            mistakes.append(_mistake(file, text, where, "a number or a name was expected as the key"))
        elif same != key:
            mistakes.append(_mistake(file, text, where, f'means the same as "{same}"; keep one of them'))
        try:
            entries[key] = converter.structure(value, Entry)
        except Exception as exc:
            for path, wrong in _wrong(exc):
                mistakes.append(_mistake(file, text, [*where, *path], wrong))
    return entries


def _converter() -> Converter:
    """Reads one entry, strictly: a number is no text, and an unknown key is a mistake."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn

    converter = Converter(forbid_extra_keys=True, detailed_validation=True)

    def text(value: Any, _: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"a text in quotes was expected, not {_named(value)}")
        return value

    def rate(value: Any, _: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"a rate in bit/s was expected, not {_named(value)}")
        return value

    def target(value: Any, _: Any) -> Any:
        return parse_target(text(value, str))

    converter.register_structure_hook(str, text)
    converter.register_structure_hook(int, rate)
    converter.register_structure_hook_func(lambda kind: getattr(kind, "__name__", "") == "Target", target)
    whole = make_dict_structure_fn(Entry, converter)

    def entry(value: Any, kind: Any) -> Entry:
        if isinstance(value, str):
            return Entry(parse_target(value))
        if not isinstance(value, dict):
            expected = "a target in quotes, or a table with target = ..., was expected"
            raise ValueError(f"{expected}, not {_named(value)}")
        return whole(value, kind)

    converter.register_structure_hook(Entry, entry)
    return converter


def _named(value: Any) -> str:
    kinds = {bool: "true or false", float: "a number", str: "a text", list: "a list", dict: "a table"}
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return kinds.get(type(value), "a date")


def _wrong(exc: BaseException) -> Iterable[tuple[list[str], str]]:
    """What a failed entry has wrong, each with the path to it below the entry."""
    from cattrs.errors import AttributeValidationNote, BaseValidationError, ForbiddenExtraKeysError

    if isinstance(exc, ForbiddenExtraKeysError):
        known = [field.name for field in fields(Entry)]
        for key in sorted(exc.extra_fields):
            yield [key], f"unknown key; {_nearest(key, known)}"
    elif isinstance(exc, BaseValidationError):
        for inner in exc.exceptions:
            notes = getattr(inner, "__notes__", ())
            path = [note.name for note in notes if isinstance(note, AttributeValidationNote)]
            for below, text in _wrong(inner):
                yield [*path, *below], text
    elif isinstance(exc, KeyError):
        yield [], f"{exc.args[0]} = ... is missing"
    else:
        yield [], str(exc)


def _nearest(key: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, 1, 0.5)
    return f"did you mean {near[0]}" if near else "known are " + ", ".join(known)


def _mistake(file: str, text: str, path: Sequence[str], wrong: str) -> Mistake:
    return Mistake(file, _line(text, path), ".".join(map(_shown, path)), wrong)


def _shown(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else '"' + "".join(map(_printable, key)) + '"'


def _printable(char: str) -> str:
    return char if char.isprintable() else f"\\u{ord(char):04x}"


def _line(text: str, path: Sequence[str]) -> int:
    """The line where the deepest key of ``path`` that can be found stands, or 0.

    TOML's reader keeps no positions, so the text is searched: each key at the start of a line, in a table's
    header or within an inline table, after the line of the key above it.
    """
    lines = text.splitlines()
    at = -1
    for key in path:
        word = re.escape(key)
        spelled = rf"""(?:"{word}"|'{word}'|(?<![\w"'-]){word}(?![\w"'-]))"""
        header, line = rf"^\s*\[{{1,2}}[^\]#]*{spelled}", rf"^\s*(?:[^=#]*\.\s*)?{spelled}\s*[=.]"
        wanted = re.compile(rf"{header}|{line}|[{{,]\s*{spelled}\s*=")
        for number in range(max(at, 0), len(lines)):
            if wanted.search(lines[number]):
                at = number
                break
        else:
            break
    return at + 1
