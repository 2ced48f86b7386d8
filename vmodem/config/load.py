"""Configuration files and, in the same form, what the command line says: checked whole, then frozen.

What does not belong here: building anything from it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from vmodem.call.directory import Entry

from .check import Names, check
from .grammar import ERRORS, name, reason
from .machine import look
from .mistake import ConfigError, Finding, Mistake, nearest
from .reading import entries
from .schema import (
    Config,
    DirectoryConfig,
    GroupConfig,
    ModemConfig,
    PanelConfig,
    PortConfig,
    RedirectConfig,
    UpsConfig,
    UserConfig,
)
from .source import Source, parse_source, read_source
from .structure import Structure, named

#: What each ``[WORD.NAME]`` is, and where it is kept.
NAMED: Final[Mapping[str, tuple[str, type]]] = {
    "modem": ("modems", ModemConfig),
    "group": ("groups", GroupConfig),
    "port": ("ports", PortConfig),
    "redirect": ("redirects", RedirectConfig),
    "ups": ("upses", UpsConfig),
    "user": ("users", UserConfig),
}
TABLES: Final = (*NAMED, "directory", "panel")
#: Words of ``[directory]`` that are no numbers.
RESERVED: Final = tuple(each.name for each in fields(DirectoryConfig) if each.name != "entries")


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read a configuration file.  Raises :class:`ConfigError` with everything that is wrong with it."""
    return _config(read_source(path))


def parse_config(text: str, file: str = "") -> Config:
    """Take a text for a configuration file's.  Raises :class:`ConfigError`."""
    return _config(parse_source(text, file))


def _config(source: Source) -> Config:
    config, wrong = config_from_tree(source.table)
    if wrong:
        raise ConfigError(source.mistakes(wrong))
    return config


def load_to_run(path: str | os.PathLike[str]) -> Config:
    """The same, of a file that is to be run: one that names nothing to run is a mistake, and where there are
    mistakes, those are told with them that this machine would find later (machine.py)."""
    source = read_source(path)
    config, whole, wrong = _parts(source.table)
    if not wrong:
        wrong = [replace(each, warning=False) for each in _nothing(config)]
    if wrong:
        raise ConfigError(source.mistakes([*wrong, *(each for each in look(whole) if not each.warning)]))
    return replace(config, source=source)


def examine(path: str | os.PathLike[str]) -> tuple[Config, list[Mistake]]:
    """What is good of a file, and everything that is wrong with it, and with what it names on this machine.
    Raises :class:`ConfigError` for a file that cannot be read, or is no TOML."""
    source = read_source(path)
    config, whole, wrong = _parts(source.table)
    return config, source.mistakes([*wrong, *(() if wrong else _nothing(config)), *look(whole)])


def _nothing(config: Config) -> list[Finding]:
    """Numbers alone are of use, but not to be run."""
    if config.modems or config.ports or config.redirects or config.upses:
        return []
    text = "names nothing to run; begin with a table [modem.NAME] and, in it, line = ..."
    return [Finding((), text, warning=True)]


def config_from_tree(tree: Mapping[str, Any]) -> tuple[Config, list[Finding]]:
    """The configuration that a tree of plain values describes, and everything that is wrong with it; what is
    wrong is left out."""
    config, _, wrong = _parts(tree)
    return config, wrong


def _parts(tree: Mapping[str, Any]) -> tuple[Config, Config, list[Finding]]:
    """The same; between them the configuration with what is good of tables that have mistakes."""
    wrong: list[Finding] = []
    made: dict[str, Any] = {kept: {} for kept, _ in NAMED.values()}
    rest: dict[str, Any] = {kept: {} for kept, _ in NAMED.values()}
    names: dict[str, set[str]] = {word: set() for word in NAMED}
    structure = Structure()
    directory, panel = DirectoryConfig(), None
    numbers: Any = ()
    for word, value in tree.items():
        if word in NAMED:
            kept = NAMED[word][0]
            _tables(structure, word, value, (made[kept], rest[kept]), names[word], wrong)
        elif word == "directory":
            directory = _directory(structure, value, wrong)
            numbers = value if isinstance(value, dict) else ()
        elif word == "panel":
            panel, more = structure.table(value, PanelConfig)
            wrong += [Finding((word, *each.path), each.text) for each in more]
        else:
            wrong.append(Finding((word,), f"unknown table; {nearest(word, TABLES)}"))
    config = Config(directory=directory, panel=panel, **made)
    whole = Config(directory=directory, panel=panel, **rest)
    wrong += check(config, Names(names["modem"], names["group"], tuple(numbers)), whole)
    return config, whole, wrong


def _tables(
    structure: Structure,
    word: str,
    value: Any,
    made: tuple[dict[str, Any], dict[str, Any]],
    names: set[str],
    wrong: list[Finding],
) -> None:
    """All ``[WORD.NAME]``: those without a mistake, and what is good of all."""
    good, rest = made
    if not isinstance(value, dict):
        wrong.append(Finding((word,), f"a table [{word}.NAME] was expected, not {named(value)}"))
        return
    kind = NAMED[word][1]
    keys = {each.name for each in fields(kind)}
    for key, table in value.items():
        names.add(key)
        if not isinstance(table, dict):
            text = f"a table [{word}.NAME] was expected, not {named(table)}"
            if key in keys:
                text = f"give the {word} a name: it stands in the table's header, like [{word}.front]"
            wrong.append(Finding((word, key), text))
            continue
        try:
            name(key)
        except ERRORS as exc:
            wrong.append(Finding((word, key), reason(exc)))
        config, more = structure.table(table, kind, name=key)
        wrong += [Finding((word, key, *each.path), each.text) for each in more]
        if config is not None:
            good[key] = rest[key] = config
        elif (part := structure.rest(table, kind, more, name=key)) is not None:
            rest[key] = part


def _directory(structure: Structure, value: Any, wrong: list[Finding]) -> DirectoryConfig:
    if not isinstance(value, dict):
        wrong.append(Finding(("directory",), f"a table was expected, not {named(value)}"))
        return DirectoryConfig()
    settings = {key: each for key, each in value.items() if key in RESERVED}
    numbers: dict[str, Any] = {key: each for key, each in value.items() if key not in RESERVED}
    config, more = structure.table(settings, DirectoryConfig)
    wrong += [Finding(("directory", *each.path), each.text) for each in more]
    found: Mapping[str, Entry]
    found, more = entries(structure, numbers, ("directory",))
    for each in more:
        key = str(each.path[1])
        near = nearest(key, RESERVED)
        if len(each.path) == 2 and near.startswith("did") and not key[:1].isdigit():
            each = Finding(each.path, f"{each.text} ({near}?)")
        wrong.append(each)
    return replace(config or DirectoryConfig(), entries=found)
