"""C++ that PyTorch's compiler has written, built without compiling the same headers every time.

Of the seconds that g++ takes for a program most go into what is the same in all: headers, the
classes that run a program, and probes of what the processor can do. These are compiled once and
kept. The program's own kernels are compiled as PyTorch says, to the same instructions; where
anything is not as expected, all is.
"""

import hashlib
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from ..files import safe
from ..jobs import log
from . import compilers, kept

# What PyTorch calls the sources of a program.
WRAPPER, KERNEL = ".wrapper.cpp", ".kernel.cpp"

# Headers that they include, each precompiled.
KERNEL_HEADER = "#include <torch/csrc/inductor/cpp_prefix.h>\n"
WRAPPER_HEADER = (
    "#include <torch/csrc/inductor/aoti_include/cpu.h>\n"
    "#include <torch/csrc/inductor/aoti_runtime/interface.h>\n"
    "#include <sstream>\n"
)
# The class that runs a program is a template, of which one object file has all instances.
INSTANCES = "\nnamespace torch::aot_inductor { %s class AOTInductorModelBase<AOTInductorModel>; }\n"

# Checks of every argument, which a variable of the environment would turn on. The package gives
# its programs what they were compiled for.
CHECK = "static bool _check_aoti_runtime_check_inputs_env() {"
NO_CHECK = "static inline bool _check_aoti_runtime_check_inputs_env() { return false;"


class _OtherwiseError(Exception):
    """A command, or what PyTorch has written, is not as this module expects it."""


@contextmanager
def prepared(place: Path, machine: object) -> Iterator[None]:
    """Let PyTorch build a program with what the folder keeps, and keep there what it lacks.

    Args:
        place: a folder that can be written to.
        machine: what code for this very machine depends on.
    """
    from torch._inductor import cpp_builder

    run = cpp_builder.run_compile_cmd
    cpp_builder.run_compile_cmd = _Build(place, machine, run)
    try:
        yield
    finally:
        cpp_builder.run_compile_cmd = run


class _Build:
    """Runs the commands with which PyTorch builds one program: probes, two sources, a link."""

    def __init__(self, place: Path, machine: object, run: Callable[[str, str], None]):
        self._place, self._run, self._parts = place, run, []
        self._facts = (machine, torch.__version__, compilers.version())

    def __call__(self, command: str, cwd: str) -> None:
        try:
            self._quickly(shlex.split(command), command, cwd)
        except (_OtherwiseError, OSError, ValueError, compilers.FailedError) as error:
            log.debug("built as PyTorch says: %s", error)
            self._run(command, cwd)

    def _quickly(self, words: list[str], command: str, cwd: str) -> None:
        sources = [word for word in words if word.endswith((".cpp", ".o"))]
        target = Path(words[words.index("-o") + 1])
        compiling = "-c" in words and len(sources) == 2
        if compiling and sources[0].endswith(KERNEL):
            self._compile(words, cwd, KERNEL_HEADER, Path(sources[0]))
        elif compiling and sources[0].endswith(WRAPPER):
            self._compile_wrapper(words, cwd, Path(sources[0]))
        elif target.suffix == ".so" and all(word.endswith(".o") for word in sources):
            compilers.call([*words, *self._parts], cwd)
        elif target.suffix == ".so" and len(sources) == 1:
            self._probe(words, command, cwd, Path(sources[0]), target)
        else:
            raise _OtherwiseError("an unknown command")

    def _compile_wrapper(self, words: list[str], cwd: str, source: Path) -> None:
        """The part that is the program's own; the same part of all is linked from the cache."""
        text, interface = source.read_text(encoding="utf-8"), _interface()
        if text.count(interface) != 1 or text.count(CHECK) != 1:
            raise _OtherwiseError("another wrapper")
        own = source.with_name("own" + WRAPPER)
        text = text.replace(interface, WRAPPER_HEADER + INSTANCES % "extern template")
        with safe.whole(own) as part:
            part.write_text(text.replace(CHECK, NO_CHECK), encoding="utf-8")
        whole = WRAPPER_HEADER + interface + INSTANCES % "template"
        classes = self._kept("classes", ".o", [*_flags(words), "-c"], whole)
        words = [str(own) if word == str(source) else word for word in words]
        self._compile(words, cwd, WRAPPER_HEADER, own)
        self._parts = [str(classes)]

    def _compile(self, words: list[str], cwd: str, header: str, source: Path) -> None:
        precompiled = self._kept("header", ".h.gch", [*_flags(words), "-x", "c++-header"], header)
        include = str(precompiled.with_suffix(""))
        place = words.index(str(source))
        command = [*words[:place], "-include", include, *words[place:]]
        compilers.call(command, cwd)

    def _probe(self, words: list[str], command: str, cwd: str, source: Path, target: Path) -> None:
        """A program that shows what compiler and processor can do: built once."""

        def make(folder: Path) -> Path:
            self._run(command, cwd)
            return Path(shutil.copy(target, folder))

        key = self._key("probe", _flags(words), source.read_text(encoding="utf-8"))
        path = kept.found(self._place, key, ".so") or kept.keep(self._place, key, ".so", make)
        shutil.copy(path, target)

    def _kept(self, kind: str, suffix: str, flags: list[str], text: str) -> Path:
        def make(folder: Path) -> Path:
            source, target = folder / "source.cpp", folder / "target"
            with safe.whole(source) as part:
                part.write_text(text, encoding="utf-8")
            command = [flags[0], *flags[1:], str(source), "-o", str(target)]
            compilers.call(command, str(folder))
            return target

        key = self._key(kind, flags, text)
        found = kept.found(self._place, key, suffix)
        return found or kept.keep(self._place, key, suffix, make)

    def _key(self, kind: str, flags: list[str], text: str) -> str:
        facts = repr((self._facts, flags, text)).encode()
        return f"{kind}-{hashlib.sha256(facts).hexdigest()[:32]}"


def _flags(words: list[str]) -> list[str]:
    """A command's words, the compiler first, without its files and what it does."""
    target = words.index("-o")
    words = words[:target] + words[target + 2 :]
    return [word for word in words if not word.endswith((".cpp", ".o")) and word != "-c"]


@cache
def _interface() -> str:
    """What PyTorch writes into every wrapper: the functions that create and run a program."""
    path = Path(torch.__file__).parent / "_inductor/codegen/aoti_runtime/interface.cpp"
    return path.read_text(encoding="utf-8").strip()
