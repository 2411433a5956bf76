"""What no config has, whatever its keys: found before anything is made of it."""

import unicodedata
from collections.abc import Iterator

from .faults import key_of, quote

# The most that a config may have: entries in all and in one list or mapping, levels, letters in a
# text.
ENTRIES, LONGEST, DEPTH, LETTERS = 50_000, 1000, 12, 10_000

# What YAML writes about mappings and lists.
PAIRS, QUOTES = {"{": "}", "[": "]"}, {"'": "'", '"': '"'}

# How YAML writes null.
NULLS = ("null", "~")


def faults(config: object) -> Iterator[str]:
    """What no config has: what goes round in circles, or is too much, or no text or number."""
    pending, count = [((), config)], 0
    while pending:
        path, value = pending.pop()
        count += 1
        if count > ENTRIES:
            yield f"config: has more than {ENTRIES} entries, or contains itself"
            return
        if len(path) > DEPTH:
            yield f"{key_of(path[:3])}: goes deeper than {DEPTH} levels, or contains itself"
            return
        if isinstance(value, dict | list):
            if len(value) > LONGEST:
                yield f"{key_of(path)}: has {len(value)} entries; allowed are {LONGEST} or fewer"
                continue
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            for key, entry in entries:
                if isinstance(value, dict) and not _is_key(key):
                    yield f"{key_of(path)}: has the key {quote(key)}; a key is a short line of text"
                else:
                    pending.append(((*path, key), entry))
        elif isinstance(value, int) and abs(value) >= 2**63:
            yield f"{key_of(path)}: is a number of {value.bit_length()} bits; allowed are 63"
        elif isinstance(value, str) and len(path) == 1 and (ends := _unclosed(value)):
            opened = [start for start, end in (PAIRS | QUOTES).items() if end in ends]
            yield (
                f"{key_of(path)}: is {quote(value)}, where {' and '.join(opened)}"
                f" {'is' if len(opened) == 1 else 'are'} not closed; write {quote(value + ends)}"
            )
        elif isinstance(value, str) and (fault := _not_text(value)):
            yield f"{key_of(path)}: is {quote(value)}, {fault}"
        elif not isinstance(value, str | int | float | None):
            yield f"{key_of(path)}: is {quote(value)}, neither a text nor a number, list or mapping"


def _is_key(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 100 and value.isprintable()


def _not_text(value: str) -> str | None:
    if len(value) > LETTERS:
        return f"which has {len(value)} letters; allowed are {LETTERS}"
    # Control codes, and halves of letters.
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in value):
        return "which has a character that cannot be written"
    return None


def _unclosed(text: str) -> str:
    """What a mapping or list lacks at its end that `--config` has therefore taken for a text."""
    if text[:1] not in PAIRS:
        return ""
    opened, quoted, before = [], "", ""
    for letter in text:
        if quoted:
            quoted = "" if letter == quoted else quoted
        elif letter in QUOTES and before in (" ", ",", *PAIRS):
            quoted = letter
        elif letter in PAIRS:
            opened.append(PAIRS[letter])
        elif opened and letter == opened[-1]:
            opened.pop()
        before = letter
    return "".join([quoted, *reversed(opened)])


def without_nulls(value):
    """A config without keys that are null, or the texts for it that `--config` passes."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v not in (None, *NULLS)}
    return value
