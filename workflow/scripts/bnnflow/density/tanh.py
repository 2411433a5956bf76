"""The hyperbolic tangent in single precision, as operations of PyTorch's compiler.

The compiler's own tanh, exp and copysign are calls of a library, at which no register stays as it
was. The operations below share their loop with those around them.
"""

from functools import cache

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("bnnflow", "FRAGMENT")
_LIBRARY.define("tanh(Tensor x) -> Tensor")
_LIBRARY.impl("tanh", torch.tanh, "CPU")
_LIBRARY.impl("tanh", torch.empty_like, "Meta")

# Of tanh(x) = x + x³ p(x²), the highest power first, for |x| < SMALL in single precision; from
# Moshier's Cephes library.
SMALL = 0.625
TERMS = (
    -5.70498872745e-3,
    2.06390887954e-2,
    -5.37397155531e-2,
    1.33314422036e-1,
    -3.33332819422e-1,
)

# Above this tanh is 1 in single precision, and exp(2x) is still far from its largest number.
ONE = 20.0

# Of exp(s) = 1 + s + s² q(s), the highest power first, for |s| < log(2) / 2; and the logarithm of 2
# as a sum, whose first part has few digits. They are those of Sleef's expf, as the results are.
EXP_TERMS = (
    1.98527617612853646278381e-4,
    1.39304355252534151077271e-3,
    8.33336077630519866943359e-3,
    4.16664853692054748535156e-2,
    1.66666671633720397949219e-1,
    5.0e-1,
)
LOG2 = 0.693145751953125, 1.428606765330187045e-6
PER_LOG2 = 1.44269504088896340736

# Added to a number, SHIFT rounds it to a whole one, whose last bits are the exponent of its power
# of 2: 1.5 · 2²³, and the bias of exponents. The fraction of a number has so many bits.
SHIFT, FRACTION = 1.5 * 2**23 + 127, 23


@cache
def register() -> None:
    """Tell PyTorch's compiler what `tanh` is."""
    from torch._inductor.lowering import make_pointwise, register_lowering
    from torch._inductor.virtualized import ops

    def number(value: float):
        return ops.constant(value, torch.float32)

    def bits(x):
        return ops.to_dtype_bitcast(x, torch.int32, torch.float32)

    def of_bits(x):
        return ops.to_dtype_bitcast(x, torch.float32, torch.int32)

    def polynomial(terms, x):
        result, *others = map(number, terms)
        for term in others:
            result = result * x + term
        return result

    def exp(x):
        shifted = x * number(PER_LOG2) + number(SHIFT)
        power = shifted - number(SHIFT)
        rest = x - power * number(LOG2[0]) - power * number(LOG2[1])
        factor = rest * rest * polynomial(EXP_TERMS, rest) + rest + number(1)
        fraction = ops.constant(FRACTION, torch.int32)
        return factor * of_bits(ops.bitwise_left_shift(bits(shifted), fraction))

    def tanh(x):
        size, square = ops.abs(x), x * x
        near = x + x * square * polynomial(TERMS, square)
        twice = ops.where(size > number(ONE), number(2 * ONE), size * number(2))
        far = number(1) - ops.reciprocal(exp(twice) + number(1)) * number(2)
        sign = ops.bitwise_and(bits(x), ops.constant(torch.iinfo(torch.int32).min, torch.int32))
        far = of_bits(ops.bitwise_or(bits(far), sign))
        return ops.where(size > number(SMALL), far, near)

    @register_lowering(torch.ops.bnnflow.tanh.default, type_promotion_kind=None)
    def _(x):
        result = make_pointwise(tanh)(x)
        result.realize()  # or each of its users works the result out again
        return result


def _tanh(x: Tensor) -> Tensor:
    """Within two units in the last place, as the library's, in a fraction of its time.

    Where a unit saturates its gradient is 1 - tanh², a difference of almost equal numbers: there
    the result has to be the nearest number, which quotients of polynomials do not reach.
    """
    return torch.ops.bnnflow.tanh(x) if x.dtype == torch.float32 else NotImplemented


LOWERINGS = {torch.ops.aten.tanh.default: _tanh}
