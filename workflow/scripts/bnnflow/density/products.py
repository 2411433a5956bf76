"""How matrix products are computed: the one rule, by their shapes, and why.

A product over few terms costs less than a call of a library, and written out it shares loops with
what comes before and after. From some ten units on, blocks that stay in registers win: these are
the C++ below, compiled for the very shapes. Libraries are slower here, of which one uses half the
width of some makers' instructions, another copies its factors first, and neither is fast in
batches of products this small.
"""

from functools import cache

import torch
from torch import Tensor
from torch.fx import GraphModule

# A product over at most so many terms is always written out.
FEW_TERMS = 4

# A product over at most so many terms is written out if its smaller factor has few entries. One
# over more terms whose result has few entries is left to the library: a gradient of few weights.
WRITTEN_OUT, SMALL_FACTOR = 32, 128

# Numbers in the largest tensor of a batch, of which a core's own cache, a megabyte or two in most
# processors, has to hold several.
CACHE = 2**17

# Of which numbers products are the C++ below; a library has those of others.
TYPES = (torch.float32, torch.float64)

aten = torch.ops.aten

_LIBRARY = torch.library.Library("bnnflow", "FRAGMENT")
_LIBRARY.define("product(Tensor a, Tensor b) -> Tensor")
_LIBRARY.impl("product", torch.bmm, "CPU")
_LIBRARY.impl("product", lambda a, b: a.new_empty(*a.shape[:2], b.shape[2]), "Meta")

# Most registers of a processor are sums, and the others have factors: there are 16 of AVX2, and 32
# of the others. An array of vectors stays in registers only where its loops are unrolled.
SOURCE = """
#include <torch/csrc/inductor/cpp_prefix.h>
#ifndef BNNFLOW_PRODUCT
#define BNNFLOW_PRODUCT
namespace bnnflow {
template <typename T> using Vector = at::vec::Vectorized<T>;
constexpr int64_t ROWS = 4;
#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int64_t VECTORS = 2;
#else
constexpr int64_t VECTORS = 4;
#endif

// R rows by V vectors of columns, of which the last one has so many entries.
template <int64_t R, int64_t V, typename T>
inline void columns(const T* a, int64_t a_row, int64_t a_term, const T* b, int64_t b_term,
                    T* c, int64_t c_row, int64_t terms, int64_t last) {
  constexpr int64_t L = Vector<T>::size();
  Vector<T> sums[R][V];
  #pragma GCC unroll 4
  for (int64_t r = 0; r < R; ++r)
    #pragma GCC unroll 4
    for (int64_t v = 0; v < V; ++v) sums[r][v] = Vector<T>(0);
  for (int64_t t = 0; t < terms; ++t) {
    Vector<T> x[V];
    #pragma GCC unroll 4
    for (int64_t v = 0; v < V; ++v) {
      const T* from = b + t * b_term + v * L;
      x[v] = v + 1 < V || last == L ? Vector<T>::loadu(from) : Vector<T>::loadu(from, last);
    }
    #pragma GCC unroll 4
    for (int64_t r = 0; r < R; ++r) {
      const Vector<T> factor(a[r * a_row + t * a_term]);
      #pragma GCC unroll 4
      for (int64_t v = 0; v < V; ++v) sums[r][v] = at::vec::fmadd(factor, x[v], sums[r][v]);
    }
  }
  #pragma GCC unroll 4
  for (int64_t r = 0; r < R; ++r)
    #pragma GCC unroll 4
    for (int64_t v = 0; v < V; ++v)
      sums[r][v].store(c + r * c_row + v * L, v + 1 < V ? L : last);
}

// R rows by S columns, sums over many terms. The next factors are loaded after the present ones are
// used, or GCC reads a factor from memory at every use.
template <int64_t R, int64_t S, typename T>
inline void dots(const T* a, int64_t a_row, const T* b, int64_t b_column, T* c, int64_t c_row,
                 int64_t terms) {
  constexpr int64_t L = Vector<T>::size();
  Vector<T> sums[R][S], x[S], y[R];
  #pragma GCC unroll 4
  for (int64_t r = 0; r < R; ++r)
    #pragma GCC unroll 4
    for (int64_t s = 0; s < S; ++s) sums[r][s] = Vector<T>(0);
  const auto load = [&](int64_t t, auto... count) {
    #pragma GCC unroll 4
    for (int64_t s = 0; s < S; ++s) x[s] = Vector<T>::loadu(b + s * b_column + t, count...);
    #pragma GCC unroll 4
    for (int64_t r = 0; r < R; ++r) y[r] = Vector<T>::loadu(a + r * a_row + t, count...);
  };
  const auto add = [&] {
    #pragma GCC unroll 4
    for (int64_t r = 0; r < R; ++r)
      #pragma GCC unroll 4
      for (int64_t s = 0; s < S; ++s) sums[r][s] = at::vec::fmadd(y[r], x[s], sums[r][s]);
  };
  const int64_t whole = terms / L * L;
  if (whole > 0) load(0);
  for (int64_t t = L; t < whole; t += L) {
    add();
    load(t);
  }
  if (whole > 0) add();
  if (whole < terms) {
    load(whole, terms - whole);
    add();
  }
  #pragma GCC unroll 4
  for (int64_t r = 0; r < R; ++r)
    #pragma GCC unroll 4
    for (int64_t s = 0; s < S; ++s)
      c[r * c_row + s] = at::vec::vec_reduce_all<T>(
          [](Vector<T>& p, Vector<T>& q) { return p + q; }, sums[r][s]);
}

// f(begin, size) for parts of this size, and of 1 at the end.
template <int64_t SIZE, typename F> inline void parts(int64_t count, F&& f) {
  int64_t i = 0;
  for (; i + SIZE <= count; i += SIZE) f(i, std::integral_constant<int64_t, SIZE>());
  for (; i < count; ++i) f(i, std::integral_constant<int64_t, 1>());
}
}  // namespace bnnflow
#endif
"""

COLUMNS = """
{
  constexpr int64_t L = bnnflow::Vector<%(T)s>::size();
  for (int64_t i = 0; i < %(count)s; ++i) {
    const auto *a = %(A)s + i * %(a0)s, *b = %(B)s + i * %(b0)s;
    auto* c = C + i * %(c0)s;
    bnnflow::parts<bnnflow::VECTORS>((%(columns)s + L - 1) / L, [&](int64_t v, auto V) {
      const int64_t n = v * L, last = std::min(L, %(columns)s - n - (V.value - 1) * L);
      bnnflow::parts<bnnflow::ROWS>(%(rows)s, [&](int64_t r, auto R) {
        bnnflow::columns<R.value, V.value>(a + r * %(a1)s, %(a1)s, %(a2)s, b + n, %(b1)s,
                                 c + r * %(c1)s + n, %(c1)s, %(terms)s, last);
      });
    });
  }
}
"""

DOTS = """
{
  for (int64_t i = 0; i < %(count)s; ++i) {
    const auto *a = %(A)s + i * %(a0)s, *b = %(B)s + i * %(b0)s;
    auto* c = C + i * %(c0)s;
    bnnflow::parts<bnnflow::ROWS>(%(rows)s, [&](int64_t r, auto R) {
      bnnflow::parts<bnnflow::VECTORS>(%(columns)s, [&](int64_t s, auto S) {
        bnnflow::dots<R.value, S.value>(a + r * %(a1)s, %(a1)s, b + s * %(b1)s, %(b1)s,
                              c + r * %(c1)s + s, %(c1)s, %(terms)s);
      });
    });
  }
}
"""


def together(graph: GraphModule, count: int) -> int:
    """How many of the rows that a graph maps a function over are best evaluated in one call.

    So many that the largest tensor stays in the cache.

    Args:
        graph: traced with LOWERINGS, for all rows.
        count: number of rows.

    Returns:
        A divisor of the count.
    """
    values = [node.meta.get("val") for node in graph.graph.nodes if node.op == "call_function"]
    largest = max((v.numel() for v in values if isinstance(v, Tensor)), default=1)
    room = max(1, CACHE * count // max(1, largest))
    return max(d for d in range(1, min(room, count) + 1) if count % d == 0)


@cache
def register() -> None:
    """Tell PyTorch's compiler what `product` is."""
    from torch._inductor import ir
    from torch._inductor.lowering import permute, register_lowering  # isort: skip, the first
    from torch._inductor.codegen.cpp_template import CppTemplate

    class Product(CppTemplate):
        def __init__(self, a, b, layout, *, body: str):
            super().__init__("product", [a, b], layout, num_threads=1)
            self._body = body

        def render(self, kernel, template_buffer_node=None, **_) -> str:
            (a, b), c = self.input_nodes, template_buffer_node or self.output_node
            facts = {"T": kernel.dtype(c), "count": kernel.size(c, 0)}
            facts |= {"rows": kernel.size(c, 1), "columns": kernel.size(c, 2)}
            facts["terms"] = kernel.size(a, 2)
            for name, node in (("a", a), ("b", b), ("c", c)):
                facts |= {f"{name}{axis}": kernel.stride(node, axis) for axis in range(3)}
            head = kernel.def_kernel(inputs={"A": a, "B": b}, outputs={"C": c})
            # Both may be parts of one tensor.
            facts |= {"A": f"&{kernel.index(a, [0, 0, 0])}", "B": f"&{kernel.index(b, [0, 0, 0])}"}
            return f'{SOURCE}\nextern "C" {head}{self._body % facts}'

    @register_lowering(torch.ops.bnnflow.product.default, type_promotion_kind=None)
    def _(a, b):
        kernel = ir.ExternKernel
        (count, rows, terms), columns = a.get_size(), b.get_size()[2]
        a = kernel.realize_input(a)
        layout = ir.FixedLayout(a.get_device(), a.get_dtype(), [count, rows, columns])
        if terms >= columns:
            a, b = kernel.require_contiguous(a), kernel.require_contiguous(permute(b, [0, 2, 1]))
            body = DOTS
        else:
            b, body = kernel.require_contiguous(b), COLUMNS
        return Product(a, b, layout, body=body).generate().output_node()


def _is_written_out(rows: int, terms: int, columns: int) -> bool:
    small = terms * min(rows, columns) <= SMALL_FACTOR
    return terms <= FEW_TERMS or (terms <= WRITTEN_OUT and small)


def _is_in_blocks(a: Tensor, b: Tensor) -> bool:
    (rows, terms), columns = a.shape[-2:], b.shape[-1]
    # The smallest of both factors and the result.
    entries = rows * terms * columns // max(rows, terms, columns)
    return a.dtype in TYPES and entries > SMALL_FACTOR


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if _is_written_out(*a.shape, b.shape[1]):
        terms = (a[:, i, None] * b[i] for i in range(a.shape[1]))
        return sum(terms, next(terms))
    if 1 in (a.shape[0], b.shape[1]):
        return (a[:, None, :] * b.T).sum(-1)
    return torch.ops.bnnflow.product(a[None], b[None])[0] if _is_in_blocks(a, b) else NotImplemented


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    if _is_written_out(*a.shape[1:], b.shape[2]):
        terms = (a[:, :, i, None] * b[:, None, i] for i in range(a.shape[2]))
        return sum(terms, next(terms))
    if 1 in (a.shape[1], b.shape[2]):
        return (a[:, :, None, :] * b.mT[:, None]).sum(-1)
    return torch.ops.bnnflow.product(a, b) if _is_in_blocks(a, b) else NotImplemented


LOWERINGS = {aten.mm.default: _mm, aten.bmm.default: _bmm}
