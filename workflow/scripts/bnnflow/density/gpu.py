"""Functions of tensors on a GPU: traced on the processor, recorded and launched there as one."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx import GraphModule

from ..jobs import EXHAUSTED, log, remedy
from .native import Function, NotCompiledError, cause_of, traced

# PyTorch's name for one; which one, CUDA_VISIBLE_DEVICES says.
DEVICE = "cuda"

# Calls before the recorded one, in which libraries set up what cannot be recorded.
WARM_UP = 3


class NoGpuError(RuntimeError):
    """PyTorch has no GPU here; the message says why, and what to do."""


def name() -> str:
    """Of the GPU, as its maker calls it.

    Raises:
        NoGpuError: if there is none.
    """
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(DEVICE)
    if torch.version.cuda or torch.version.hip:
        reason = (
            "PyTorch sees no GPU here: nvidia-smi lists those of this machine, and a cluster gives"
            " one to a job that asks for it"
        )
    else:
        reason = "this PyTorch is built without CUDA: install the build with it"
    raise NoGpuError(f"the device is cuda, but {reason}; or let the fit have device: cpu")


def recorded(function: Function, *examples: Tensor, held: tuple[Tensor, ...] = ()) -> Function:
    """A function on the GPU, its kernels launched all at once.

    Args:
        function: as `native.compiled` takes it, on the processor.
        examples: arguments, on the processor.
        held: further arguments, which stay as they are. They are copied to the GPU once.

    Returns:
        A function of the examples, on either device; its results are on the GPU.

    Raises:
        NotCompiledError: if the function cannot be traced, or not be recorded, because it looks at
            values on the way.
        Exception: any, where the GPU's memory is used up.
    """
    graph, constants = traced(function, (*examples, *held))
    moved(graph, DEVICE)
    try:
        places = [value.to(DEVICE, copy=True) for value in (*examples, *held, *constants)]
        replay, results = _captured(lambda: graph(*places))
    except RuntimeError as error:
        if remedy(error, EXHAUSTED):
            raise
        # The end of a recording that has failed is an error too, which hides the first.
        cause = error.__context__ or error
        reason = f"the model cannot be recorded for the GPU ({cause_of(cause)})"
        raise NotCompiledError(reason) from error
    log.info("evaluates the model on %s", name())

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        for place, value in zip(places, values, strict=False):
            place.copy_(value.detach())
        replay()
        return tuple(result.clone() for result in results)

    return run


def moved(graph: GraphModule, device: str) -> None:
    """Let a graph make its tensors on another device."""
    for node in graph.graph.nodes:
        if "device" in node.kwargs:
            node.kwargs = node.kwargs | {"device": torch.device(device)}
    graph.recompile()


def _captured(
    run: Callable[[], tuple[Tensor, ...]],
) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
    """What launches the kernels of a call again, and the tensors that they write to."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    record = torch.cuda.CUDAGraph()
    # On one stream throughout, because libraries set up work space for each.
    with torch.no_grad(), torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            run()
        with torch.cuda.graph(record, stream=aside):
            results = run()
    torch.cuda.current_stream().wait_stream(aside)
    return record.replay, results
