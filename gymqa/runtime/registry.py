"""Registry of names that options take: listing, import on demand, "did you mean", plug-ins of the user's own.

A name is one of a registry's own, or `package.module:Name`, which is imported from the user's path. Recognizers,
algorithms, encoders, adapters, benchmarks and data sets each have one registry.
"""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from gymqa.errors import GymQAError

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
DOCS = "docs/extending.md shows one"


Entry = TypeVar("Entry")
Made = TypeVar("Made")


class Registry(Generic[Entry]):
    """What can be built by name; listing imports nothing.

    An entry may have a `maker`: the function that builds it, or that function's `package.module:Name`, imported only
    when it is called. An entry without one is itself what its name stands for, or its `package.module:Name`.

    Args:
        noun: what an entry is called in messages: "recognizer".
        listing: the command that lists them.
        entries: by name, in the order in which they are listed.
        protocol: of a plug-in: a Protocol whose `__call__` says how it is called, or the class that it is an object of.
    """

    def __init__(self, noun: str, listing: str, entries: Mapping[str, Entry], protocol: type) -> None:
        self.noun, self.listing, self.entries, self.protocol = noun, listing, entries, protocol

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
            GymQAError: there is no such name, module or object, or it does not fit the registry's protocol.
        """
        if name in self.entries or not is_plug_in(name):
            entry = self.entry(name)
            maker: object = getattr(entry, "maker", entry)
            return import_object(maker, self.noun) if isinstance(maker, str) else maker
        found = import_object(name, self.noun, self.entries)
        if "__call__" in vars(self.protocol):
            _require_callable(found, self.protocol, name, self.noun)
        else:
            require_fit(found, self.protocol, name, self.noun)
        return found

    def make(self, name: str, kind: type[Made], *arguments: Any) -> Made:
        """Call what a name stands for.

        Args:
            name: of the registry, or `package.module:Name`.
            kind: the class or Protocol of what is made.
            arguments: those of the registry's protocol.

        Raises:
            GymQAError: as `load`, or a plug-in fails or makes something else.
        """
        maker = cast(Callable[..., object], self.load(name))
        if name in self.entries:
            return cast(Made, maker(*arguments))
        try:
            made = maker(*arguments)
        except GymQAError:
            raise
        except Exception as error:  # the user's code runs, and may raise anything
            raise GymQAError(
                f"{self.noun} {name} fails ({type(error).__name__}: {error}); correct it, --debug shows where"
            ) from error
        require_fit(made, kind, name, self.noun)
        return cast(Made, made)


def is_plug_in(name: str) -> bool:
    """Whether a name has the form `package.module:Name`."""
    return _IMPORT_PATH.fullmatch(name) is not None


def import_object(path: str, noun: str, names: Iterable[str] = ()) -> object:
    """Import `package.module:Name`.

    Args:
        path: what to import.
        noun: what it is called in messages.
        names: one of which may have been meant instead of the module.

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
                + _also_close(module, names)
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
    missing = sorted(name for name in _members(protocol) if not hasattr(value, name))
    lacks = f" without {', '.join(missing)}" if missing else ""
    raise GymQAError(f"{noun} {path} gives {type(value).__name__}{lacks}, which is no {protocol.__name__}; {DOCS}")


def _members(protocol: type) -> set[str]:
    """Names of what a Protocol asks for; none of a class, whose objects are told by the class."""
    if not getattr(protocol, "_is_protocol", False):
        return set()
    return {name for name in {*vars(protocol), *vars(protocol).get("__annotations__", {})} if not name.startswith("_")}


def require_known(noun: str, name: str, known: Collection[str], listing: str) -> None:
    """Refuse a name that is not in `known`.

    Raises:
        GymQAError: the closest known name is given, or the command that lists them.
    """
    if name not in known:
        close = difflib.get_close_matches(name, list(known), n=3)
        hint = f"did you mean {', '.join(close)}?" if close else f"{listing} lists them"
        raise GymQAError(f"there is no {noun} {name!r}; {hint}")


def _also_close(name: str, names: Iterable[str]) -> str:
    """The end of a sentence on a plug-in's module: the names of ours that are like it."""
    close = difflib.get_close_matches(name, list(names), n=3)
    return f", or did you mean {', '.join(close)}?" if close else ""


def _require_callable(found: object, protocol: type, path: str, noun: str) -> None:
    """Refuse what cannot be called as a Protocol's `__call__` is."""
    _, *parameters = inspect.signature(vars(protocol)["__call__"]).parameters  # self is none of them
    called = f"{protocol.__name__}({', '.join(parameters)})"
    if not callable(found):
        raise GymQAError(f"{noun} {path} is {type(found).__name__}, which cannot be called as {called} is; {DOCS}")
    maker: Callable[..., object] = found
    try:
        inspect.signature(maker).bind(*parameters)
    except TypeError as error:
        raise GymQAError(f"{noun} {path} cannot be called as {called} is: {error}; {DOCS}") from error
    except ValueError:  # built-ins have no signature
        return
