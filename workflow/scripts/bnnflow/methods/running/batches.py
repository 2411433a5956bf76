"""Minibatches: the rows of the data that every step of an optimizer takes."""

import torch
from torch import Generator, Tensor


class Batches:
    """Random rows for every step, in epochs: each goes once through the rows in a random order.

    The rows of any one step are a random subset, drawn without replacement, so that estimates from
    them are without bias. Rows that do not fill the last batch of an epoch are left out of that
    epoch. The rows follow from the seeds and the number of the step, so that a fit goes on with
    them wherever it was stopped.

    Args:
        rows: of the data.
        size: of a batch, at most all rows.
        steps: that are taken.
        stream: of random numbers, from which every epoch takes its seed now.
    """

    def __init__(self, rows: int, size: int, steps: int, stream: Generator):
        self._rows, self._size, self._each = rows, size, rows // size
        epochs = -(-steps // self._each)
        self._seeds = torch.randint(2**32, (epochs,), generator=stream).tolist()
        self._epoch, self._order = -1, torch.empty(0)

    def rows(self, number: int) -> Tensor:
        """Numbers of the rows (size,) of the step of a number, from 0."""
        epoch, place = divmod(number, self._each)
        if epoch != self._epoch:
            stream = Generator().manual_seed(self._seeds[epoch])
            self._epoch, self._order = epoch, torch.randperm(self._rows, generator=stream)
        return self._order[place * self._size : (place + 1) * self._size]
