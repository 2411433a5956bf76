"""Config files on a command line of Snakemake, looked at before Snakemake itself reads them."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .faults import ConfigError
from .reading import readable

OPTIONS = ("--configfile", "--configfiles")

# Endings of config files; what has another and is no config was meant as a target.
ENDINGS = (".yaml", ".yml", ".json")


def check() -> None:
    """End this process with a sentence, if Snakemake was called with a file that is no config.

    Snakemake would end too, but name neither the file nor the line.
    """
    words = sys.argv[1:]
    if Path(sys.argv[0]).stem in ("snakemake", "__main__") and (found := faults(words)):
        sys.exit("".join(f"{fault}\n" for fault in found))


def faults(words: Iterable[str]) -> list[str]:
    """What is wrong with the config files that a command line of Snakemake names.

    Args:
        words: of the command line, without the program's name.
    """
    found = []
    for path in _configs(words):
        try:
            readable(path)
        except ConfigError as error:
            found.append(str(error) if path.endswith(ENDINGS) else _meant_as_target(path))
    return found


def _meant_as_target(word: str) -> str:
    return (
        f"{word}: is no config file, but stands behind --configfile, where Snakemake takes every"
        f" word for one; name targets before that option: snakemake {word} --configfile …"
    )


def _configs(words: Iterable[str]) -> Iterator[str]:
    """The words behind `--configfile`, up to the next option."""
    inside = False
    for word in words:
        if word.startswith("-"):
            # Options may be shortened, as long as no other begins so.
            option, equal, value = word.partition("=")
            inside = len(option) > len("--config") and option in _shortened()
            if inside and equal:
                yield value
                inside = False
        elif inside:
            yield word


def _shortened() -> set[str]:
    return {name[:end] for name in OPTIONS for end in range(len("--configf"), len(name) + 1)}
