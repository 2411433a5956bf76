"""Pieces of HTML: whatever comes from a config or a file is escaped here, and nowhere else."""

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


BREAK = Html("<br/>")


def html(content: object) -> Html:
    """Content as HTML: text is escaped, what is HTML stays, and of several parts each."""
    if isinstance(content, Html):
        return content
    if isinstance(content, (list, tuple)):
        return Html("".join(map(html, content)))
    return Html(escape(str(content)))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """An element; an attribute `class_` is the class, and one that is None is left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{told}>{html(content)}</{name}>")


def link(target: str, *content: object) -> Html:
    """A link to a place on the page."""
    return tag("a", *content, href=f"#{target}")


def joined(parts: Iterable[object], between: str = ", ") -> Html:
    """Parts in a row."""
    return Html(escape(between).join(map(html, parts)))


def items(parts: Iterable[object]) -> Html:
    """A list."""
    return tag("ul", [tag("li", part) for part in parts])


def html_table(
    head: Iterable[object], rows: Iterable[Iterable[object]], **attributes: object
) -> Html:
    """A table that scrolls in its own box where it is too wide for the page.

    Args:
        head: a cell for each column; without any there is no head.
        rows: cells, as content or as whole elements `td` and `th`.
        attributes: of the table.
    """
    columns = [tag("th", cell, scope="col") for cell in head]
    parts = [tag("thead", tag("tr", columns))] if columns else []
    parts.append(tag("tbody", [tag("tr", list(map(_cell, row))) for row in rows]))
    return tag("div", tag("table", parts, **attributes), class_="scroll")


def picture(path: Path, words: str, **attributes: object) -> Html:
    """A PNG file within the page.

    Args:
        path: of the file.
        words: for those who do not see it.
        attributes: of the image.
    """
    data = base64.b64encode(path.read_bytes()).decode()
    told = "".join(f' {key.rstrip("_")}="{escape(str(v))}"' for key, v in attributes.items())
    return Html(f'<img alt="{escape(words)}"{told} src="data:image/png;base64,{data}"/>')


def folded(summary: object, *content: object, open_: bool = False) -> Html:
    """What a click unfolds."""
    parts = tag("summary", summary), *content
    return tag("details", *parts, **({"open": ""} if open_ else {}))


def code(text: object) -> Html:
    """A name that a user would type."""
    return tag("code", text)


def spoken(text: str) -> Html:
    """A sentence in which names that a user would type stand between `backticks`."""
    parts = text.split("`")
    return Html("".join(code(part) if i % 2 else html(part) for i, part in enumerate(parts)))


def badge(verdict: str) -> Html:
    """A verdict in its colour; a dash where there is none."""
    return tag("span", verdict or "–", class_=f"verdict {verdict.replace(' ', '-')}".strip())


def _cell(content: object) -> Html:
    if isinstance(content, Html) and content.startswith(("<td", "<th")):
        return content
    return tag("td", content)
