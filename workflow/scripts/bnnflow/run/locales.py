"""Text is UTF-8 here, whatever the machine's locale says."""

import locale
import os
from contextlib import suppress

# Names of locales that have it, of which every machine knows one.
UTF8 = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8")


def use_utf8() -> None:
    """Let this process, and those that it starts, take text for UTF-8.

    What the package reads and writes is so in any case; Snakemake asks the locale.
    """
    os.environ["PYTHONUTF8"] = "1"
    if locale.getencoding().lower().replace("-", "") == "utf8":
        return
    for name in UTF8:
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            return
