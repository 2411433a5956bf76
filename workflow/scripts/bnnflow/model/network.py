"""The network: a function of encoded inputs and of weights that others give it."""

from itertools import pairwise

from torch import Tensor, nn

from . import activations


class Network(nn.Module):
    """A fully connected network, called with `torch.func.functional_call` and weights.

    Its own weights are PyTorch's initial ones and mean nothing.

    Args:
        inputs: number of them.
        hidden: widths of the hidden layers.
        outputs: number of them.
        activation: of every layer but the last, by its name.
        residual: whether a hidden layer that follows one of its own width adds that layer's units
            to its own, as He et al. (2016, arXiv:1512.03385) do.
        skip: "linear" adds a linear map from the inputs to the outputs, "none" nothing.
    """

    def __init__(
        self,
        inputs: int,
        hidden: list[int],
        outputs: int,
        activation: str,
        residual: bool = False,
        skip: str = "none",
    ):
        super().__init__()
        self.activation = activations.activation(activation)
        self.depth = len(hidden) + 1
        for number, (fan_in, fan_out) in enumerate(pairwise([inputs, *hidden, outputs]), start=1):
            setattr(self, f"layer{number}", nn.Linear(fan_in, fan_out))
        followers = enumerate(pairwise(hidden), start=2)
        self.added = {number for number, (before, own) in followers if residual and before == own}
        self.skip = nn.Linear(inputs, outputs, bias=False) if skip == "linear" else None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every weight and bias, `layer1.weight` (units, units before) and so on."""
        return {name: tuple(weight.shape) for name, weight in self.named_parameters()}

    def forward(self, x: Tensor) -> Tensor:
        """The outputs (outputs, n) at inputs (n, inputs)."""
        # Units by points: the points lie side by side in memory, as vector instructions want them.
        units = x.mT
        for number in range(1, self.depth + 1):
            before, layer = units, getattr(self, f"layer{number}")
            units = layer.weight @ before + layer.bias[:, None]
            if number < self.depth:
                units = self.activation(units)
            if number in self.added:
                units = units + before
        return units if self.skip is None else units + self.skip.weight @ x.mT
