"""The loop that every method runs in, on a method that is nothing but its steps."""

import os
import signal
from dataclasses import dataclass
from itertools import count

import pyro
import pyro.distributions as dist
import pytest
import torch

from bnnflow.density.log_density import LogDensity
from bnnflow.methods.running import loop
from bnnflow.methods.running.checkpoints import Checkpoint


@dataclass(frozen=True)
class Walk:
    """Where three walkers are, and their stream of random numbers."""

    place: torch.Tensor
    stream: torch.Tensor


class Walkers:
    """Random walks, of which the steps after the warm-up are kept."""

    facts = ("walkers",)

    def __init__(self, warmup=25, draws=40, stride=1):
        self.density = LogDensity(lambda: pyro.sample("x", dist.Normal(0.0, 1.0)), engine="pyro")
        self.phases = {"warm-up": warmup, "draws": draws}
        self.stride = stride
        self.calls = []

    def init(self):
        return Walk(torch.zeros(3), torch.Generator().manual_seed(1).get_state())

    def step(self, state, numbers):
        self.calls.append(numbers)
        stream = torch.Generator().set_state(state.stream)
        place, places = state.place, []
        for _ in numbers:
            place = place + torch.randn(3, generator=stream)
            places.append(place)
        state = Walk(place, stream.get_state())
        kept = numbers.start >= self.phases["warm-up"]
        return state, {"place": torch.stack(places)} if kept else {}

    def shown(self, state, rows):
        return {"furthest": state.place.abs().max().item()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "0.checkpoint"


@pytest.fixture
def expected():
    return loop.run(Walkers())


class Killed(BaseException):
    pass


def killed(monkeypatch, method, checkpoint, after, every=1):
    """A run that keeps its state after some calls and is killed after others."""
    calls = count(1)

    def due(keeper):
        number = next(calls)
        if number == after:
            raise Killed
        return number % every == 0

    with monkeypatch.context() as patch:
        patch.setattr(loop._Keeper, "due", due)
        with pytest.raises(Killed):
            loop.run(method, checkpoint)


def assert_same(found, expected):
    (state, rows), (their_state, their_rows) = found, expected
    assert torch.equal(state.place, their_state.place)
    assert torch.equal(state.stream, their_state.stream)
    assert rows.keys() == their_rows.keys()
    assert all(torch.equal(rows[name], their_rows[name]) for name in rows)


def test_only_what_steps_leave_is_kept(expected):
    state, rows = expected
    assert rows["place"].shape == (40, 3)
    assert torch.equal(rows["place"][-1], state.place)


def test_a_run_without_kept_steps_leaves_nothing():
    _, rows = loop.run(Walkers(draws=0))
    assert rows == {}


@pytest.mark.parametrize("pace", [0, 1e-4, 1e9])
def test_how_many_steps_a_call_takes_changes_nothing(monkeypatch, expected, pace):
    monkeypatch.setattr(loop, "PACE", pace)
    assert_same(loop.run(Walkers()), expected)


def test_calls_cover_every_step_once_and_no_call_two_phases():
    method = Walkers(warmup=123, draws=457)
    loop.run(method)
    assert [number for numbers in method.calls for number in numbers] == list(range(580))
    assert not any(numbers.start < 123 < numbers.stop for numbers in method.calls)


def test_a_call_takes_one_step_where_steps_are_slow(monkeypatch):
    monkeypatch.setattr(loop, "PACE", 0)
    method = Walkers()
    loop.run(method)
    assert {len(numbers) for numbers in method.calls} == {1}


def test_calls_grow_up_to_a_tenth_where_steps_are_fast(monkeypatch):
    monkeypatch.setattr(loop, "PACE", 1e9)
    method = Walkers(warmup=0, draws=1000)
    loop.run(method)
    lengths = [len(numbers) for numbers in method.calls]
    assert lengths[:6] == [1, 2, 4, 8, 16, 32]
    assert lengths[-1] == 100


@pytest.mark.parametrize("pace", [0, 1e9])
def test_a_call_takes_whole_strides_but_for_the_last_of_a_phase(monkeypatch, pace):
    monkeypatch.setattr(loop, "PACE", pace)
    method = Walkers(warmup=25, draws=40, stride=16)
    loop.run(method)
    begins = [numbers.start for numbers in method.calls]
    assert begins == [0, 16, 25, 41, 57]
    assert method.calls[-1] == range(57, 65)


def test_a_log_line_comes_after_every_tenth(monkeypatch, caplog):
    monkeypatch.setattr(loop, "PACE", 1e9)
    caplog.set_level("INFO", logger="bnnflow")
    loop.run(Walkers(warmup=0, draws=100))
    lines = [record.message for record in caplog.records if ", furthest " in record.message]
    assert [line.split(",")[0] for line in lines] == [
        f"draws {step}/100" for step in range(10, 101, 10)
    ]


@pytest.mark.parametrize("pace", [0, 1e9])
@pytest.mark.parametrize("every", [1, 3])
def test_a_run_that_is_killed_again_and_again_goes_on(monkeypatch, path, expected, pace, every):
    monkeypatch.setattr(loop, "PACE", pace)
    for after in (2, 3, 7, 5):
        killed(monkeypatch, Walkers(), Checkpoint(path), after, every)
    assert_same(loop.run(Walkers(), Checkpoint(path)), expected)


def test_a_run_that_was_killed_at_its_end_takes_no_step_again(monkeypatch, path, expected):
    monkeypatch.setattr(loop, "PACE", 0)
    monkeypatch.setattr(loop._Keeper, "due", lambda _: True)
    assert_same(loop.run(Walkers(), Checkpoint(path)), expected)
    method = Walkers()
    assert_same(loop.run(method, Checkpoint(path)), expected)
    assert not method.calls


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [7, 30])
def test_a_signal_ends_the_run_after_the_call(
    monkeypatch, path, expected, interruptible, caplog, number, step
):
    monkeypatch.setattr(loop, "PACE", 0)
    method, handler = Walkers(), signal.getsignal(number)
    taken = method.step

    def interrupted(state, numbers):
        if numbers.start + 1 == step:
            os.kill(os.getpid(), number)
        return taken(state, numbers)

    method.step = interrupted
    with pytest.raises(SystemExit) as stopped:
        loop.run(method, Checkpoint(path))
    assert stopped.value.code == 128 + number
    assert method.calls[-1].stop == step
    assert signal.getsignal(number) == handler
    told = f"stopped by {number.name} after step {step}; {path} keeps its state, and the same"
    assert told in caplog.text
    again = Walkers()
    assert_same(loop.run(again, Checkpoint(path)), expected)
    assert again.calls[0].start == step
