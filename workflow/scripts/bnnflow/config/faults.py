"""What is wrong with a config, in sentences: the key, its value, what is allowed, what to do."""

import difflib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import Tag, ValidationError

from ..settings import Settings

Path = tuple[str | int, ...]

KINDS = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}
BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "less_than_equal": ("le", "{} or less"),
    "greater_than": ("gt", "more than {}"),
    "less_than": ("lt", "less than {}"),
}


class ConfigError(ValueError):
    """A config that cannot be run; the message lists every fault found."""


def faults_of(kind: type[Settings], value: object, at: Path = ()) -> list[str]:
    """Every fault of a mapping as settings of a class, a line for each, sorted by key.

    Args:
        kind: the class.
        value: the mapping; it goes in no circle.
        at: where it stands in the config.
    """
    try:
        kind.model_validate(value)
    except ValidationError as error:
        told = sorted(_told(kind, error), key=lambda fault: [*map(str, fault[0])])
        return list(dict.fromkeys(f"{key_of((*at, *path))}: {text}" for path, text in told))
    return []


def key_of(path: Path) -> str:
    """A path as users write it: `fits.mine.data[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "config"


def quote(value: object) -> str:
    """A value, or its beginning."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def some(names: Iterable[str]) -> str:
    """The first of many names."""
    names = list(names)
    more = [f"and {len(names) - 10} more"] if len(names) > 10 else []
    return ", ".join([*names[:10], *more])


def unknown(value: str, kind: str, known: Iterable[str]) -> str:
    """Of a name that nothing has."""
    near = meant(value, known)
    return f"is {value!r}, which is not among the {kind}{near}; allowed are {some(known)}"


def meant(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The known name that is nearest to one, as a question, if any is as like as that."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=likeness)
    return f" (did you mean {near[0]}?)" if near else ""


def nearest(name: str, kind: type[Settings]) -> str:
    """The key of a class, or within it, that is nearest to one that it lacks, as a question."""
    if name in kind.renamed:
        return f" (write {kind.renamed[name]})"
    own = list(kind.model_fields)
    within = [key for key in keys_in(kind) if key.rpartition(".")[2] == name]
    return f" (did you mean {within[0]}?)" if within else meant(name, own)


def keys_in(kind: type[Settings], *parts: str) -> Iterator[str]:
    """The keys of a class and of those within it, with dots, but for names that users give."""
    for name, field in kind.model_fields.items():
        yield ".".join([*parts, name])
        for inner in _choices(field.annotation):
            if isinstance(inner := _bare(inner), type) and issubclass(inner, Settings):
                yield from keys_in(inner, *parts, name)


def _told(kind: type[Settings], error: ValidationError) -> Iterator[tuple[Path, str]]:
    """Where faults are, and what they are; all missing and all unknown keys of a place at once."""
    missing, extra = defaultdict(list), defaultdict(list)
    for one in error.errors(include_url=False):
        path, place = _followed(kind, one["loc"])
        if one["type"] == "default_factory_not_called":
            # It follows from another fault, which is told.
            continue
        if one["type"] == "missing":
            missing[path[:-1]].append(path[-1])
        elif one["type"] == "extra_forbidden":
            extra[path[:-1]].append((path[-1], place))
        else:
            yield _sentence(path, place, one)
    for path, names in missing.items():
        yield path, f"lacks the {_keys(names)} {', '.join(names)}"
    for path, pairs in extra.items():
        names = ", ".join(f"{name}{nearest(name, place)}" for name, place in sorted(pairs, key=str))
        allowed = ", ".join(sorted(pairs[0][1].model_fields))
        yield path, f"has the unknown {_keys(pairs)} {names}; allowed are {allowed}"


def _keys(several: list) -> str:
    return "keys" if len(several) > 1 else "key"


def _sentence(path: Path, place: Any, error: Mapping) -> tuple[Path, str]:
    kind, value, limits = error["type"], quote(error["input"]), error.get("ctx", {})
    match kind:
        case "fault" if not limits["what"].startswith("allowed"):
            return path, limits["what"]
        case "fault":
            return path, f"is {value}; {limits['what']}"
        case "allowed":
            is_key = error["loc"][-1] == "[key]"
            return (
                path,
                f"{'has the name' if is_key else 'is'} {value}; allowed is {limits['what']}",
            )
        case "twice":
            return path, f"is {value}; no entry may stand twice"
        case "literal_error":
            choices = [*map(str, get_args(place))]
            # Not cpu for gpu.
            near = meant(str(error["input"]), choices, likeness=0.7)
            return path, f"is {value}{near}; allowed are {', '.join(choices)}"
        case "union_tag_invalid":
            key = limits["discriminator"].strip("'")
            tags = limits["expected_tags"].replace("'", "")
            name = error["input"][key]
            near = meant(str(name), tags.split(", "), likeness=0.7)
            return (*path, key), f"is {quote(name)}{near}; allowed are {tags}"
        case "too_short" if limits["field_type"] == "Dictionary":
            return path, f"is empty; at least {limits['min_length']} entry is needed"
        case "too_short":
            return path, f"is {value}; allowed are at least {limits['min_length']} entries"
        case "too_long":
            return path, f"is {value}; allowed are at most {limits['max_length']} entries"
        case "string_too_short":
            return path, "is empty; a text is needed"
        case "int_type" | "float_type" if plain := _as_yaml(error["input"], kind):
            allowed = f"allowed is {KINDS[kind]}, as YAML writes it: {plain}"
            return path, f"is the text {value}; {allowed}"
        case _ if kind in BOUNDS:
            name, words = BOUNDS[kind]
            limit = limits[name]
            words = words.format(int(limit) if limit == int(limit) else limit)
            return path, f"is {value}; allowed is {words}"
        case _:
            return path, f"is {value}; allowed is {KINDS.get(kind, error['msg'])}"


def _as_yaml(value: object, kind: str) -> str | None:
    """How YAML writes the number that a text was meant to be, if it was."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    if kind == "float_type" and math.isfinite(number):
        return yaml.safe_dump(number).split()[0]
    return str(int(number)) if kind == "int_type" and number.is_integer() else None


def _followed(kind: type, location: Path) -> tuple[Path, Any]:
    """The place that pydantic names, without the tags of unions, and what is allowed there.

    Of a key that is unknown it is the class that does not know it.
    """
    path = []
    for part in location:
        choices = _choices(kind)
        if len(choices) > 1:
            # A union within a union has a tag of its own.
            kind = next((choice for choice in choices if part in _tags(choice)), kind)
            continue
        if part == "[key]":
            return tuple(path[:-1]), kind
        path.append(part)
        kind = _bare(choices[0])
        if isinstance(kind, type) and issubclass(kind, Settings):
            if part not in kind.model_fields:
                break
            kind = kind.model_fields[part].annotation
        elif inner := get_args(kind):
            kind = inner[part] if get_origin(kind) is tuple else inner[-1]
    choices = _choices(kind)
    return tuple(path), _bare(choices[0]) if len(choices) == 1 else kind


def _choices(kind: Any) -> list[Any]:
    """The types that one is a union of, or itself; None is none of them."""
    bare = _bare(kind)
    if get_origin(bare) not in (Union, UnionType):
        return [kind]
    return [one for choice in get_args(bare) if choice is not NoneType for one in _choices(choice)]


def _bare(kind: Any) -> Any:
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _tags(kind: Any) -> list[str]:
    """By which a discriminated union may name one of its types."""
    tags = [data.tag for data in getattr(kind, "__metadata__", ()) if isinstance(data, Tag)]
    return tags or [field.default for field in _bare(kind).model_fields.values()]
