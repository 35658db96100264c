"""Strict YAML for files of options: repeated keys, aliases and deep nesting are errors; classes are not imported.

PyYAML takes the last of two equal keys, and hangs on an alias of an alias of an alias. jsonargparse imports every
module that a `class_path` names, and ignores a list where a group of settings belongs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace, get_loader, set_loader, set_parsing_settings

from gymqa.errors import GymQAError

MODE = "strict_yaml"
"""The parser_mode of jsonargparse that reads YAML so."""
_DEEPEST = 32

# What a value names is imported only from where another module allows it: recognizers.config does for the families.
set_parsing_settings(import_path_denylist=["*"])


def _load(text: str) -> Any:
    """Read YAML with jsonargparse's number formats.

    Raises:
        yaml.YAMLError: it is not YAML, or not of the part that files of options need.
    """
    _check_events(text)
    return get_loader("yaml")(text)


set_loader(MODE, _load, (yaml.YAMLError,))


def read_options(path: Path) -> dict[str, Any]:
    """Read a YAML file of options.

    Raises:
        GymQAError: it is missing, not UTF-8, not YAML, repeats a key, or holds no options by name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        _check_events(text)
        content = yaml.safe_load(text)
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}; check --config") from error
    except (ValueError, yaml.YAMLError) as error:
        said = " ".join(str(error).replace('"<unicode string>", ', "").split())
        raise GymQAError(f"{path} is not YAML that holds options: {said}; mend the file") from error
    if not isinstance(content, dict):
        raise GymQAError(f"{path} must hold options by name, such as out: runs/x, not {content!r}")
    return content


def require_lists(path: Path, content: dict[str, Any], lists: Iterable[str]) -> None:
    """Check that options of several values have a list in a file.

    Raises:
        GymQAError: one has something else.
    """
    for name in lists:
        value = content.get(name)
        if value is not None and not isinstance(value, list):
            raise GymQAError(f"{path}: {name} takes a list, such as [{value if isinstance(value, str) else '…'}]")


def require_groups(parser: ArgumentParser, values: Namespace, flags: Iterable[str]) -> None:
    """Check that groups of settings are settings by name, and flags true or false; the parser lets others pass.

    Args:
        parser: the command's parser.
        values: what it has read.
        flags: names of the flags.

    Raises:
        GymQAError: a list, number or text stands where a group or flag belongs.
    """
    unknown = next((name for name, _ in values.items() if name.endswith(".dict_kwargs")), None)
    if unknown:
        raise GymQAError(f"there is no option {unknown}; settings of a class stand under init_args")
    names = {action.dest for action in parser._actions}
    optional = {action.dest for action in parser._actions if action.default is None}
    for group in sorted({name[:end] for name in names for end in range(len(name)) if name[end] == "."}):
        value = values.get(group)
        if not isinstance(value, Namespace) and not (value is None and group in optional):
            raise GymQAError(f"option {group} takes settings by name, such as {{seed: 1}}, not {value!r}")
    for flag in flags:
        if not isinstance(values[flag], bool):
            raise GymQAError(f"option {flag} is true or false, not {values[flag]!r}")


def _check_events(text: str) -> None:
    """Check a document event by event, which neither recurses nor expands aliases.

    Raises:
        yaml.YAMLError: an alias, a key that is repeated, or nesting deeper than _DEEPEST.
    """
    open_nodes: list[_Open] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _problem(event, f"*{event.anchor} is an alias; write it out, or name a base file under config")
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.ScalarEvent) and "\0" in event.value:
                raise _problem(event, "a value holds a NUL character")
            if open_nodes:
                open_nodes[-1].take(event)
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append(_Open(isinstance(event, yaml.MappingStartEvent)))
            if len(open_nodes) > _DEEPEST:
                raise _problem(event, f"it is nested more than {_DEEPEST} deep")


class _Open:
    """A mapping or list that has begun, and the keys it has had."""

    def __init__(self, mapping: bool) -> None:
        self._mapping, self._keys, self._at_key = mapping, set[str](), True

    def take(self, event: yaml.NodeEvent) -> None:
        """Take the next node: a key or a value."""
        if self._mapping and self._at_key and isinstance(event, yaml.ScalarEvent):
            if event.value in self._keys:
                raise _problem(event, f"{event.value} stands twice; keep one")
            self._keys.add(event.value)
        self._at_key = not self._at_key


def _problem(event: yaml.Event, said: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=said, problem_mark=event.start_mark)
