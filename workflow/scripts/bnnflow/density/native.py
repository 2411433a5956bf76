"""Functions of tensors as machine code: traced, lowered by PyTorch's compiler, kept in a cache."""

import hashlib
import inspect
import logging
import math
import operator
import platform
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from ..jobs import EXHAUSTED, log, remedy
from . import building, compilers, kept, products, tanh

Function = Callable[..., tuple[Tensor, ...]]
Program = Callable[[list[Tensor]], list[Tensor]]

# With which the names of programs end.
PACKAGE = ".pt2"

# Of PyTorch's compiler: what takes longer than it gains, or slows deep networks down, or what our
# products do not know of; fused multiply-add; values that many others need are stored, not worked
# out again.
SETTINGS = {
    "aot_inductor.precompile_headers": False,
    "compile_threads": 1,
    "pattern_matcher": False,
    "epilogue_fusion": False,
    "cpp.enable_floating_point_contract_flag": "fast",
    "realize_opcount_threshold": 30,
}

COMPILER_HINT = (
    "install a C++ compiler, such as Debian's g++ or conda's cxx-compiler; CXX names another one"
)


class NotCompiledError(Exception):
    """A function that cannot be compiled, here or at all; the message says why."""


def compiled(
    function: Function, *examples: Tensor, held: tuple[Tensor, ...] = (), mapped: int = 0
) -> Function:
    """A function as machine code for arguments of the examples' shapes and types.

    The code is taken from the cache if an earlier job, or another one, has left it there.

    Args:
        function: takes tensors and returns a tuple of tensors; its operations may depend on the
            shapes of its arguments, not on their values. Tensors that it holds besides may
            change from one program to the next without a new compilation.
        examples: arguments.
        held: further arguments, which stay as they are.
        mapped: of how many arguments, the first ones, the function takes a row at a time, and
            its results are rows too: as many rows in one call of the code as is fastest.

    Returns:
        A function of the examples.

    Raises:
        NotCompiledError: if the function cannot be traced, or there is no C++ compiler that works.
        Exception: any, where disk or memory are used up.
    """
    every = over_rows(function, mapped, len(examples) + len(held)) if mapped else function
    graph, constants = traced(every, (*examples, *held), _LOWERINGS)
    group = count = len(examples[0]) if mapped else 0
    if mapped and (group := products.together(graph, count)) < count:
        examples = (*(example[:group] for example in examples[:mapped]), *examples[mapped:])
        graph, constants = traced(every, (*examples, *held), _LOWERINGS)
    held = (*held, *constants)
    run = _machine_code(graph, (*examples, *held))
    if group == count:
        return lambda *values: run([*values, *held])

    def grouped(*values: Tensor) -> tuple[Tensor, ...]:
        parts = zip(*(value.split(group) for value in values[:mapped]), strict=True)
        results = [run([*part, *values[mapped:], *held]) for part in parts]
        return tuple(map(torch.cat, zip(*results, strict=True)))

    return grouped


def over_rows(function: Function, mapped: int, count: int) -> Function:
    """A function of so many arguments, mapped over the rows of the first of them."""
    return torch.func.vmap(function, in_dims=(*[0] * mapped, *[None] * (count - mapped)))


def compiler() -> str:
    """The C++ compiler to use.

    Raises:
        NotCompiledError: if there is none.
    """
    if program := compilers.found():
        return program
    words = " ".join(compilers.asked())
    asked = f" {words!r}" if words else f": neither {', '.join(compilers.COMPILERS)}"
    raise NotCompiledError(f"there is no C++ compiler{asked}; {COMPILER_HINT}")


def traced(
    function: Function, examples: tuple[Tensor, ...], lowerings: dict | None = None
) -> tuple[GraphModule, list[Tensor]]:
    """The graph of a function, with what it holds as further arguments, and these.

    Raises:
        NotCompiledError: if the function cannot be traced.
    """
    try:
        graph = make_fx(function, decomposition_table=lowerings)(*examples)
        _without_errors(graph)
        return graph, _lifted(graph)
    except Exception as error:  # a stranger's model may fail in any way
        raise NotCompiledError(f"the model cannot be traced ({cause_of(error)})") from error


def _without_errors(graph: GraphModule) -> None:
    """Make results not a number where a matrix has none, such as its factors.

    Otherwise there is an error, which ends what other starts are in the same call; and a GPU, whose
    kernels are recorded, cannot look whether there is one.
    """
    for check in graph.graph.find_nodes(
        op="call_function", target=torch.ops.aten._linalg_check_errors.default
    ):
        info = check.args[0]
        if info.target is not operator.getitem:  # of a function of several results
            continue
        results = [node for node in info.args[0].users if node is not info]
        graph.graph.erase_node(check)
        for result in results:
            value = result.meta["val"]
            if not value.is_floating_point():  # such as pivots
                continue
            with graph.graph.inserting_after(max(result, info)):
                fault = graph.graph.call_function(torch.ops.aten.ne.Scalar, (info, 0))
            for _ in range(value.dim() - info.meta["val"].dim()):
                with graph.graph.inserting_after(fault):
                    fault = graph.graph.call_function(torch.ops.aten.unsqueeze.default, (fault, -1))
            fill = torch.ops.aten.masked_fill.Scalar
            with graph.graph.inserting_after(fault):
                filled = graph.graph.call_function(fill, (result, fault, math.nan))
            result.replace_all_uses_with(filled, delete_user_cb=lambda user: user is not filled)  # noqa: B023
    graph.recompile()


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


def _machine_code(graph: GraphModule, arguments: tuple[Tensor, ...]) -> Program:
    shapes = [(str(a.dtype), tuple(a.shape), a.stride()) for a in arguments]
    machine = (processor(), platform.libc_ver())
    code = (graph.code, *map(inspect.getsource, (products, tanh)))
    facts = (code, shapes, SETTINGS, torch.__version__, torch.get_num_threads(), machine)
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
    if (path := kept.found(kept.directory(), key, PACKAGE)) and (run := _loaded(path)):
        return run
    place = kept.usable(kept.directory())
    path = kept.keep(place, key, PACKAGE, lambda folder: _built(graph, arguments, folder))
    if run := _loaded(path):
        return run
    raise NotCompiledError(
        "the compiled code cannot be loaded, as the log says; where the folder for temporary"
        " files forbids programs, TMPDIR can name another"
    )


def _loaded(path: Path) -> Program | None:
    """The program of a package; what this machine cannot run is removed."""
    try:
        # What torch._inductor.aoti_load_package does, without the seconds that its import takes.
        return torch._C._aoti.AOTIModelPackageLoader(str(path), "model", True, 1, -1).boxed_run
    except RuntimeError as error:
        if remedy(error, EXHAUSTED):
            raise
        log.warning("%s cannot be loaded (%s)", path, cause_of(error))
        with suppress(OSError):
            path.unlink()
        return None


@cache
def processor() -> str:
    """What code for this very processor depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    facts = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return " ".join((platform.machine(), *sorted(facts)))


def _built(graph: GraphModule, arguments: tuple[Tensor, ...], folder: Path) -> Path:
    program = compiler()
    if not compilers.is_plain(home := Path(torch.__file__).parents[1]):
        raise NotCompiledError(
            f"PyTorch's compiler takes no path with a blank or the like, and PyTorch is in {home}"
        )
    log.info("compiling, once for this model and these shapes")
    target = folder / f"model{PACKAGE}"
    # A newer processor may have instructions that the compiler does not know: which ones it knows
    # takes seconds to find out, and is asked only after a failure.
    for known in (True, None):
        try:
            with compilers.plain(folder) as plain, compilers.plain(Path(program)) as cxx:
                settings = {"cpp.cxx": (None, str(cxx)), "cpp.vec_isa_ok": known}
                _package(_bare(graph), arguments, settings, plain / target.name)
        except Exception as error:  # of a compiler there is no end of faults
            if remedy(error, EXHAUSTED):  # a retry compiles; Pyro's results would be others
                raise
            reason, cause = cause_of(error), error
        else:
            return target
    hint = f"; {COMPILER_HINT}" if "C++" in reason else ""
    raise NotCompiledError(f"PyTorch's compiler failed ({reason}){hint}") from cause


def _package(
    graph: GraphModule, arguments: tuple[Tensor, ...], settings: dict, target: Path
) -> None:
    # PyTorch's compiler takes seconds to import; who finds the code in the cache needs it not.
    from torch._inductor import aot_compile
    from torch._inductor.package import package_aoti
    from torch._inductor.utils import fresh_cache

    products.register()
    tanh.register()
    options = SETTINGS | settings | {"aot_inductor.package": True}
    place = kept.directory()
    # What is kept for all programs is not worth making for one.
    stays = kept.usable(place) == place
    kit = building.prepared(place, (processor(), platform.libc_ver())) if stays else nullcontext()
    # A cache of its own, because jobs that share PyTorch's can find files half-written.
    with _quiet(), fresh_cache(dir=str(target.parent)), kit:
        package_aoti(str(target), aot_compile(graph, arguments, options=options))


def _bare(graph: GraphModule) -> GraphModule:
    """A copy without the values of its trace, which the compiler makes for itself."""
    copied = Graph()
    copied.output(copied.graph_copy(graph.graph, {}))
    for node in copied.nodes:
        node.meta.clear()
    return GraphModule(graph, copied)


def cause_of(error: Exception) -> str:
    """The kind of an error, its first line, and the first complaint of a compiler in it."""
    lines = str(error).strip().splitlines() or [""]
    complaints = [line.strip() for line in lines[1:] if "error:" in line]
    return ": ".join([type(error).__name__, lines[0], *complaints[:1]])


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


_LOWERINGS = products.LOWERINGS | tanh.LOWERINGS
