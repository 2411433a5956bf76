"""What jobs ask of a cluster."""

from dataclasses import replace

import pytest

from bnnflow.files.columns import Column
from bnnflow.model import size
from bnnflow.run import resources


def of_hidden(*hidden, inputs=1):
    return size.of_model({"hidden": hidden, "skip": "none"}, False, inputs, [Column("y")])


SHALLOW, DEEP = of_hidden(5), of_hidden(*[10] * 5)
NUTS = {
    "method": "nuts", "sampler": "pyro", "device": "cpu", "warmup": 50, "draws": 50, "chains": 1,
    "max_tree_depth": 10, "mass_matrix": "diagonal",
}  # fmt: skip
SVI = {
    "method": "svi", "guide": "AutoDiagonalNormal", "device": "cpu", "steps": 10_000, "starts": 1,
    "starts_per_job": 1, "draws": 1000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("network", "inference", "engine", "seconds"),
    [
        # Measured: whole chains and steps of both engines (benchmarks/README.md).
        (SHALLOW, NUTS, "compiled", 14.1),
        (SHALLOW, NUTS, "pyro", 170),
        (DEEP, NUTS, "compiled", 47),
        (DEEP, NUTS, "pyro", 325),
        (SHALLOW, SVI | {"steps": 1_000_000}, "compiled", 64),
        (SHALLOW, SVI | {"steps": 100_000}, "pyro", 516),
        (DEEP, SVI | {"steps": 1_000_000}, "compiled", 215),
        (DEEP, SVI | {"steps": 100_000}, "pyro", 706),
        (DEEP, SVI | {"steps": 100_000, "guide": "AutoMultivariateNormal"}, "compiled", 420),
        (DEEP, SVI | {"steps": 100_000, "guide": "AutoLowRankMultivariateNormal"}, "compiled", 400),
    ],
)
def test_a_fit_is_given_time_enough_and_not_absurdly_more(network, inference, engine, seconds):
    minutes = resources.fit_needs(network, 1000, inference, engine)["runtime"] - resources.START
    assert 1.5 * seconds < 60 * minutes < 20 * seconds


def test_the_default_fits_and_predictions_have_the_memory_that_they_had_at_most():
    """As the benchmarks of a run recorded it, and two processes of Snakemake, 340 MB."""
    assert resources.fit_needs(DEEP, 1000, SVI, "auto")["mem_mb"] > 983 + 340
    assert resources.prediction_needs(SHALLOW, 50, 4000)["mem_mb"] > 350 + 340
    assert resources.prediction_needs(SHALLOW, 5000, 4000)["mem_mb"] > 753 + 340


@pytest.mark.parametrize(
    ("base", "more", "grows"),
    [
        (NUTS, {"draws": 5000}, "runtime"),
        (NUTS, {"warmup": 5000}, "runtime"),
        (NUTS, {"max_tree_depth": 12}, "runtime"),
        (SVI, {"steps": 1_000_000}, "runtime"),
        (SVI, {"draws": 1_000_000}, "mem_mb"),
        (NUTS | {"sampler": "nutpie"}, {"sampler": "pyro"}, "runtime"),
        (NUTS, {"mass_matrix": "dense"}, "mem_mb"),
        (SVI, {"guide": "AutoMultivariateNormal"}, "mem_mb"),
        (SVI, {"device": "cuda"}, "mem_mb"),
        (SVI | {"steps": 1_000_000}, {"device": "cuda"}, "runtime"),
        (SVI, {"starts": 20, "starts_per_job": 20}, "runtime"),
        (SVI | {"batch_size": 100}, {"batch_size": None}, "runtime"),
        (SVI | {"batch_size": 100}, {"batch_size": 1000}, "runtime"),
    ],
)
def test_needs_follow_from_the_fit(base, more, grows):
    wide = of_hidden(100, inputs=100)
    before, after = (resources.fit_needs(wide, 10_000, s, "auto") for s in (base, base | more))
    assert after[grows] > before[grows]


def test_starts_count_as_often_as_they_are_in_a_job():
    alone, many, both, all_of_two = (
        resources.fit_needs(
            DEEP, 1000, SVI | {"starts": starts, "starts_per_job": together}, "pyro"
        )
        for starts, together in ((1, 1), (2, 1), (2, 2), (2, 9))
    )
    assert many == alone
    assert both["runtime"] > alone["runtime"]
    assert all_of_two == both


def test_starts_on_a_gpu_share_its_launches():
    alone, many = (
        resources.fit_needs(DEEP, 1000, SVI | starts | {"device": "cuda"}, "auto")["runtime"]
        for starts in ({"starts": 1}, {"starts": 100, "starts_per_job": 100})
    )
    assert alone < many < resources.START + 50 * (alone - resources.START)


def test_needs_follow_from_network_points_and_engine():
    base = resources.fit_needs(DEEP, 1000, NUTS, "compiled")
    assert resources.fit_needs(DEEP, 1000, NUTS, "auto") == base
    assert resources.fit_needs(DEEP, 1000, NUTS, "pyro")["runtime"] > base["runtime"]
    for larger in ((of_hidden(*[1000] * 3), 1000), (DEEP, 100_000)):
        needs = resources.fit_needs(*larger, NUTS, "compiled")
        assert needs["runtime"] > base["runtime"]
        assert needs["mem_mb"] > base["mem_mb"]


def test_several_outputs_are_predicted_beside_each_other():
    one, more = SHALLOW, replace(SHALLOW, outputs=20)
    needs = [resources.prediction_needs(own, 5000, 4000) for own in (one, more)]
    assert needs[1]["mem_mb"] - needs[0]["mem_mb"] == pytest.approx(
        19 * 5000 * 4000 * 40e-6, abs=100
    )


def test_memory_grows_with_rows_and_not_with_rows_and_units_and_starts():
    """A table in blocks; on a GPU it is whole."""
    many = SVI | {"starts": 8, "starts_per_job": 8}

    def more(inference):
        few, more = (
            resources.fit_needs(DEEP, n, inference, "auto")["mem_mb"] for n in (10**6, 10**7)
        )
        return more - few

    assert 0 < more(many) == more(SVI)
    assert more(many | {"device": "cuda"}) > 2 * more(many)
