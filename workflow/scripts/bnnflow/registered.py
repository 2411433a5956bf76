"""What is found by looking into a folder: one class a module, known by the module's name."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from inspect import isclass
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Union

from pydantic import BeforeValidator, Field

from .settings import Settings, fault


class Registry(Mapping[str, type[Settings]]):
    """By name the classes in a folder, each loaded when it is asked for.

    A module of the folder has one class of the kind, whose settings are what users may say of it.
    The first name is the default; the others follow in alphabetical order.

    Args:
        package: name of the folder's package.
        kind: of the classes.
        key: the setting that has the name.
        default: the name that is meant where the key is not given.
    """

    def __init__(self, package: str, kind: type[Settings], key: str, default: str):
        self.package, self.kind, self.key, self.default = package, kind, key, default

    def __getitem__(self, name: str) -> type[Settings]:
        """The class of that name.

        Raises:
            KeyError: if the folder has none.
        """
        if name not in iter(self):
            raise KeyError(f"there is no {self.key} {name!r}; there are {', '.join(self)}")
        module = import_module(f"{self.package}.{name}")
        (found,) = (
            each
            for each in vars(module).values()
            if isclass(each) and issubclass(each, self.kind) and each.__module__ == module.__name__
        )
        return found

    def __iter__(self) -> Iterator[str]:
        """The names."""
        folder = import_module(self.package).__path__
        names = [module.name for module in iter_modules(folder) if not module.ispkg]
        return iter(sorted(names, key=lambda name: (name != self.default, name)))

    def __len__(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)

    def made(self, settings: Mapping[str, object]) -> Settings:
        """That which settings name, with these settings.

        Raises:
            KeyError: if they name none that there is.
            ValueError: if one of its settings is not allowed.
        """
        return self[settings.get(self.key, self.default)](**settings)

    def file(self, settings: Mapping[str, object]) -> Path:
        """The module of what settings name, within the package of all."""
        name = settings.get(self.key, self.default)
        return Path(*self.package.split(".")[1:], f"{name}.py")

    def named(self) -> list[dict[str, str]]:
        """Settings that name each of these and say nothing else."""
        return [{self.key: name} for name in self]

    def setting(self) -> object:
        """The type of a setting that is one of these."""
        kinds = tuple(self.values())
        if len(kinds) == 1:
            return kinds[0]
        return Annotated[
            Union[kinds],  # noqa: UP007
            Field(discriminator=self.key),
            BeforeValidator(self._named()),
        ]

    def _named(self) -> Callable[[object], object]:
        """What gives settings that name none the default, unless they are of another."""
        by_name = {name: kind.model_fields.keys() for name, kind in self.items()}

        def named(value: object) -> object:
            if not isinstance(value, Mapping) or self.key in value:
                return value
            for name, keys in by_name.items():
                if found := [key for key in value if key in keys - by_name[self.default]]:
                    are = "is a key" if len(found) == 1 else "are keys"
                    told = f"{', '.join(found)} {are} of the {self.key} {name}"
                    raise fault(f"lacks the key {self.key} ({told})")
            return {self.key: self.default, **value}

        return named
