"""Registry of the names an option accepts: listing, import on demand, "did you mean", user plug-ins.

A name is a registered one or `package.module:Name`, imported from the user's Python path. Recognizers, algorithms,
encoders, adapters, benchmarks and data sets have one registry each.
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
    """Objects that are built by name; listing the names imports nothing.

    An entry may have a `maker`: the function that builds the object, or its `package.module:Name`, imported only when
    it is called. An entry without a maker is itself the object, or its `package.module:Name`.

    Args:
        noun: what an entry is called in messages, such as "recognizer".
        listing: the command that lists the names.
        entries: entries by name, in the order of the listing.
        protocol: type of a plug-in: a Protocol whose `__call__` has its parameters, or the class of the object.
    """

    def __init__(self, noun: str, listing: str, entries: Mapping[str, Entry], protocol: type) -> None:
        self.noun, self.listing, self.entries, self.protocol = noun, listing, entries, protocol

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def entry(self, name: str) -> Entry:
        """The entry of a registered name.

        Raises:
            GymQAError: the name is not registered; the message gives the closest one.
        """
        require_known(self.noun, name, self.entries, self.listing)
        return self.entries[name]

    def require(self, name: str) -> str:
        """Return the name if it is registered or names a fitting plug-in.

        Raises:
            GymQAError: it is neither; the message gives the closest registered name.
        """
        if is_plug_in(name):
            self.load(name)
        else:
            self.entry(name)
        return name

    def load(self, name: str) -> object:
        """Import the object of a name: a registered one, or `package.module:Name` of the user's own code.

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
        """Build the object of a name.

        Args:
            name: a registered name, or `package.module:Name`.
            kind: class or Protocol of the built object.
            arguments: arguments of the registry's protocol.

        Raises:
            GymQAError: as `load`, or a plug-in fails or builds an object of another type.
        """
        maker = cast(Callable[..., object], self.load(name))
        if name in self.entries:
            return cast(Made, maker(*arguments))
        try:
            made = maker(*arguments)
        except GymQAError:
            raise
        except Exception as error:  # the user's code is executed, and may raise anything
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
        path: import path of the object.
        noun: what it is called in messages.
        names: registered names, to suggest a similar one.

    Raises:
        GymQAError: there is no such module or name, or importing the module raises an error.
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
    except Exception as error:  # the user's module is executed, and may raise anything
        kind = type(error).__name__
        raise GymQAError(f"{noun} {path}: importing {module} fails ({kind}: {error}); mend it first") from error


def require_fit(value: object, protocol: type, path: str, noun: str) -> None:
    """Check that a plug-in's object satisfies the Protocol or class of its registry.

    Raises:
        GymQAError: it does not; the message names the missing members.
    """
    if isinstance(value, protocol):
        return
    missing = sorted(name for name in _members(protocol) if not hasattr(value, name))
    lacks = f" without {', '.join(missing)}" if missing else ""
    raise GymQAError(f"{noun} {path} gives {type(value).__name__}{lacks}, which is no {protocol.__name__}; {DOCS}")


def _members(protocol: type) -> set[str]:
    """Names of a Protocol's public members; empty for other classes."""
    if not getattr(protocol, "_is_protocol", False):
        return set()
    return {name for name in {*vars(protocol), *vars(protocol).get("__annotations__", {})} if not name.startswith("_")}


def require_known(noun: str, name: str, known: Collection[str], listing: str) -> None:
    """Refuse a name that is not in `known`.

    Raises:
        GymQAError: the message gives the closest known name, or the command that lists them.
    """
    if name not in known:
        close = difflib.get_close_matches(name, list(known), n=3)
        hint = f"did you mean {', '.join(close)}?" if close else f"{listing} lists them"
        raise GymQAError(f"there is no {noun} {name!r}; {hint}")


def _also_close(name: str, names: Iterable[str]) -> str:
    """End of a message on a missing module: registered names similar to it."""
    close = difflib.get_close_matches(name, list(names), n=3)
    return f", or did you mean {', '.join(close)}?" if close else ""


def _require_callable(found: object, protocol: type, path: str, noun: str) -> None:
    """Refuse an object that cannot be called with the parameters of a Protocol's `__call__`."""
    _, *parameters = inspect.signature(vars(protocol)["__call__"]).parameters  # without self
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
