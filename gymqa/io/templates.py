"""Texts that gymqa writes for others to read or run, from templates that lie beside the code that fills them."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gymqa.io.files import write_text


def fill(template: Path, **values: Any) -> str:
    """Fill a template file; in code and YAML, values go in by the filter `tojson`, which quotes whatever they hold."""
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
