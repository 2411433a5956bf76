"""Predictions of new rows, against NumPy and SciPy from the stored draws."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

from bnnflow.data import kinds, reading
from bnnflow.data.reading import TableError
from bnnflow.files import posterior, safe
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.model.likelihood import LIKELIHOODS
from bnnflow.model.settings import Model
from bnnflow.predict import rows

INPUTS = (
    Column("width", 2.0, 0.5, transform="log", fill=7.0),
    Column("alloy", kind="classes", levels=("A", "B", "C"), fill=1.0),
    Column("cast", kind="binary", levels=("no", "yes")),
    Column("width is missing", kind="flag", of="width"),
)
REAL, LOG = Column("y", 20.0, 4.0), Column("z", 3.0, 0.5, transform="log")
CHAINS, DRAWS, HIDDEN = 2, 30, 4
LEVELS = [0.025, 0.5, 0.9]
NEW = "id;alloy;width;cast\n007;A;1,5;yes\n8;C;NA;no\n9;;20;no\n"
# What a network sees of these rows, by hand.
X = np.array(
    [
        [(np.log(1.5) - 2) / 0.5, 1, 0, 0, 1, 0],
        [(np.log(7.0) - 2) / 0.5, 0, 0, 1, 0, 1],
        [(np.log(20.0) - 2) / 0.5, 0, 1, 0, 0, 0],
    ]
)


def fitted(*targets, weights=None):
    """A posterior of draws at random, and its model."""
    at = np.random.default_rng(0)
    shapes = {
        "layer1.weight": (HIDDEN, 6),
        "layer1.bias": (HIDDEN,),
        "layer2.weight": (len(targets), HIDDEN),
        "layer2.bias": (len(targets),),
    }
    chains = []
    for _ in range(CHAINS):
        draws = {n: at.normal(size=(DRAWS, *s)).astype(np.float32) for n, s in shapes.items()}
        sigma = at.gamma(3, 0.2, size=(DRAWS, *([len(targets)] if len(targets) > 1 else [])))
        draws["sigma"] = sigma.astype(np.float32)
        encoding = Encoding(INPUTS, targets)
        chains.append(posterior.of_chain(draws, encoding=encoding))
    tree = posterior.weighted(posterior.merged(chains), weights)
    return tree, Model(hidden=[HIDDEN]).model_dump(exclude_none=True)


def by_hand(tree, target):
    """Of the target as the network sees it: means and standard deviations (draws, rows)."""
    out, sigma = outputs(tree), posterior.pooled(tree)["sigma"].astype(float)
    sigma = sigma if sigma.ndim == 1 else sigma[:, target]
    return out[:, target], np.broadcast_to(sigma[:, None], out[:, target].shape)


def outputs(tree):
    """Of the network, (draws, outputs, rows)."""
    own = {n: v.astype(float) for n, v in posterior.pooled(tree).items()}
    hidden = np.tanh(
        np.einsum("dhi,ni->dnh", own["layer1.weight"], X) + own["layer1.bias"][:, None]
    )
    return np.einsum("doh,dnh->don", own["layer2.weight"], hidden) + own["layer2.bias"][..., None]


def numbers(tmp_path, text=NEW, name="new.csv"):
    path = tmp_path / name
    path.write_text(text)
    return kinds.as_numbers(reading.read(path), INPUTS).to_numpy()


def quantile(mean, stddev, share, level):
    ends = mean.min() - 9 * stddev.max(), mean.max() + 9 * stddev.max()
    return optimize.brentq(lambda t: share @ stats.norm.cdf(t, mean, stddev) - level, *ends)


@pytest.mark.parametrize("weights", [None, [0.9, 0.1]])
def test_predictions_are_those_of_numpy_from_the_stored_draws(tmp_path, weights):
    tree, model = fitted(REAL, LOG, weights=None if weights is None else np.array(weights))
    found = rows.at_rows(model, tree, numbers(tmp_path), LEVELS)
    share = np.repeat(np.array(weights or [0.5, 0.5]) / DRAWS, DRAWS)
    for place, column in enumerate((REAL, LOG)):
        mean, stddev = (own * column.scale for own in by_hand(tree, place))
        mean = mean + column.centre
        reached = np.array(
            [
                [quantile(m, s, share, level) for m, s in zip(mean.T, stddev.T, strict=True)]
                for level in LEVELS
            ]
        )
        if column is LOG:
            reached = np.exp(reached)
            function = np.exp(mean + stddev**2 / 2)
            within = np.expm1(stddev**2) * function**2
        else:
            function, within = mean, stddev**2
        total = share @ function
        between = share @ (function - total) ** 2
        expected = {
            "mean": total,
            "stddev": np.sqrt(between + share @ within),
            "function_stddev": np.sqrt(between),
        } | {f"quantile_{level:g}": own for level, own in zip(LEVELS, reached, strict=True)}
        for name, values in expected.items():
            # Networks are evaluated in single precision; quantiles are as near as 1e-6 of
            # probability, where there is a density of a hundredth or more.
            near = 1e-4 if name.startswith("quantile") else 2e-5
            np.testing.assert_allclose(found[f"{column.name}_{name}"], values, rtol=near)
    assert list(found)[:6] == [
        *(f"y_{name}" for name in ("mean", "stddev", "function_stddev")),
        *(f"y_quantile_{level}" for level in ("0.025", "0.5", "0.9")),
    ]


@pytest.mark.parametrize("levels", [("no", "yes"), ("u", "v", "w")])
def test_probabilities_of_levels_are_averages_over_the_draws(tmp_path, levels):
    kind, family = ("binary", "bernoulli") if len(levels) == 2 else ("classes", "categorical")
    column = Column("c", kind=kind, levels=levels)
    tree, model = fitted(column)
    given = {"family": family}
    likelihood = LIKELIHOODS.made(given)
    count = likelihood.outputs((len(levels),))
    at = np.random.default_rng(1)
    weight = at.normal(size=(CHAINS, DRAWS, count, HIDDEN)).astype(np.float32)
    bias = at.normal(size=(CHAINS, DRAWS, count)).astype(np.float32)
    sites = tree["posterior"].to_dataset().drop_vars(["layer2.weight", "layer2.bias", "sigma"])
    sites = sites.drop_dims([d for d in sites.dims if str(d).startswith("layer2")])
    sites["layer2.weight"] = (("chain", "draw", "out", "in"), weight)
    sites["layer2.bias"] = (("chain", "draw", "out"), bias)
    tree["posterior"].dataset = sites
    found = rows.at_rows(model | {"likelihood": given}, tree, numbers(tmp_path), LEVELS)
    out = outputs(tree)
    odds = np.stack([0 * out[:, 0], out[:, 0]], 1) if count == 1 else out
    probability = special.softmax(odds, axis=1)
    for place, level in enumerate(levels):
        own = probability[:, place]
        np.testing.assert_allclose(found[f"c_probability_{level}"], own.mean(0), rtol=1e-5)
        np.testing.assert_allclose(found[f"c_function_stddev_{level}"], own.std(0), rtol=1e-4)
    assert len(list(found)) == 2 * len(levels)


def test_many_rows_are_worked_on_in_parts(tmp_path, monkeypatch):
    tree, model = fitted(REAL)
    own = numbers(tmp_path)
    whole = rows.at_rows(model, tree, own, LEVELS)
    monkeypatch.setattr(rows, "CHUNK", 1)
    parts = rows.at_rows(model, tree, own, LEVELS)
    # Matrices of other shapes are multiplied in another order.
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-5)


def test_what_is_no_number_is_told(tmp_path):
    tree, model = fitted(LOG)
    tree["posterior"]["layer2.bias"][:] = 1e4
    with pytest.raises(FloatingPointError, match=r"z_mean, z_stddev.* cannot be computed"):
        rows.at_rows(model, tree, numbers(tmp_path), LEVELS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            NEW.replace("alloy", "Alloy"),
            "lacks the column alloy (did you mean Alloy?); the table has",
        ),
        (
            NEW.replace(";C;", ";D;"),
            "the column alloy has the levels D, which no fit knows, first in row 2; known ar",
        ),
        (
            NEW.replace("20;no", "20;?"),
            "the column cast is blank in 1 row, first in row 3; fits have seen no blank the",
        ),
        (
            NEW.replace("1,5", "1.234").replace("20", "950"),
            "the column width has numbers such as '1.234' and '950', whose marks may be of",
        ),
        (NEW.replace("1,5", "wide"), "the column width is of numbers, but here it has 'wide'"),
        (
            NEW.replace("1,5", "-1"),
            "the column width has 1 values of which log is no number, the le",
        ),
        (NEW.replace("1,5", "1e999"), "the column width has 1 infinite numbers; remove these rows"),
    ],
)
def test_rows_that_a_fit_cannot_take_are_told_by_name(tmp_path, text, told):
    with pytest.raises(TableError) as caught:
        numbers(tmp_path, text)
    assert str(caught.value).startswith(told)


def test_blanks_that_are_filled_are_counted_by_column(tmp_path):
    (tmp_path / "new.csv").write_text(NEW)
    own = reading.read(tmp_path / "new.csv")
    assert kinds.filled(own, INPUTS) == {"width": 1, "alloy": 1}


def test_names_that_are_taken_are_followed_by_underscores():
    given = pd.DataFrame({"y_mean": ["1"], "y_mean_": ["2"], "x": ["3"]})
    found = rows.beside(given, pd.DataFrame({"y_mean": [1 / 3], "distance": [2e-9]}), ".")
    assert found.to_dict("list") == {
        **{"y_mean": ["1"], "y_mean_": ["2"], "x": ["3"]},
        **{"y_mean__": ["0.3333333"], "distance": ["2e-09"]},
    }


def test_predictions_of_rows_with_decimal_commas_are_read_back_with_them(tmp_path):
    (tmp_path / "new.csv").write_text("x;note\n1,5;a;b\n".replace("a;b", '"a;b"'))
    given, decimal = reading.as_written(tmp_path / "new.csv")
    told = rows.beside(given, pd.DataFrame({"y_mean": [-2.25e-9], "distance": [0.5]}), decimal)
    safe.write_table(told, tmp_path / "told.csv", separator=";")
    found = reading.read(tmp_path / "told.csv")
    assert found.to_dict("list") == {
        **{"x": [1.5], "note": ["a;b"], "y_mean": [-2.25e-9], "distance": [0.5]},
    }
