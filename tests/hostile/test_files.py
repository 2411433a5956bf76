"""What jobs hand to each other: the same bytes for the same content, and nothing else accepted."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from arviz_base import convert_to_datatree, extract
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from bnnflow.density.log_density import LogDensity
from bnnflow.files import arrays, enough, parameters, posterior, predictions, safe
from bnnflow.files.errors import FileError
from bnnflow.files.parameters import Parameters, Site
from bnnflow.methods import svi

SITES = (Site("layer1.weight", (2, 1), "identity"), Site("sigma", (), "log"))


@pytest.fixture
def stored():
    mean, stddev = np.array([1, 2, -3], np.float32), np.array([0.5, 0.25, 2], np.float32)
    return Parameters(SITES, mean, stddev)


def chain(seed):
    random = np.random.default_rng(seed)
    draws = {
        "layer1.weight": random.normal(size=(6, 2, 1)).astype(np.float32),
        "sigma": random.gamma(1, size=6).astype(np.float32),
    }
    return draws, {"lp": random.normal(size=6), "diverging": np.zeros(6, bool)}


@pytest.fixture
def prediction():
    sizes = {"point": 3, "input": 2, "target": 2, "quantile": 1, "sample": 2}
    values = {
        name: (dims, np.zeros([sizes[dim] for dim in dims], np.float32))
        for name, dims in predictions.GRID.items()
    }
    return xr.Dataset(values, coords={"input": ["dose", "age"], "target": ["a", "b c"]})


def python(code, *arguments):
    """Run code that uses the workflow's modules in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT / "workflow/scripts", capture_output=True, text=True)


def test_a_killed_writer_leaves_what_was_there_and_the_next_removes_what_it_left(tmp_path):
    path = tmp_path / "a[1].csv"
    killed = """
        import os, signal, sys
        from bnnflow.files import safe

        with safe.whole(sys.argv[1]) as part:
            part.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    for content in (None, "old"):
        assert python(killed, path).returncode == -signal.SIGKILL
        assert (path.read_text() if path.exists() else None) == content
        assert [re.sub(r"\d+", "1", left.name) for left in tmp_path.glob(".*")] == [
            ".a[1].csv.1.part"
        ]
        with safe.whole(path) as part:
            part.write_text("old")
        assert [*tmp_path.iterdir()] == [path]


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    other, foreign = (tmp_path / f".a.csv.{end}" for end in (f"{os.getppid()}.part", "orig"))
    other.touch()
    foreign.touch()
    with safe.whole(tmp_path / "a.csv") as part:
        part.touch()
    assert {*tmp_path.iterdir()} == {other, foreign, tmp_path / "a.csv"}


def test_a_file_has_the_permissions_of_the_umask(stored, tmp_path):
    before = os.umask(0o027)
    try:
        parameters.write(stored, tmp_path / "a")
        posterior.write(posterior.of_chain(*chain(0)), tmp_path / "b")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_a_full_disk_leaves_what_was_there(tmp_path):
    """With no file larger than 100 bytes allowed, which ends a write as a full disk does."""
    full = """
        import errno, resource, sys
        from pathlib import Path
        import numpy as np, pandas as pd, xarray as xr
        from bnnflow.data import tutorial
        from bnnflow.figures import canvas
        from bnnflow.files import arrays, memories, parameters, posterior, predictions, safe
        from bnnflow.judge import scores

        numbers = np.zeros(1000, np.float32)
        table = pd.DataFrame({"x": numbers})
        sites = (parameters.Site("sigma", (1000,), "log"),)
        writers = {
            "posterior.nc": lambda p: posterior.write(posterior.of_chain({"sigma": numbers}), p),
            "predictions.nc": lambda p: arrays.write(xr.Dataset({"x": ("i", numbers)}), p),
            "guide.safetensors": lambda p: parameters.write_tensors({"loc": numbers}, sites, p),
            "parameters.safetensors": lambda p: parameters.write(
                parameters.Parameters(sites, numbers, numbers), p
            ),
            "memory.safetensors": lambda p: memories.write(
                memories.Memory(sites, numbers[:, None], numbers[None], numbers[:1]), p
            ),
            "data.csv": lambda p: safe.write_table(table, p),
            "scores.csv": lambda p: scores.write(table, p),
            "table.csv": lambda p: safe.write_table(table, p),
            "figure.png": lambda p: canvas.save(canvas.Figure(), str(p)),
            "figure.svg": lambda p: canvas.save(canvas.Figure(), str(p)),
        }
        for name in writers:
            Path(sys.argv[1], name).write_text("old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        for name, write in writers.items():
            try:
                write(Path(sys.argv[1], name))
            except OSError as error:
                if error.errno == errno.EFBIG:
                    print(name)
    """
    done = python(full, tmp_path)
    failed = done.stdout.split()
    assert (done.returncode, len(failed)) == (0, 10), done.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        failed, "old"
    )


def test_parameters_come_back_with_their_names(stored, tmp_path):
    path = tmp_path / "parameters.safetensors"
    parameters.write(stored, path)
    found = parameters.read(path)
    assert found.sites == SITES
    np.testing.assert_array_equal(found.mean, stored.mean)
    weight, sigma = found.by_site().values()
    assert weight[0].tolist() == [[1], [2]]
    assert weight[1].tolist() == [[0.5], [0.25]]
    assert sigma[0].shape == ()
    assert float(sigma[0]) == -3
    table = found.table()
    assert list(table.columns) == ["site", "index", "mean", "stddev", "transform"]
    assert table.iloc[-1].tolist() == ["sigma", 0, -3, 2, "log"]
    assert table["index"].tolist() == [0, 1, 0]


def test_extraction_takes_the_guides_own_tensors(stored, tmp_path):
    path = tmp_path / "guide.safetensors"
    tensors = {
        "AutoDiagonalNormal.loc": stored.mean,
        "AutoDiagonalNormal.scale": stored.stddev,
    }
    parameters.write_tensors(tensors, SITES, path)
    extracted = parameters.extracted(path)
    assert extracted.by_site().keys() == {"layer1.weight", "sigma"}
    assert extracted.covariance is None
    with pytest.raises(FileError, match="it has no tensor mean"):
        parameters.read(path)


@pytest.mark.parametrize("guide", ["AutoMultivariateNormal", "AutoLowRankMultivariateNormal"])
def test_a_covariance_is_the_guides_own(guide, tmp_path):
    pyro.set_rng_seed(2)
    y = torch.tensor([0.3, 1.9])

    def model(x, y=None):
        weight = pyro.sample("weight", dist.Normal(torch.zeros(4, 1), 1.0).to_event(2))
        pyro.sample("obs", dist.Normal(weight.sum(), torch.ones(2)).to_event(1), obs=y)

    density = LogDensity(model, y, y, engine="pyro")
    settings = {"guide": guide, "learning_rate": 0.1, "schedule": "constant", "steps": 30}
    ((fit, _),) = svi.fit(density, [torch.default_generator], observations=2, **settings)
    parameters.write_tensors(svi.stored(fit), density.sites, tmp_path / "guide.safetensors")
    extracted = parameters.extracted(tmp_path / "guide.safetensors")
    expected = fit.get_posterior()
    np.testing.assert_allclose(extracted.mean, expected.mean.detach())
    np.testing.assert_allclose(extracted.stddev, expected.stddev.detach(), rtol=1e-5)
    np.testing.assert_allclose(
        extracted.covariance, expected.covariance_matrix.detach(), rtol=1e-4, atol=1e-7
    )
    parameters.write(extracted, tmp_path / "parameters.safetensors")
    found = parameters.read(tmp_path / "parameters.safetensors")
    np.testing.assert_array_equal(found.covariance, extracted.covariance)
    np.testing.assert_array_equal(found.stddev, extracted.stddev)


def test_a_guide_of_another_kind_is_refused(tmp_path):
    tensors = {"AutoDelta.loc": np.ones(3, np.float32), "AutoDelta.scale": np.ones(3, np.float32)}
    parameters.write_tensors(tensors, SITES, tmp_path / "guide.safetensors")
    with pytest.raises(FileError, match="a normal guide"):
        parameters.extracted(tmp_path / "guide.safetensors")


@pytest.mark.parametrize(
    ("tensors", "sites", "reason"),
    [
        ({"mean": [0, 0, 0]}, SITES, "it has no tensor stddev"),
        ({"mean": [0, 0], "stddev": [1, 1]}, SITES, r"mean is \(2,\), not \(3,\)"),
        ({"mean": [0, 0, np.nan], "stddev": [1, 1, 1]}, SITES, "mean is not finite"),
        ({"mean": [0, 0, 0], "stddev": [1, 0, 1]}, SITES, "stddev is not positive"),
        ({"mean": [], "stddev": []}, None, "its sites cannot be read"),
        (
            {"mean": [0, 0, 0], "stddev": [1, 1, 1], "covariance": np.diag([1, 4, 1])},
            SITES,
            "stddev and covariance contradict each other",
        ),
    ],
)
def test_parameters_that_contradict_themselves_are_refused(tmp_path, tensors, sites, reason):
    path = tmp_path / "parameters.safetensors"
    arrays = {name: np.array(values, np.float32) for name, values in tensors.items()}
    if sites is None:
        save_file(arrays, path, metadata={"made by": "somebody else"})
    else:
        parameters.write_tensors(arrays, sites, path)
    with pytest.raises(FileError, match=rf"parameters\.safetensors cannot be read.*{reason}"):
        parameters.read(path)


@pytest.mark.parametrize(
    "sites", ["[]", "[1]", "{}", "null", "nonsense", '[{"name": "a"}]', '[{"shape": [-1]}]']
)
def test_hostile_sites_are_refused(tmp_path, sites):
    path = tmp_path / "parameters.safetensors"
    tensors = {name: np.ones(3, np.float32) for name in ("mean", "stddev")}
    save_file(tensors, path, metadata={"sites": sites})
    with pytest.raises(FileError):
        parameters.read(path)


def test_the_facts_of_all_chains_are_kept():
    facts = [{"engine": "compiled"}, {"engine": "pyro", "engine_reason": "no compiler"}]
    chains = [posterior.of_chain(chain(0)[0], facts=own) for own in facts]
    found = posterior.merged([chains[0], *chains])["posterior"].attrs
    assert found == {"engine": "compiled; pyro", "engine_reason": "no compiler"}


def test_chains_are_merged_in_order_and_open_in_arviz(tmp_path):
    for number in range(3):
        posterior.write(posterior.of_chain(*chain(number)), tmp_path / f"{number}.nc")
    chains = [posterior.read(tmp_path / f"{number}.nc") for number in range(3)]
    path = tmp_path / "posterior.nc"
    posterior.write(posterior.merged(chains), path)

    opened = convert_to_datatree(str(path))
    assert extract(opened).sizes["sample"] == 18
    assert opened["posterior"].sizes == {
        "chain": 3,
        "draw": 6,
        "layer1.weight_dim_0": 2,
        "layer1.weight_dim_1": 1,
    }
    assert opened["posterior"]["sigma"].dtype == np.float32
    assert opened["sample_stats"]["diverging"].dtype == bool
    for number in range(3):
        draws, stats = chain(number)
        np.testing.assert_array_equal(opened["posterior"]["sigma"][number], draws["sigma"])
        np.testing.assert_array_equal(opened["sample_stats"]["lp"][number], stats["lp"])
    pooled = posterior.pooled(posterior.read(path))
    assert pooled["layer1.weight"].shape == (18, 2, 1)
    np.testing.assert_array_equal(pooled["sigma"][6:12], chain(1)[0]["sigma"])


def test_the_same_content_is_the_same_bytes(stored, prediction, tmp_path):
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        posterior.write(posterior.of_chain(*chain(0)), folder / "posterior.nc")
        arrays.write(prediction, folder / "predictions.nc")
        parameters.write(stored, folder / "parameters.safetensors")
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name


def test_chains_that_were_not_needed_are_left_out(tmp_path):
    paths = [tmp_path / f"{number}.nc" for number in range(3)]
    for number, path in enumerate(paths):
        made = posterior.of_chain(*chain(number)) if number < 2 else posterior.spare()
        posterior.write(made, path)
    found = posterior.read_parts(paths)
    assert len(found) == 2
    assert all(own.identical(posterior.read(paths[number])) for number, own in enumerate(found))
    with pytest.raises(FileError, match="it has no draws"):
        posterior.read(paths[2])
    # A file without draws that says nothing of that is damaged.
    posterior.write(xr.DataTree(xr.Dataset(attrs={"other": "x"})), paths[1])
    with pytest.raises(FileError, match="it has no draws"):
        posterior.read_parts(paths)


@pytest.mark.parametrize("answer", [True, False])
def test_whether_chains_suffice_is_written_and_read(tmp_path, answer):
    path = tmp_path / "8.csv"
    enough.write(8, answer, path)
    assert enough.read(path) is answer
    for content in ("chains,enough\n8,perhaps\n", "chains,enough\n8,yes\n8,yes\n", "chains\n8\n"):
        path.write_text(content)
        with pytest.raises(FileError, match=r"8\.csv"):
            enough.read(path)


READERS = {
    "posterior.nc": posterior.read,
    "predictions.nc": predictions.read,
    "parameters.safetensors": parameters.read,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", ["", "not a tensor", "{}", json.dumps({"a": 1}), "PICKLE"])
def test_foreign_files_are_refused_by_name(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"a": 1}) if content == "PICKLE" else content.encode())
    with pytest.raises(FileError, match=f"{name} cannot be read"):
        READERS[name](path)
    with pytest.raises(FileError, match=f"{name} cannot be read"):
        READERS[name](tmp_path / "missing" / name)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_cut_off_files_are_refused(tmp_path_factory, name, data):
    path = tmp_path_factory.mktemp("cut") / name
    if name == "posterior.nc":
        posterior.write(posterior.of_chain(*chain(0)), path)
    elif name == "parameters.safetensors":
        mean, stddev = np.zeros(3, np.float32), np.ones(3, np.float32)
        parameters.write(Parameters(SITES, mean, stddev), path)
    else:
        xr.Dataset({"x": ("point", np.zeros(300))}).to_netcdf(path, engine="h5netcdf")
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(FileError):
        READERS[name](path)


def test_foreign_netcdf_is_refused(tmp_path, prediction):
    path = tmp_path / "file.nc"
    xr.Dataset({"temperature": ("time", [1.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FileError, match="posterior"):
        posterior.read(path)
    with pytest.raises(FileError, match="it has no inputs"):
        predictions.read(path)

    groups = {"posterior": xr.Dataset({"sigma": (("draw", "chain"), [[1.0]])})}
    xr.DataTree.from_dict(groups).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FileError, match=r"sigma has the dimensions \('draw', 'chain'\)"):
        posterior.read(path)

    draws, _ = chain(0)
    draws["sigma"][3] = np.nan
    posterior.write(posterior.of_chain(draws), path)
    with pytest.raises(FileError, match="sigma is not finite"):
        posterior.read(path)

    prediction["mean"][0, 1] = np.inf
    arrays.write(prediction, path)
    with pytest.raises(FileError, match="mean is not finite"):
        predictions.read(path)
