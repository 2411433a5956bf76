"""Matplotlib style files: of what they can set, what makes a figure look otherwise, and no more."""

from pathlib import Path

from ..files import safe
from ..files.errors import FileError

# First parts of the settings that are about looks.
FAMILIES = {"axes", "axes3d", "boxplot", "contour", "errorbar", "figure", "font", "grid", "hatch"}
FAMILIES |= {"hist", "image", "legend", "lines", "markers", "mathtext", "patch", "path", "pcolor"}
FAMILIES |= {"pcolormesh", "polaraxes", "savefig", "scatter", "svg", "text", "xaxis", "xtick"}
FAMILIES |= {"yaxis", "ytick"}

# Those among them that run LaTeX or code, read or write other files, or open windows.
REFUSED = {"text.usetex", "text.latex.preamble", "figure.hooks", "path.effects", "svg.image_inline"}
REFUSED |= {"savefig.directory", "figure.raise_window", "figure.max_open_warning"}

# Bytes of a style file, letters of a line, pixels of a figure, and the largest number.
SIZE, LINE, PIXELS, NUMBER = 1 << 16, 2000, 50_000_000, 10_000


def check(path: str | Path) -> None:
    """That a file only changes how figures look.

    Raises:
        ValueError: if it sets something else, asks for pictures that are too large, or is no text.
    """
    if reason := _reason(path):
        raise ValueError(f"figures.style: {path} is no Matplotlib style file to use here: {reason}")


def _reason(path: str | Path) -> str | None:
    try:
        with safe.opened(path, "a style", SIZE) as file:
            lines = file.read().decode().splitlines()
    except FileError as error:
        return error.reason
    except UnicodeDecodeError as error:
        return str(error)
    settings = {}
    for number, line in enumerate(lines, start=1):
        key, _, value = (part.strip() for part in line.partition(":"))
        if not key or key.startswith("#"):
            continue
        if fault := _fault(key, value, line):
            return f"line {number}: {fault}"
        settings[key] = value.partition("#")[0].strip()
    if (pixels := _pixels(settings)) > PIXELS:
        return f"a figure would have {pixels:.3g} pixels; at most {PIXELS} are allowed"
    return None


def _fault(key: str, value: str, line: str) -> str | None:
    if len(line) > LINE or not line.replace("\t", " ").isprintable():
        return "it is too long, or has characters that are no text"
    if key.split(".")[0] not in FAMILIES or key in REFUSED:
        return f"{key[:80]} is not a setting of how figures look"
    if key == "axes.prop_cycle" and "*" in value:  # products can be of any size
        return "axes.prop_cycle has a product"
    if any(abs(number) > NUMBER for number in _numbers(value)):
        return f"{key} has a number beyond {NUMBER}"
    return None


def _pixels(settings: dict[str, str]) -> float:
    """Of a figure of the size that the settings say, with its margins."""
    width, height = (*_numbers(settings.get("figure.figsize", "")), 6.4, 4.8)[:2]
    (margin,) = (*_numbers(settings.get("savefig.pad_inches", "")), 0.1)[:1]
    dots = (n for key in ("figure.dpi", "savefig.dpi") for n in _numbers(settings.get(key, "")))
    return (width + 2 * margin) * (height + 2 * margin) * max(100.0, 100.0, *dots) ** 2


def _numbers(value: str) -> list[float]:
    found = []
    for word in value.partition("#")[0].strip(" \"'()[]").split(","):
        try:
            found.append(float(word))
        except ValueError:
            continue
    return found
