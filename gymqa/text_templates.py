"""Texts that gymqa writes for others to read or run, from the templates in `gymqa/templates`."""

from pathlib import Path
from typing import Any

from gymqa.atomic import write_text

_FOLDER = Path(__file__).parent / "templates"


def fill(template: str, **values: Any) -> str:
    """Fill a template; in code and YAML, values are put in by the filter `tojson`, which quotes whatever they hold."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only who writes such texts waits for it

    jinja = Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        autoescape=False,  # no HTML is made here
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return jinja.get_template(f"{template}.j2").render(**values)


def write_filled(target: Path, template: str, **values: Any) -> None:
    """Fill a template and write the text, whole or not at all."""
    write_text(target, fill(template, **values))
