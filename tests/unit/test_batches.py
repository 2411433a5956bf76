"""Rows of minibatches."""

import pytest
import torch

from bnnflow.methods.running.batches import Batches


def batches(rows=20, size=6, steps=10, seed=1):
    return Batches(rows, size, steps, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("rows", "size"), [(20, 6), (20, 5), (7, 7), (9, 1)])
def test_an_epoch_has_no_row_twice(rows, size):
    each = rows // size
    made = batches(rows, size, 4 * each)
    orders = []
    for epoch in range(4):
        numbers = range(epoch * each, (epoch + 1) * each)
        order = torch.cat([made.rows(number) for number in numbers]).tolist()
        assert len(order) == len(set(order)) == each * size
        assert set(order) <= set(range(rows))
        orders.append(tuple(order))
    # Of at least 5,040 orders.
    assert len(set(orders)) == 4


def test_rows_follow_from_the_number_of_the_step_alone():
    made = batches()
    forwards = [made.rows(number).tolist() for number in range(10)]
    assert [batches().rows(number).tolist() for number in range(10)] == forwards
    backwards = [made.rows(number).tolist() for number in reversed(range(10))]
    assert backwards[::-1] == forwards
    assert [batches(seed=2).rows(number).tolist() for number in range(10)] != forwards


def test_every_row_is_as_likely_as_any_other():
    """The last of an epoch too, of which some rows are left out."""
    made = batches(rows=5, size=2, steps=4000)
    counts = torch.zeros(2, 5)
    for number in range(4000):
        counts[number % 2, made.rows(number)] += 1
    # Each count is binomial, of 2,000 batches with the chance 2/5; five standard deviations.
    deviation = (2000 * 0.4 * 0.6) ** 0.5
    assert (counts - 2000 * 0.4).abs().max() < 5 * deviation


def test_a_stream_moves_on_by_one_number_an_epoch():
    stream, other = (torch.Generator().manual_seed(1) for _ in range(2))
    Batches(20, 6, 10, stream)
    torch.randint(2**32, (4,), generator=other)
    assert torch.equal(stream.get_state(), other.get_state())
