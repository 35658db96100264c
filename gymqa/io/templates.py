"""Texts that gymqa writes for others to read or run, from templates that lie beside the code that fills them."""

from pathlib import Path
from typing import Any

from gymqa.io.files import write_text


def fill(template: Path, **values: Any) -> str:
    """Fill the template in a file; in code and YAML, values are put in by the filter `tojson`, which quotes whatever they hold."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only who writes such texts waits for it

    jinja = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        autoescape=False,  # no HTML is made here
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return jinja.get_template(template.name).render(**values)


def write_filled(target: Path, template: Path, **values: Any) -> None:
    """Fill a template and write the text, whole or not at all."""
    write_text(target, fill(template, **values))
