"""Notes of fits: text, formulas and links for the report, and nothing else."""

import re
from collections.abc import Iterator

# What docutils would take for a directive, a comment or the like, wherever it stands: in a list
# and in a table, too.
EXPLICIT_MARKUP = re.compile(r"(?<![\w.])\.\.(?!\S)")
# An address that brings a page with it, and is one without markup.
BARE_ADDRESS = re.compile(r"data:(?:text|image|application|multipart)", re.I)
# That, or one that runs code, without what docutils leaves out of addresses.
ACTIVE_ADDRESS = re.compile(rf"(?:javascript|vbscript):|{BARE_ADDRESS.pattern}/")


def faults(entries: dict) -> Iterator[str]:
    """Notes that would put more into the report than text, formulas and links."""
    for name, entry in entries.items():
        note = entry.get("note", "")
        if EXPLICIT_MARKUP.search(note):
            yield (
                f"fits.{name}.note: has '..' by itself, with which reStructuredText begins"
                " directives, comments and targets; allowed are text, formulas as :math:`x^2` and"
                " links as `text <address>`__"
            )
        bare = BARE_ADDRESS.search(note)
        if found := bare or ACTIVE_ADDRESS.search(re.sub(r"[\s\\]", "", note).lower()):
            yield (
                f"fits.{name}.note: has an address that begins with {found[0]!r}; allowed are"
                " links to pages, as `text <address>`__"
            )
        elif ":math:" in note and (fault := _not_math(note)):
            yield f"fits.{name}.note: has a formula that cannot be put into the report ({fault})"


def _not_math(note: str) -> str | None:
    """What goes wrong where the report's formulas are made."""
    # Not by every call of Snakemake, for it takes time.
    from docutils.core import publish_parts

    quiet = {"math_output": "MathML", "halt_level": 2, "_disable_config": True}
    quiet |= {"warning_stream": False}
    try:
        publish_parts(note, writer="html5", settings_overrides=quiet)
    except Exception as error:  # docutils fails in many ways
        return f"docutils: {error}"
    return None
