"""From a tree of plain values, as TOML gives it, to the tables of schema.py, with every mistake at once.

What does not belong here: which texts are good (grammar.py), and what tables mean together (check.py).
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Union

from vmodem.call.directory import Entry
from vmodem.call.target import Target, TargetError, parse_target

from .grammar import ERRORS, JUDGES, KEYS_OF, LEAST, MOST, REQUIRED, Judge, free, reason, target
from .mistake import Finding, Path, Wrong, nearest

if TYPE_CHECKING:
    from cattrs import Converter

#: Takes a value to what a table holds; raises :class:`Wrong`.
Reader = Callable[[Any, Any], Any]
_Table = TypeVar("_Table")
_UNIONS: Final = (Union, types.UnionType)


class Structure:
    """Makes tables.  One of them serves a whole file; it is not kept, for cattrs takes a while to begin."""

    def __init__(self) -> None:
        from cattrs import Converter

        self._converter: Converter = Converter(forbid_extra_keys=True, detailed_validation=True)
        self._made: dict[type, Reader] = {}

    def table(self, value: Any, kind: type[_Table], **given: Any) -> tuple[_Table | None, list[Finding]]:
        """The table that ``value`` describes, or what is wrong with it.  ``given`` are fields that are not in
        the file (a table's name)."""
        try:
            made = self._reader(kind)(value, kind)
        except Exception as exc:
            return None, list(findings(exc, kind))
        return dataclasses.replace(made, **given) if given else made, []

    def rest(self, value: Any, kind: type[_Table], wrong: Iterable[Finding], **given: Any) -> _Table | None:
        """What is good of a table that :meth:`table` found ``wrong``: in the place of what is not stands "",
        or the default of what is no text.  It is for being compared with other tables, not for use."""
        if not isinstance(value, dict):
            return None
        bad = {str(each.path[0]) for each in wrong if each.path}
        places = {each.path[:2] for each in wrong}
        fields: Iterable[dataclasses.Field[Any]] = dataclasses.fields(kind)  # type: ignore[arg-type]
        known = {each.name: each for each in fields if _in_table(kind, each.name)}
        good = {key: each for key, each in value.items() if key in known and key not in bad}
        blank: dict[str, Any] = {}
        for key in bad & known.keys():
            if isinstance(value.get(key), list) and isinstance(known[key].default, tuple):
                items = enumerate(value[key])
                blank[key] = tuple("" if (key, place) in places else each for place, each in items)
            elif isinstance(known[key].default, str):
                blank[key] = ""
        lacking = {key: known[key].default for key in REQUIRED.get(kind, ()) if key not in good}
        made, _ = self.table({**lacking, **good}, kind, **given)
        return None if made is None else dataclasses.replace(made, **blank)  # type: ignore[type-var]

    # -- readers -------------------------------------------------------------------------------------------

    def _reader(self, kind: type) -> Reader:
        """The reader of a table."""
        made = self._made.get(kind)
        if made is None:
            made = self._made[kind] = _entry(self) if kind is Entry else self._plain(kind)
        return made

    def _plain(self, kind: type) -> Reader:
        whole = self.fields(kind)

        def table(value: Any, kind: Any) -> Any:
            if not isinstance(value, dict):
                raise Wrong(Finding((), f"a table was expected, not {named(value)}"))
            lacking = [key for key in REQUIRED.get(kind, ()) if key not in value]
            wrong = [Finding((), f"{key} = ... is missing") for key in lacking]
            try:
                made = whole(value, kind)
            except Exception as exc:
                raise Wrong(*wrong, *findings(exc, kind)) from None
            if wrong:
                raise Wrong(*wrong)
            return made

        return table

    def fields(self, kind: type) -> Reader:
        """The reader of a table's fields."""
        from cattrs.gen import make_dict_structure_fn, override

        hints = typing.get_type_hints(kind)
        judges = JUDGES.get(kind, {})
        readers: dict[str, Any] = {}
        for each in dataclasses.fields(kind):
            if not _in_table(kind, each.name):
                readers[each.name] = override(omit=True)
            else:
                judge = judges.get(each.name, free)
                readers[each.name] = override(struct_hook=self._field(kind, each, hints[each.name], judge))
        made: Reader = make_dict_structure_fn(kind, self._converter, **readers)
        return made

    def _field(self, kind: type, each: dataclasses.Field[Any], hint: Any, judge: Judge) -> Reader:
        if typing.get_origin(hint) in _UNIONS:
            hint = next(part for part in typing.get_args(hint) if part is not type(None))
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type) and hint is not Target:
            return self._reader(hint)
        if hint is Target:
            return _target
        if hint is bool:
            return _yes_no
        if hint in (int, float):
            what = "a rate in bit/s" if each.name == "rate" else "a number"
            least = 1 if kind is Entry else LEAST.get((kind, each.name), 0)
            return _number(hint is int, least, what)
        if origin is Literal:
            return _choice(arguments)
        if origin is tuple:
            return _texts(judge)
        if hint is str:
            return _text(judge, each.default)
        if arguments == (str, str):
            return _table_of_texts(judge, KEYS_OF.get((kind, each.name)))
        raise TypeError(f"{kind.__name__}.{each.name}: nothing reads {hint}")


# -- readers of plain values ---------------------------------------------------------------------------------


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(Finding((), f"a text in quotes was expected, not {named(value)}"))
    return value


def _judged(judge: Judge, text: str) -> str:
    try:
        judge(text)
    except ERRORS as exc:
        raise Wrong(Finding((), reason(exc))) from None
    return text


def _text(judge: Judge, default: Any) -> Reader:
    def read(value: Any, _: Any) -> str:
        text = _string(value)
        return text if text == default == "" else _judged(judge, text)

    return read


def _texts(judge: Judge) -> Reader:
    """A list of texts; one alone may stand without brackets."""

    def read(value: Any, _: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            return (_judged(judge, value),)
        if not isinstance(value, list | tuple):
            raise Wrong(Finding((), f"a text in quotes, or a list of them, was expected, not {named(value)}"))
        found: list[str] = []
        wrong: list[Finding] = []
        for place, each in enumerate(value):
            try:
                found.append(_judged(judge, _string(each)))
            except Wrong as exc:
                wrong += [Finding((place, *inner.path), inner.text) for inner in exc.findings]
        if wrong:
            raise Wrong(*wrong)
        return tuple(found)

    return read


def _table_of_texts(judge: Judge, known: tuple[str, ...] | None) -> Reader:
    def read(value: Any, _: Any) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise Wrong(Finding((), f"a table was expected, not {named(value)}"))
        found: dict[str, str] = {}
        wrong: list[Finding] = []
        for key, each in value.items():
            if known is not None and key not in known:
                wrong.append(Finding((key,), f"unknown key; {nearest(key, known)}"))
            try:
                found[key] = _judged(judge, _string(each))
            except Wrong as exc:
                wrong += [Finding((key, *inner.path), inner.text) for inner in exc.findings]
        if wrong:
            raise Wrong(*wrong)
        return found

    return read


def _yes_no(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(Finding((), f"true or false was expected, not {named(value)}"))
    return value


def _number(whole: bool, least: int, what: str) -> Reader:
    def read(value: Any, _: Any) -> Any:
        good = isinstance(value, int) and not isinstance(value, bool)
        if not whole and isinstance(value, float) and math.isfinite(value):
            good = True
        if not good:
            kind = f"{what} without a fraction" if whole and isinstance(value, float) else what
            raise Wrong(Finding((), f"{kind} was expected, not {named(value)}"))
        if not least <= value <= MOST:
            raise Wrong(Finding((), f"{what} from {least} to {MOST} was expected, not {named(value)}"))
        return value if whole else float(value)

    return read


def _choice(choices: tuple[Any, ...]) -> Reader:
    names = ", ".join(f'"{each}"' for each in choices)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, str) or value not in choices:
            near = nearest(value, choices) if isinstance(value, str) else ""
            hint = f"; {near}" if near.startswith("did") else ""
            raise Wrong(Finding((), f"one of {names} was expected, not {named(value)}{hint}"))
        return value

    return read


def _target(value: Any, _: Any) -> Target:
    return parse_target(_judged(target, _string(value)))


def _entry(structure: Structure) -> Reader:
    whole = structure.fields(Entry)

    def entry(value: Any, kind: Any) -> Entry:
        if isinstance(value, Entry):
            return value
        if isinstance(value, str):
            return Entry(_target(value, str))
        if not isinstance(value, dict):
            expected = "a target in quotes, or a table with target = ..., was expected"
            raise Wrong(Finding((), f"{expected}, not {named(value)}"))
        if len(value) == 1 and "target" not in value:
            ((key, inner),) = value.items()
            if key not in {each.name for each in dataclasses.fields(Entry)} and isinstance(inner, str | dict):
                raise Wrong(
                    Finding(
                        (), f'target = ... is missing; a name with dots, as "HOST.{key}", stands in quotes'
                    )
                )
        made: Entry = whole(value, kind)
        return made

    return entry


# -- what went wrong -----------------------------------------------------------------------------------------


def findings(exc: BaseException, kind: type) -> Iterable[Finding]:
    """What a failed table has wrong, each with the path to it below the table."""
    from cattrs.errors import AttributeValidationNote, BaseValidationError, ForbiddenExtraKeysError

    if isinstance(exc, Wrong):
        yield from exc.findings
    elif isinstance(exc, ForbiddenExtraKeysError):
        known = [each.name for each in dataclasses.fields(kind) if _in_table(kind, each.name)]
        for key in sorted(map(str, exc.extra_fields)):
            text = f"unknown key; {nearest(key, known)}"
            if key == "name" and not _in_table(kind, key):
                text = "the name stands in the header of the table; leave this line away"
            yield Finding((key,), text)
    elif isinstance(exc, BaseValidationError):
        for inner in exc.exceptions:
            notes = getattr(inner, "__notes__", ())
            path: Path = tuple(note.name for note in notes if isinstance(note, AttributeValidationNote))
            for below in findings(inner, kind):
                yield Finding((*path, *below.path), below.text)
    elif isinstance(exc, KeyError):
        yield Finding((), f"{exc.args[0]} = ... is missing")
    elif isinstance(exc, (*ERRORS, TargetError)):
        yield Finding((), reason(exc))
    else:
        raise exc


def _in_table(kind: type, key: str) -> bool:
    """Whether a field is a key of the table: a name stands in its header, entries are its other keys."""
    return not (key == "name" and "name" in JUDGES.get(kind, {})) and key != "entries"


def named(value: Any) -> str:
    """What a value is, for people."""
    kinds = {bool: "true or false", str: "a text", list: "a list", dict: "a table"}
    if isinstance(value, str) and len(value) <= 40:
        return f'"{value}"'
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 64 else "a number that large"
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else "a number without bounds"
    return kinds.get(type(value), "a date")
