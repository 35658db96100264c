"""Fill Jinja templates for cards, YAML and code (a file of its own: hub, recognizers and encoders use it)."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gymqa.io.files import write_text


def fill(template: Path, **values: Any) -> str:
    """Fill a template file; templates of code and YAML quote values with the filter `tojson`."""
    jinja = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        autoescape=False,  # the templates are not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return jinja.get_template(template.name).render(**values)


def write_filled(target: Path, template: Path, **values: Any) -> None:
    """Fill a template and write the text atomically."""
    write_text(target, fill(template, **values))
