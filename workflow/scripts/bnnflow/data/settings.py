"""Settings of the data, which the workflow simulates."""

from typing import Annotated, Literal

from pydantic import Field

from ..settings import Interval, Name, Positive, Seed, Settings

# The columns of all simulated data sets, by role.
COLUMNS = {"inputs": ["x"], "targets": ["y"]}


class Observations(Settings):
    """One simulated data set."""

    name: Name = Field(
        description="The set is written to `results/data/<name>.csv`, and fits refer to it by this"
        " name."
    )
    intervals: Annotated[list[Interval], Field(min_length=1)] = Field(
        description="Intervals [from, to, points] of equally spaced x, ends included."
    )


class Data(Settings):
    """Simulated data sets y = f(x + e) with f(x) = x + 0.3 sin(2πx) + 0.3 sin(4πx)."""

    seed: Seed = Field(
        42,
        description="Seed of the one NumPy stream from which all observations are drawn, in the"
        " order of the config.",
    )
    noise: Positive = Field(
        0.02, description="Standard deviation of e, the normal noise of the input."
    )
    observations: Annotated[list[Observations], Field(min_length=1)] = Field(
        [
            Observations(name="old", intervals=[[-0.2, 0.2, 500], [0.6, 1.0, 500]]),
            Observations(name="new", intervals=[[0.2, 0.6, 100]]),
        ],
        description="The data sets, in the order in which they are drawn from the stream.",
    )
    scaling: Literal["none", "standard"] = Field(
        "standard",
        description="What is done to every input and target before a network sees it, in double"
        " precision: `standard` takes the mean of a fit's data away and divides by their standard"
        " deviation, `none` does nothing. An update does what the fit did that it goes on from."
        " Predictions, scores and figures are in the data's own units.",
    )
    truth: Interval | None = Field(
        None,
        description="Interval [from, to, points] on which f itself is written to"
        " `results/data/truth.csv`. Without it that of held_out.",
    )
    held_out: Interval | None = Field(
        None,
        description="Interval [from, to, points] of the observations that no fit sees, in"
        " `results/data/held_out.csv`; their noise has a stream of its own. Without it 1,000 points"
        " on the range of the observations and a quarter of it to either side.",
    )
