"""Columns with roles: read, encoded in double precision, rounded where that is harmless."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnflow.data import table
from bnnflow.data.table import PrecisionError, Table
from bnnflow.files.columns import Column, encoded
from bnnflow.files.encodings import Encoding, of_names
from bnnflow.files.errors import FileError
from bnnflow.model import build

INPUTS, TARGETS = ("a", "b", "c"), ("y", "z")
PLAIN, ABOUT = of_names(("x",), ("y",)), of_names(INPUTS, TARGETS)
VALUES = st.floats(allow_nan=False, allow_infinity=False, width=64)
STEPS = [k / 49 for k in range(50)]
WIDE = [1e8 + k / 49 for k in range(50)]


def rows(**columns):
    """A table of one input, x, and one target, y, where others are not given."""
    count = len(next(iter(columns.values())))
    full = {"x": np.arange(count), "y": np.arange(count) % 3} | columns
    return Table(pd.DataFrame(full, dtype=float), PLAIN)


@given(st.lists(st.tuples(*[VALUES] * 5), min_size=1, max_size=20))
def test_a_table_comes_back_to_the_last_bit(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("table")
    given = Table(pd.DataFrame(values, columns=[*INPUTS, *TARGETS]), ABOUT)
    table.write(given, folder / "rows.csv")
    found = table.read([folder / "rows.csv"] * 2, ABOUT)
    assert len(found) == 2 * len(values)
    for own, places in ((found.inputs, slice(0, 3)), (found.targets, slice(3, 5))):
        np.testing.assert_array_equal(own, np.array(values + values, dtype=float)[:, places])


def test_columns_of_other_names_or_roles_are_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c,y,z\n1,2,3,4,5\n")
    with pytest.raises(FileError, match=r"with the columns a, b, y: it begins with 'a,b,c"):
        table.read([path], of_names(("a", "b"), ("y",)))


def test_no_scaling_changes_nothing():
    """A number less nothing over one is the number, a zero's sign included."""
    given = np.random.default_rng(0).normal(size=(50, 2)) * [1e300, 1e-300]
    given[0] = -0.0
    own = Table(pd.DataFrame(given, columns=["x", "y"]), PLAIN)
    encoding = table.fitted(own, "none")
    assert encoding == Encoding((Column("x", 0.0, 1.0),), (Column("y", 0.0, 1.0),))
    found = encoded(given, (*encoding.inputs, *encoding.targets))
    assert found.tobytes() == given.tobytes()
    assert (encoding.target_loc.tolist(), encoding.target_scale.tolist()) == ([0.0], [1.0])


@given(
    st.integers(2, 40),
    st.integers(0, 2**16),
    st.floats(-1e150, 1e150),
    st.floats(-150, 150),
)
def test_standard_columns_have_mean_0_and_standard_deviation_1(count, seed, centre, exponent):
    values = centre + 10**exponent * np.random.default_rng(seed).normal(size=count)
    encoding = table.fitted(rows(x=values), "standard")
    if np.ptp(values) == 0:
        assert encoding.inputs[0].scale == 1.0
        return
    found = encoded(values[:, None], encoding.inputs)[:, 0]
    # What the subtraction of the centre leaves of double precision.
    rounding = 1e-14 * (1 + np.abs(values).max() / encoding.inputs[0].scale)
    assert abs(found.mean()) < rounding
    assert found.std() == pytest.approx(1, abs=1e-12)


def test_targets_come_back_to_their_units():
    own = rows(x=[0, 1, 2, 3], y=[1e9, 1e9 + 1, 1e9 + 2, 1e9 + 5])
    encoding = table.fitted(own, "standard")
    y = encoded(own.targets, encoding.targets)
    back = y * encoding.target_scale + encoding.target_loc
    np.testing.assert_allclose(back, own.targets, rtol=1e-15)


def test_a_constant_column_is_only_moved():
    encoding = table.fitted(rows(x=[0.1] * 3), "standard")
    assert encoding.inputs == (Column("x", 0.1, 1.0),)
    assert encoded(np.full((3, 1), 0.1), encoding.inputs).tolist() == [[0.0]] * 3


def test_values_that_differ_by_less_than_single_precision_are_refused_by_name(tmp_path):
    """Fifty values between 1e8 and 1e8 + 1, which are told apart once they are scaled."""
    own = rows(x=WIDE)
    table.write(own, tmp_path / "rows.csv")
    given = [tmp_path / "rows.csv"], PLAIN
    with pytest.raises(PrecisionError) as caught:
        build.observations(*given, "none")
    assert str(caught.value) == (
        "the column x has 50 different values from 100000000.0 to 100000001.0, of which 49 fall"
        " together with others in single precision, so that 1 are left; `scaling: standard` under"
        " data takes the mean away and divides by the standard deviation before anything is rounded"
    )
    _, x, _ = build.observations(*given, "standard")
    assert len(x.unique()) == 50
    # To eight digits of 1e8 the values themselves are rounded, in double.
    np.testing.assert_allclose(np.diff(x[:, 0]), np.ptp(x.numpy()) / 49, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "scaling", "reason"),
    [
        (
            [*STEPS, 1e30],
            "standard",
            r"has 51 .* so that 2 are left; scaled, .*: take",
        ),
        ([k * 1e-320 for k in range(50)], "none", r"has 50 .* so that 1 are left; `scaling: stand"),
        ([1e300 * k for k in range(50)], "none", r"has values of up to 4\.9e\+301, too large for"),
        (
            [-1.7e308, 1.7e308, 1.7e308],
            "standard",
            r"has values .* which have no finite standard deviation",
        ),
    ],
)
def test_any_column_that_single_precision_cannot_hold_is_refused(values, scaling, reason):
    """An input or a target, before scaling or after."""
    for role, place in (("x", "inputs"), ("y", "targets")):
        own = rows(**{role: values})
        with pytest.raises(PrecisionError, match=f"the column {role} {reason}"):
            table.in_single(getattr(own, place), getattr(table.fitted(own, scaling), place))


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e30, 1e300])
def test_the_unit_of_a_column_is_no_harm_once_it_is_scaled(unit):
    own, same = rows(x=np.array(STEPS) * unit), rows(x=STEPS)
    of_one, of_other = (table.fitted(each, "standard").inputs for each in (own, same))
    found, expected = encoded(own.inputs, of_one), encoded(same.inputs, of_other)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def test_chance_meetings_of_many_values_are_no_fault():
    """Of a million normal numbers some thousands share a single-precision number with another."""
    values = np.random.default_rng(0).normal(size=1_000_000)
    own = rows(x=values)
    found = table.in_single(own.inputs, table.fitted(own, "none").inputs)
    assert len(np.unique(found)) < 1_000_000
