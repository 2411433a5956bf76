"""Columns as a network sees them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnflow.files import columns
from bnnflow.files.columns import Column


@given(
    st.sampled_from(sorted(columns.TRANSFORMS)),
    st.lists(st.floats(1e-3, 1e6), min_size=1),
    st.floats(-10, 10),
    st.floats(0.01, 100),
)
def test_what_is_transformed_and_scaled_comes_back(transform, values, centre, scale):
    _, back = columns.TRANSFORMS[transform]
    seen = Column("a", centre, scale, transform=transform).scaled(np.array(values))
    # What the subtraction of the centre leaves of double precision, and a logarithm of that.
    np.testing.assert_allclose(back(seen * scale + centre), values, rtol=1e-11)


def test_levels_are_one_input_each_where_there_are_three_or_more():
    own = (
        Column("a", 1.0, 2.0),
        Column("b", kind="binary", levels=("u", "v")),
        Column("c", kind="classes", levels=("x", "y", "z")),
        Column("c is missing", kind="flag", of="c"),
    )
    found = columns.encoded(np.array([[5.0, 1, 2, 0], [1, 0, 0, 1]]), own)
    assert found.tolist() == [[2, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1]]
    assert sum(column.width for column in own) == found.shape[1]


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": "a\x00"},
        {"name": "a" * 201},
        {"name": "a", "scale": 0.0},
        {"name": "a", "scale": -1.0},
        {"name": "a", "centre": float("nan")},
        {"name": "a", "centre": 1},
        {"name": "a", "fill": float("inf")},
        {"name": "a", "kind": "other"},
        {"name": "a", "transform": "exp"},
        {"name": "a", "kind": "binary", "levels": ("u",)},
        {"name": "a", "kind": "binary", "levels": ("u", "v", "w")},
        {"name": "a", "kind": "classes", "levels": ("u", "v", "u")},
        {"name": "a", "levels": ("u", "v")},
        {"name": "a", "kind": "classes", "levels": ("u", "v", 3)},
    ],
)
def test_what_a_file_may_not_say_of_a_column(given):
    with pytest.raises(ValueError, match=r"has the name|has the centre|is of the kind"):
        Column(**given)
