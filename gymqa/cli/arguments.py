"""Build a command's argument parser from a typed, documented function: help, types, flags, lists, `--config` YAML."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docstring_parser
from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser, DefaultHelpFormatter

from gymqa.cli.strict_yaml import MODE, read_options, require_groups, require_lists
from gymqa.errors import GymQAError

Command = Callable[..., None]


def call(command: Command, arguments: Sequence[str], prog: str) -> None:
    """Parse `arguments` by the signature of `command` and call it.

    Parameters without a default are positional, unless they are keyword-only; the others are options. A `bool` that is
    False by default is a flag without a value; a list takes several values (`--choices a b c d`), or, if it is
    positional, all arguments that belong to no option; the fields of a keyword-only dataclass become nested options
    (`--model.dim 128`), recursively, except for dataclasses with slots, which jsonargparse cannot read. `--config
    file.yaml` holds values of any of them, which the command line overrides. A file may name base files,
    `config: [base.yaml]`, which it overrides.

    Raises:
        GymQAError: the arguments do not match the signature.
    """
    parser = build_parser(command, prog)
    try:
        parsed = parser.parse_args(list(arguments))
        require_groups(parser, parsed, _flags(command))
        values = parser.instantiate(parsed)
    except (ArgumentError, ImportError) as error:  # a module that may not be imported, too
        raise GymQAError(f"{usage_sentence(str(error))} (see {prog} --help)") from error
    command(**{name: values[name] for name in inspect.signature(command).parameters})


def build_parser(command: Command, prog: str) -> ArgumentParser:
    """Return the parser of one command; it raises ArgumentError instead of exiting."""
    text = docstring_parser.parse(inspect.getdoc(command) or "")
    parser = _Parser(
        prog=prog, description=text.description, exit_on_error=False, formatter_class=_Paragraphs, parser_mode=MODE
    )
    parser.color = False  # of Python 3.14, whose escape sequences would be shown as such
    parser.add_argument("--config", action=_LayeredConfig, help="YAML file with any of these options.")
    hints = typing.get_type_hints(command)
    parameters = inspect.signature(command).parameters.values()
    flags = _flags(command)
    lists = {p.name: item for p in parameters if (item := _list_item(hints[p.name]))}
    own: set[str | int] = {*flags, *lists}
    named: set[str | int] = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    words = {p.name for p in parameters} - named
    parser.add_function_arguments(command, as_group=False, as_positional=True, skip=own | named)
    parser.add_function_arguments(command, as_group=False, as_positional=False, skip=own | words)
    help_of = {p.arg_name: p.description for p in text.params}
    for parameter in parameters:
        name = parameter.name
        if name in flags:
            # accept both --two_words and --two-words
            words_of = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
            parser.add_argument(*words_of, action="store_true", help=help_of.get(name))
        elif name in lists and name in words and parameter.default is parameter.empty:
            parser.add_argument(name, nargs="*", type=lists[name], help=help_of.get(name))
        elif name in lists:
            given = {"required": True} if parameter.default is parameter.empty else {"default": _default(parameter)}
            parser.add_argument(f"--{name}", nargs="+", type=lists[name], help=help_of.get(name), **given)
    return parser


class _Parser(ArgumentParser):
    """A parser that takes a word with one dash, such as a video's id -abc, as a value, unless an option begins so."""

    color: bool  # of argparse, from Python 3.14 on

    def _parse_optional(self, arg_string: str) -> Any:
        """See argparse."""
        name = arg_string[1:].partition("=")[0]
        options = self._option_string_actions
        short = len(arg_string) > 2 and arg_string[0] == "-" and arg_string[1] != "-" and arg_string not in options
        if short and not any(option.lstrip("-").startswith(name) for option in options):
            return None
        return super()._parse_optional(arg_string)


class _LayeredConfig(ActionConfigFile):
    """The action of --config: reads a YAML file of options after the base files that it names under `config`."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: Any = None) -> None:
        """Read all files into the parser's values."""
        if not Path(values).is_file():
            raise TypeError(f'Parser key "{self.dest}": there is no file {values}')
        lists = [action.dest for action in parser._actions if action.nargs in ("+", "*")]
        for path in config_layers(Path(values)):
            require_lists(path, read_options(path), lists)
            self.apply_config(parser, cfg, self.dest, str(path))


def config_layers(path: Path, above: tuple[Path, ...] = ()) -> list[Path]:
    """The base files of a file of options, recursively, then the file itself, which overrides them.

    `config` in a file names one or several base files, relative to the file.

    Args:
        path: the file.
        above: the files that have it as a base.

    Raises:
        GymQAError: a file cannot be read or is its own base, a base does not exist, or `config` is not a list of names.
    """
    named = read_options(path).get("config", [])
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise GymQAError(f"{path}: config must be a list of base files, such as [base.yaml], not {named!r}")
    layers: list[Path] = []
    for base in (path.parent / name for name in names):
        if base.resolve() in {one.resolve() for one in (*above, path)}:
            raise GymQAError(f"{path} has the base {base}, which has it as a base; remove one of the two")
        if not base.is_file():
            raise GymQAError(f"{path} has the base {base}, which does not exist; check the name under config")
        layers += config_layers(base, (*above, path))
    return [*layers, path]


class _Paragraphs(DefaultHelpFormatter):
    """Help formatter that keeps paragraphs, and indented examples line by line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap each paragraph separately."""
        paragraphs = text.split("\n\n")
        fill = super()._fill_text
        return "\n\n".join(one if one.startswith(" ") else fill(one, width, indent) for one in paragraphs)


def _flags(command: Command) -> set[str]:
    """Names of a command's parameters that are False by default."""
    return {name for name, one in inspect.signature(command).parameters.items() if one.default is False}


def _list_item(hint: Any) -> type | None:
    """Return X for `list[X]` and `list[X] | None`, None for anything else."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    items = [typing.get_args(option)[0] for option in options if typing.get_origin(option) is list]
    return items[0] if items else None


def _default(parameter: inspect.Parameter) -> list[Any] | None:
    """Return a copy of a list parameter's default."""
    return None if parameter.default is None else list(parameter.default)


def usage_sentence(error: str) -> str:
    """Shorten the parser's message, often several lines about types, to one sentence about the option."""
    key = re.search(r'Parser key "([^"]+)"', error)
    denied = re.search(r"Importing '([^']+)' is not allowed", error)
    if denied:
        return (
            f"option {key[1] if key else 'class_path'} has no {denied[1]!r}; only gymqa's own classes are named so, "
            "docs/extending.md shows how yours are"
        )
    value = re.search(r"(?:Given value|Got value): (.*)\s*$", error)
    if key and value:
        return f"option {key[1]} does not take {value[1].strip()!r}"
    unknown = re.search(r"Expected a dot import path string: (\S+)", error)
    if key and unknown:
        return f"option {key[1]} has no {unknown[1]!r}; choose one of its subclasses"
    sentence = " ".join(error.split()).rstrip(".")
    return re.sub(r'^Parser key "([^"]+)": ', r"option \1: ", sentence)
