"""What each shell has to be told so that it completes the words of vmodem.

What does not belong here: the words; they are those of the parser.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

#: Values that are files or folders.
_FILES: Final = ("FILE", "DIR")


@dataclass(frozen=True)
class Option:
    """One option, as its parser knows it."""

    names: tuple[str, ...]
    help: str
    #: "" for one without a value.
    value: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verb:
    """One verb, or (with the name "") the program before any."""

    name: str
    help: str
    options: tuple[Option, ...]
    #: What may stand at each place after it: a list of words, or none where that is anybody's guess.
    places: tuple[tuple[str, ...], ...] = ()


def tree(parser: argparse.ArgumentParser) -> list[Verb]:
    """The program and its verbs."""
    found: list[Verb] = []
    below = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in below._choices_actions}
    found.append(Verb("", "", tuple(_options(parser)), (tuple(below.choices),)))
    for name, verb in below.choices.items():
        found.append(Verb(name, helps[name], tuple(_options(verb)), tuple(_places(verb))))
    return found


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for each in parser._actions:
        if each.option_strings:
            value = "" if each.nargs == 0 else str(each.metavar or each.dest.upper())
            choices = tuple(map(str, each.choices or ()))
            text = (each.help or "").replace("%%", "%").split(";")[0].split(" (default")[0]
            yield Option(tuple(each.option_strings), text, value, choices)


def _places(parser: argparse.ArgumentParser) -> Iterator[tuple[str, ...]]:
    for each in parser._actions:
        if not each.option_strings:
            yield tuple(map(str, each.choices or ()))


# -- bash ----------------------------------------------------------------------------------------------------


def bash(verbs: list[Verb]) -> str:
    """For bash 4 and later."""
    lines = [
        "# bash completion for vmodem",
        "_vmodem() {",
        '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb="" place=0 word i',
        "    COMPREPLY=()",
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        "        word=${COMP_WORDS[i]}",
        '        case "$verb,$word" in',
    ]
    valued = [
        f"{verb.name},{name}" for verb in verbs for each in verb.options if each.value for name in each.names
    ]
    if valued:
        lines.append(f"        {'|'.join(valued)}) ((i++)) ;;")
    lines += [
        "        *,-*) ;;",
        "        ,*) verb=$word ;;",
        "        *) ((place++)) ;;",
        "        esac",
        "    done",
        '    case "$verb,$prev" in',
    ]
    for verb in verbs:
        for each in verb.options:
            if each.value:
                names = "|".join(f"{verb.name},{name}" for name in each.names)
                reply = f'COMPREPLY=($(compgen -W "{" ".join(each.choices)}" -- "$cur")); '
                lines.append(f"    {names}) {reply if each.choices else ''}return ;;")
    lines += ["    esac", '    case "$verb,$place,$cur" in']
    for verb in verbs:
        flags = " ".join(name for each in verb.options for name in each.names)
        lines.append(f'    {verb.name},*,-*) COMPREPLY=($(compgen -W "{flags}" -- "$cur")) ;;')
        for number, place in enumerate(verb.places):
            if place:
                reply = f'COMPREPLY=($(compgen -W "{" ".join(place)}" -- "$cur"))'
                lines.append(f"    {verb.name},{number},*) {reply} ;;")
    lines += ["    esac", "}", "complete -o bashdefault -o default -F _vmodem vmodem", ""]
    return "\n".join(lines)


# -- zsh -----------------------------------------------------------------------------------------------------


def zsh(verbs: list[Verb]) -> str:
    """For zsh's completion system."""
    lines = [
        "#compdef vmodem",
        "_vmodem() {",
        "    local context state state_descr line",
        "    typeset -A opt_args",
        "    _arguments -C \\",
        *(f"        {_zsh_option(each)} \\" for each in verbs[0].options),
        "        '1: :->verb' '*:: :->rest'",
        '    case "$state" in',
        "    verb)",
        "        local -a verbs",
        "        verbs=(",
    ]
    lines += [f"            {_zsh_quoted(f'{verb.name}:{verb.help}')}" for verb in verbs[1:]]
    lines += ["        )", "        _describe verb verbs ;;", "    rest)", '        case "$words[1]" in']
    for verb in verbs[1:]:
        parts = [_zsh_option(each) for each in verb.options]
        for number, words in enumerate(verb.places, 1):
            if words:
                parts.append(_zsh_quoted(f"{number}: :({' '.join(words)})"))
        lines.append(f"        {verb.name}) _arguments {' '.join(parts)} ;;")
    lines += ["        esac ;;", "    esac", "}", "", 'if [ "$funcstack[1]" = _vmodem ]; then']
    return "\n".join([*lines, '    _vmodem "$@"', "else", "    compdef _vmodem vmodem", "fi", ""])


def _zsh_option(option: Option) -> str:
    text = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    action = (
        f"({' '.join(option.choices)})" if option.choices else "_files" if option.value in _FILES else " "
    )
    value = f":{option.value}:{action}" if option.value else ""
    return " ".join(_zsh_quoted(f"*{name}[{text}]{value}") for name in option.names)


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- fish ----------------------------------------------------------------------------------------------------


def fish(verbs: list[Verb]) -> str:
    """For fish 3 and later."""
    lines = ["# fish completion for vmodem", "complete -c vmodem -f"]
    for verb in verbs:
        when = f"__fish_seen_subcommand_from {verb.name}" if verb.name else "__fish_use_subcommand"
        for each in verb.options:
            words = [f"complete -c vmodem -n {_fish_quoted(when)}"]
            words += [f"-l {name[2:]}" if name[:2] == "--" else f"-s {name[1:]}" for name in each.names]
            words.append(f"-d {_fish_quoted(each.help)}")
            if each.choices:
                words.append(f"-x -a {_fish_quoted(' '.join(each.choices))}")
            elif each.value:
                words.append("-r -F" if each.value in _FILES else "-x")
            lines.append(" ".join(words))
        lines += [
            f"complete -c vmodem -n {_fish_quoted(when)} -a {_fish_quoted(' '.join(each))}"
            for each in (verb.places if verb.name else ())
            if each
        ]
    for verb in verbs[1:]:
        help_ = _fish_quoted(verb.help)
        lines.append(f"complete -c vmodem -n __fish_use_subcommand -a {verb.name} -d {help_}")
    return "\n".join([*lines, ""])


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


WRITERS: Final[Mapping[str, Callable[[list[Verb]], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
