"""Functions of tensors as machine code: traced, lowered by PyTorch's compiler, kept in a cache."""

import hashlib
import logging
import os
import platform
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from .jobs import log

Function = Callable[..., tuple[Tensor, ...]]

# A product over at most so many terms is written out, so that it fuses with its neighbours.
WRITTEN_OUT = 32

# Of tanh(x) = x + x³ p(x²), the highest power first, for |x| < TANH_SMALL in single precision;
# from Moshier's Cephes library.
TANH_SMALL = 0.625
TANH_TERMS = (
    -5.70498872745e-3,
    2.06390887954e-2,
    -5.37397155531e-2,
    1.33314422036e-1,
    -3.33332819422e-1,
)

# Of PyTorch's compiler: no files that a second job could find half-written; fused multiply-add;
# values that many others need are stored, not worked out again.
SETTINGS = {
    "aot_inductor.precompile_headers": False,
    "cpp_cache_precompile_headers": False,
    "compile_threads": 1,
    "cpp.enable_floating_point_contract_flag": "fast",
    "realize_opcount_threshold": 30,
}

COMPILER_HINT = (
    "install a C++ compiler, such as Debian's g++ or conda's cxx-compiler; CXX names another one"
)


class NotCompiledError(Exception):
    """A function that cannot be compiled, here or at all; the message says why."""


def compiled(function: Function, *examples: Tensor) -> Function:
    """A function as machine code for arguments of the examples' shapes and types.

    The code is taken from the cache if an earlier job, or another one, has left it there.

    Args:
        function: takes tensors and returns a tuple of tensors; its operations may depend on the
            shapes of its arguments, not on their values. Tensors that it holds besides may
            change from one program to the next without a new compilation.
        examples: arguments.

    Raises:
        NotCompiledError: if the function cannot be traced, or there is no C++ compiler that works.
    """
    graph = _traced(function, examples)
    constants = _lifted(graph)
    run = _machine_code(graph, (*examples, *constants))
    return lambda *values: run(*values, *constants)


def directory() -> Path:
    """Where compiled code is kept: $BNNFLOW_CACHE, or else `bnnflow` in the user's cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("BNNFLOW_CACHE") or home / "bnnflow")


def _traced(function: Function, examples: tuple[Tensor, ...]) -> GraphModule:
    try:
        return make_fx(function, decomposition_table=_LOWERINGS)(*examples)
    except Exception as error:  # a stranger's model may fail in any way
        reason = str(error).strip().splitlines() or [""]
        raise NotCompiledError(
            f"the model cannot be traced ({type(error).__name__}: {reason[0]})"
        ) from error


def _lifted(graph: GraphModule) -> list[Tensor]:
    """Make arguments, after the others, of the tensors that the graph holds; returns them."""
    constants: dict[str, Tensor] = {}
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    for node in [node for node in graph.graph.nodes if node.op == "get_attr"]:
        if node.target not in constants:
            constants[node.target] = getattr(graph, node.target).detach()
            with graph.graph.inserting_after(placeholders[-1]):
                placeholders.append(graph.graph.placeholder(node.target))
                placeholders[-1].meta = dict(node.meta)
        new = next(p for p in placeholders if p.target == node.target)
        node.replace_all_uses_with(new)
        graph.graph.erase_node(node)
    for name in constants:
        delattr(graph, name)
    graph.recompile()
    return list(constants.values())


def _artefact(graph: GraphModule, arguments: tuple[Tensor, ...]) -> Path:
    """The package of machine code of a graph, from the cache or new in it."""
    shapes = [(str(a.dtype), tuple(a.shape), a.stride()) for a in arguments]
    setting = (SETTINGS, torch.__version__, torch.get_num_threads(), _processor())
    facts = (graph.code, shapes, *setting)
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
    place = _usable(directory())
    # The name ends in a digest of the content, so that a damaged file shows.
    for path in place.glob(f"{key}-*.pt2"):
        if path.name == _name(key, path):
            return path
        log.warning("%s is damaged; it is made again", path)
        path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="making-") as folder:
        # PyTorch's own cache tells programs for this processor from no others.
        own = place / f"inductor-{hashlib.sha256(_processor().encode()).hexdigest()[:8]}"
        made = _built(graph, arguments, own, Path(folder))
        path = place / _name(key, made)
        made.replace(path)
    return path


def _name(key: str, path: Path) -> str:
    return f"{key}-{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.pt2"


def _usable(place: Path) -> Path:
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        log.warning(
            "compiled code cannot be kept (%s); BNNFLOW_CACHE can name another folder", error
        )
        return _temporary()
    return place


@cache
def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="bnnflow-"))


@cache
def _processor() -> str:
    """What code for this very processor depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    facts = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return " ".join((platform.machine(), *sorted(facts)))


def _built(graph: GraphModule, arguments: tuple[Tensor, ...], cache: Path, folder: Path) -> Path:
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler.partition(" ")[0]) is None:
        raise NotCompiledError(f"there is no C++ compiler {compiler!r}; {COMPILER_HINT}")
    log.info("compiling, once for this model and these shapes")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    # PyTorch's compiler takes seconds to import; who finds the code in the cache needs it not.
    from torch._inductor import aoti_compile_and_package
    from torch.export import export

    target = folder / "model.pt2"
    settings = SETTINGS | {"cpp.cxx": (None, compiler)}
    try:
        with _quiet():
            program = export(graph, arguments)
            aoti_compile_and_package(program, package_path=str(target), inductor_configs=settings)
    except Exception as error:  # of a compiler there is no end of faults
        reason = str(error).strip().splitlines() or [""]
        raise NotCompiledError(
            f"PyTorch's compiler failed ({type(error).__name__}: {reason[0]}); {COMPILER_HINT}"
        ) from error
    return target


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the compiler's remarks on itself, which a user can do nothing about."""
    remarks = logging.getLogger("torch")
    level = remarks.level
    remarks.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        remarks.setLevel(level)


def _machine_code(graph: GraphModule, arguments: tuple[Tensor, ...]) -> Function:
    path = _artefact(graph, arguments)
    # What torch._inductor.aoti_load_package does, without the seconds that its import takes.
    run = torch._C._aoti.AOTIModelPackageLoader(str(path), "model", True, 1, -1).boxed_run
    return lambda *values: run(list(values))


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[1] <= WRITTEN_OUT:
        terms = (a[:, i, None] * b[i] for i in range(a.shape[1]))
        return sum(terms, next(terms))
    if 1 in (a.shape[0], b.shape[1]):
        return (a[:, None, :] * b.T).sum(-1)
    return NotImplemented


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[2] <= WRITTEN_OUT:
        terms = (a[:, :, i, None] * b[:, None, i] for i in range(a.shape[2]))
        return sum(terms, next(terms))
    if 1 in (a.shape[1], b.shape[2]):
        return (a[:, :, None, :] * b.mT[:, None]).sum(-1)
    return NotImplemented


def _tanh(x: Tensor) -> Tensor:
    """Within two units in the last place, as the library's, in a fraction of its time.

    Where a unit saturates its gradient is 1 - tanh², a difference of almost equal numbers: there
    the result has to be the nearest number, which quotients of polynomials do not reach.
    """
    if x.dtype != torch.float32:
        return NotImplemented
    square, polynomial = x * x, TANH_TERMS[0]
    for term in TANH_TERMS[1:]:
        polynomial = polynomial * square + term
    large = torch.copysign(1 - 2 / (torch.exp(2 * x.abs()) + 1), x)
    return torch.where(x.abs() > TANH_SMALL, large, x + x * square * polynomial)


_LOWERINGS = {
    torch.ops.aten.mm.default: _mm,
    torch.ops.aten.bmm.default: _bmm,
    torch.ops.aten.tanh.default: _tanh,
}
