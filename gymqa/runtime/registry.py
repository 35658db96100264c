"""Registry of names that options take: listing, import on demand, "did you mean", plug-ins of the user's own.

A name is one of a registry's own, or `package.module:Name`, which is imported from the user's path. Recognizers,
algorithms, encoders, adapters, benchmarks and data sets each have one registry.
"""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gymqa.errors import GymQAError

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
DOCS = "docs/extending.md shows one"


class Made(Protocol):
    """An entry that names what makes it."""

    @property
    def maker(self) -> str:
        """`package.module:Name`, imported only when it is built."""


Entry = TypeVar("Entry", bound=Made)


@dataclass(frozen=True, slots=True)
class Source:
    """An entry of which nothing is to be said but what makes it."""

    maker: str


class Registry(Generic[Entry]):
    """What can be built by name; listing imports nothing.

    Args:
        noun: what an entry is called in messages: "recognizer".
        listing: the command that lists them.
        entries: by name, in the order in which they are listed.
        parameters: of what makes one, for the check of a plug-in; None where it is no function.
    """

    def __init__(
        self, noun: str, listing: str, entries: Mapping[str, Entry], parameters: tuple[str, ...] | None = None
    ) -> None:
        self.noun, self.listing, self.entries, self._parameters = noun, listing, entries, parameters

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def entry(self, name: str) -> Entry:
        """What is registered under a name.

        Raises:
            GymQAError: nothing is; the closest name is given.
        """
        require_known(self.noun, name, self.entries, self.listing)
        return self.entries[name]

    def require(self, name: str) -> str:
        """The name, where it is registered or names a plug-in that fits.

        Raises:
            GymQAError: neither; the closest name is given.
        """
        if is_plug_in(name):
            self.load(name)
        else:
            self.entry(name)
        return name

    def load(self, name: str) -> object:
        """Import what a name stands for: of the registry, or `package.module:Name` of the user's own code.

        Raises:
            GymQAError: there is no such name, module or object, or it cannot be called as this registry's are.
        """
        plug_in = is_plug_in(name)
        found = import_object(name if plug_in else self.entry(name).maker, self.noun)
        if plug_in and self._parameters is not None:
            _require_callable(found, name, self.noun, self._parameters)
        return found


def is_plug_in(name: str) -> bool:
    """Whether a name has the form `package.module:Name`."""
    return _IMPORT_PATH.fullmatch(name) is not None


def import_object(path: str, noun: str) -> object:
    """Import `package.module:Name`.

    Raises:
        GymQAError: there is no such module or name, or the module raises an error itself.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise GymQAError(
                f"{noun} {path}: Python finds no module {error.name}; put the folder that holds it on PYTHONPATH"
            ) from error
        raise GymQAError(f"{noun} {path}: importing {module} fails ({error}); install what it needs") from error
    except AttributeError as error:
        raise GymQAError(f"{noun} {path}: {module} fails or has no {name} ({error}); correct the name") from error
    except Exception as error:  # the user's module runs, and may raise anything
        kind = type(error).__name__
        raise GymQAError(f"{noun} {path}: importing {module} fails ({kind}: {error}); mend it first") from error


def require_fit(value: object, protocol: type, path: str, noun: str) -> None:
    """Refuse what a plug-in gives where it is not what its room's Protocol or class asks for.

    Raises:
        GymQAError: it names what is missing.
    """
    if isinstance(value, protocol):
        return
    wanted = getattr(protocol, "__protocol_attrs__", None) or ()  # of Protocols, from Python 3.12 on
    missing = sorted(name for name in wanted if not hasattr(value, name))
    lacks = f" without {', '.join(missing)}" if missing else ""
    raise GymQAError(f"{noun} {path} gives a {type(value).__name__}{lacks}, not a {protocol.__name__}; {DOCS}")


def require_known(noun: str, name: str, known: Mapping[str, object], listing: str) -> None:
    """Refuse a name that is not in `known`.

    Raises:
        GymQAError: the closest known name is given, or the command that lists them.
    """
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {', '.join(close)}?" if close else f"{listing} lists them"
        raise GymQAError(f"there is no {noun} {name!r}; {hint}")


def _require_callable(found: object, path: str, noun: str, parameters: tuple[str, ...]) -> None:
    """Refuse what cannot be called with so many arguments."""
    if not callable(found):
        raise GymQAError(f"{noun} {path} is a {type(found).__name__}, which cannot be called; {DOCS}")
    maker: Callable[..., object] = found
    try:
        inspect.signature(maker).bind(*parameters)
    except TypeError as error:
        wanted = f"({', '.join(parameters)})"
        raise GymQAError(f"{noun} {path} cannot be called with {wanted}: {error}; {DOCS}") from error
    except ValueError:  # built-ins have no signature
        return
