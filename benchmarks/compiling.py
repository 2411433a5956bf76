"""What compiling a program costs: seconds of the processor, by step."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

from measure import Row, row

# The programs of the default run: a gradient, and a step of variational inference.
SHAPES = ("mcmc_shallow", "mcmc_deep", "svi_shallow", "svi_deep")
# By the end of a command's target what it makes.
TARGETS = {".wrapper.o": "wrapper", ".kernel.o": "kernels", ".wrapper.so": "link"}


def compiling(quick: bool) -> list[Row]:
    """Every shape in a process of its own, as in a run: PyTorch's own way, and what is kept.

    Seconds of the processor, of the process and its compilers, because those of the clock are
    also the neighbours'.
    """
    repeats, rows = (1, []) if quick else (3, [])
    with tempfile.TemporaryDirectory() as kit:
        _measured(SHAPES[0], kit, "kept")  # makes what all share
        shared = _measured(SHAPES[0], tempfile.mkdtemp(), "kept")
        rows += [row("compiling", "", "once", step, s, "s") for step, s in shared.items()]
        for shape in SHAPES[:1] if quick else SHAPES:
            found = {way: [] for way in ("own", "kept")}
            for _ in range(repeats):
                for way, steps in found.items():
                    for program in Path(kit).glob("*.pt2"):
                        program.unlink()
                    steps.append(_measured(shape, kit, way))
            for way, steps in found.items():
                rows += [
                    row("compiling", shape, step, way, [each[step] for each in steps], "s")
                    for step in steps[0]
                ]
            ratio = [o["sum"] / k["sum"] for o, k in zip(*found.values(), strict=True)]
            rows.append(row("compiling", shape, "sum", "own / kept", ratio, "x"))
    return rows


def _measured(shape: str, cache: str, way: str) -> dict[str, float]:
    environment = os.environ | {"BNNFLOW_CACHE": cache}
    command = [sys.executable, __file__, shape, way]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


@contextmanager
def _recorded(module, name: str, steps: dict[str, float]):
    """Add up what the compilers take that a function of a module runs."""
    run = getattr(module, name)

    def recorded(command, cwd):
        words = command.split() if isinstance(command, str) else command
        target = words[words.index("-o") + 1]
        step = next((s for end, s in TARGETS.items() if target.endswith(end)), "probes")
        step = "what all share" if target.endswith("/target") else step
        begin = _seconds(resource.RUSAGE_CHILDREN)
        run(command, cwd)
        steps[step] = steps.get(step, 0) + _seconds(resource.RUSAGE_CHILDREN) - begin

    with patch.object(module, name, recorded):
        yield


def main(shape: str, way: str) -> None:
    """Compile one shape, and print the seconds of the steps."""
    import torch

    torch.set_num_threads(1)
    from problems import published

    from bnnflow.density import building, compilers, native
    from bnnflow.methods import svi

    kind, network = shape.split("_")
    density = published(network).density()
    begin = time.process_time()
    import torch._inductor.compile_fx
    from torch._inductor import cpp_builder

    steps = {"PyTorch's compiler, import": time.process_time() - begin}
    traced = native.traced

    def trace(*arguments):
        begin = time.process_time()
        found = traced(*arguments)
        steps["tracing"] = time.process_time() - begin
        return found

    with ExitStack() as stack:
        stack.enter_context(patch.object(native, "traced", trace))
        if way == "own":
            stack.enter_context(patch.object(building, "prepared", lambda *_: nullcontext()))
        stack.enter_context(_recorded(cpp_builder, "run_compile_cmd", steps))
        stack.enter_context(_recorded(compilers, "call", steps))
        begin = time.process_time()
        if kind == "mcmc":
            density.value_and_grad(torch.zeros(density.size))
        else:
            settings = {"guide": "AutoDiagonalNormal", "learning_rate": 0.01}
            streams = [torch.Generator().manual_seed(0)]
            svi.fit(density, streams, **settings, schedule="constant", steps=1, observations=1)
        spent = time.process_time() - begin
    steps["PyTorch's compiler, lowering"] = spent - steps["tracing"]
    steps["sum"] = sum(steps.values())
    print(json.dumps(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
