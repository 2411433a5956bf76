"""How matrix products are computed: the one rule, by their shapes, and why.

A product over few terms costs less than a call of a library, and written out it shares loops with
what comes before and after. From some ten units on, a library's blocks, which stay in registers,
win. For large ones oneDNN, which PyTorch has beside MKL, uses the widest instructions of every
maker's processors; its calls cost too much for small ones, and it takes no batches.
"""

from functools import cache

import torch
from torch import Tensor
from torch.fx import GraphModule

# A product over at most so many terms is always written out.
FEW_TERMS = 4

# A product over at most so many terms is written out if its smaller factor has few entries.
WRITTEN_OUT, SMALL_FACTOR = 32, 128

# From so many entries of the smaller factor on, a product is oneDNN's.
LARGE_FACTOR = 32 * 32

# Numbers in the largest tensor of a batch, in single precision a megabyte: a core's own cache.
CACHE = 2**18

aten = torch.ops.aten

_LIBRARY = torch.library.Library("bnnflow", "DEF")
_LIBRARY.define("product(Tensor a, Tensor b) -> Tensor")
_LIBRARY.impl("product", lambda a, b: a @ b, "CPU")
_LIBRARY.impl("product", lambda a, b: a.new_empty(a.shape[0], b.shape[1]), "Meta")


def together(graph: GraphModule, count: int) -> int:
    """How many of the rows that a graph maps a function over are best evaluated in one call.

    So many that the largest tensor stays in the cache, and one if a product is large: a batch of
    large products is slower than oneDNN's, one after another.

    Args:
        graph: traced with LOWERINGS, for all rows.
        count: number of rows.

    Returns:
        A divisor of the count.
    """
    values = [node.meta.get("val") for node in graph.graph.nodes if node.op == "call_function"]
    largest = max((v.numel() for v in values if isinstance(v, Tensor)), default=1)
    room = max(1, CACHE * count // max(1, largest))
    for node in graph.graph.find_nodes(op="call_function", target=aten.bmm.default):
        a, b = (argument.meta["val"] for argument in node.args)
        if _is_large(a, b):
            room = 1
    return max(d for d in range(1, min(room, count) + 1) if count % d == 0)


@cache
def register() -> None:
    """Tell PyTorch's compiler what `product` is."""
    from torch._inductor import ir
    from torch._inductor.lowering import permute, register_lowering
    from torch._inductor.mkldnn_ir import LinearUnary, _create_output_node

    @register_lowering(torch.ops.bnnflow.product.default, type_promotion_kind=None)
    def _(a, b):
        # PyTorch's own lowering takes constant weights only; the kernel takes any.
        kernel = ir.ExternKernel
        first = kernel.require_contiguous(kernel.realize_input(a))
        second = kernel.realize_input(permute(b, [1, 0]))
        size = [a.get_size()[0], b.get_size()[1]]
        layout = ir.FixedLayout(device=a.get_device(), dtype=a.get_dtype(), size=size)
        linear = LinearUnary(layout, [first, second], [None, "none", [-1], ""])
        return ir.TensorBox.create(_create_output_node(linear))


def _is_written_out(rows: int, terms: int, columns: int) -> bool:
    small = terms * min(rows, columns) <= SMALL_FACTOR
    return terms <= FEW_TERMS or (terms <= WRITTEN_OUT and small)


def _is_large(a: Tensor, b: Tensor) -> bool:
    (rows, terms), columns = a.shape[-2:], b.shape[-1]
    # The smaller of the three is no product's: a gradient's terms are the points.
    entries = rows * terms * columns // max(rows, terms, columns)
    suits = a.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    return suits and entries >= LARGE_FACTOR


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if _is_written_out(*a.shape, b.shape[1]):
        terms = (a[:, i, None] * b[i] for i in range(a.shape[1]))
        return sum(terms, next(terms))
    if 1 in (a.shape[0], b.shape[1]):
        return (a[:, None, :] * b.T).sum(-1)
    return torch.ops.bnnflow.product(a, b) if _is_large(a, b) else NotImplemented


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    if _is_written_out(*a.shape[1:], b.shape[2]):
        terms = (a[:, :, i, None] * b[:, None, i] for i in range(a.shape[2]))
        return sum(terms, next(terms))
    if 1 in (a.shape[1], b.shape[2]):
        return (a[:, :, None, :] * b.mT[:, None]).sum(-1)
    if len(a) == 1 and _is_large(a, b):
        return torch.ops.bnnflow.product(a[0], b[0])[None]
    return NotImplemented


LOWERINGS = {aten.mm.default: _mm, aten.bmm.default: _bmm}
