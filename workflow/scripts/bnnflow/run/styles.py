"""The style file of a run's figures."""

from pathlib import Path

from ..figures import style
from .plan import PlanError


def style_file(path: str, *folders: Path) -> Path:
    """A style file, from the first of these folders that has it.

    Raises:
        PlanError: if none has, or it is no style.
    """
    found = [place for folder in folders if (place := (folder / path).resolve()).is_file()]
    if not found:
        raise PlanError(f"figures.style: is {path!r}; there is no such file")
    try:
        style.check(found[0])
    except ValueError as error:
        raise PlanError(str(error)) from None
    return found[0]
