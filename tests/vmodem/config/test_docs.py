"""docs/configuration.md says what the schema says: the same keys, the same choices, the same defaults."""

from __future__ import annotations

import dataclasses
import re
import typing
from typing import Any

import pytest

from tests.helpers.process import ROOT
from vmodem.call.directory import Entry
from vmodem.config import load_config
from vmodem.config.grammar import REQUIRED
from vmodem.config.load import NAMED
from vmodem.config.positions import toml
from vmodem.config.schema import CallerLimits, DirectoryConfig, Pack, PanelConfig

TEXT = (ROOT / "docs" / "configuration.md").read_text()
TABLES: dict[str, type] = {
    **{f"## [{word}.NAME]": kind for word, (_, kind) in NAMED.items()},
    "### caller_limits": CallerLimits,
    "### pack": Pack,
    "## [directory]": DirectoryConfig,
    "A number stands for a TARGET": Entry,
    "## [panel]": PanelConfig,
}


def rows(heading: str) -> dict[str, tuple[str, str]]:
    """The first table after a heading: key -> (value, default)."""
    _, _, rest = TEXT.partition(f"\n{heading}")
    table = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert table, heading
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[0].splitlines()[2:]]
    return {key.strip("`"): (value, default) for key, value, default, _ in cells}


@pytest.mark.parametrize("heading", TABLES)
def test_keys_and_defaults(heading: str) -> None:
    kind = TABLES[heading]
    found = rows(heading)
    fields = {each.name: each for each in dataclasses.fields(kind) if each.name not in ("name", "entries")}
    assert set(found) == set(fields)
    hints = typing.get_type_hints(kind)
    for key, (value, default) in found.items():
        field = fields[key]
        if default == "needed":
            assert key in REQUIRED.get(kind, ("target",))
            continue
        assert key not in REQUIRED.get(kind, ())
        if default:
            assert plain(toml().loads(f"x = {default.strip('`')}")["x"]) == plain(initial(field)), key
        else:
            assert initial(field) is None, key
        choices = choices_of(hints[key])
        if choices:
            assert set(re.findall(r"`([^`]+)`", value)) == set(choices), key


def initial(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if callable(field.default_factory) else field.default


def plain(value: Any) -> Any:
    """A default as TOML has it."""
    if dataclasses.is_dataclass(value):
        return {}
    return list(value) if isinstance(value, tuple) else value


def choices_of(hint: Any) -> tuple[str, ...]:
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    return next((found for each in typing.get_args(hint) if (found := choices_of(each))), ())


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "fixtures" / "configs").iterdir()))
def test_examples(file: str) -> None:
    """Every example is right, and the documentation names it."""
    load_config(ROOT / "fixtures" / "configs" / file)
    pages = (path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert any(f"fixtures/configs/{file}" in page for page in pages)
