"""What a posterior keeps besides draws: weights of chains, and how its data were encoded."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from bnnflow.files import encodings, memories, parameters, posterior, starts
from bnnflow.files.columns import Column
from bnnflow.files.encodings import Encoding
from bnnflow.files.errors import FileError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20)
NAMES = NAMES.filter(str.isprintable)
ENCODING = Encoding(
    (Column("x", 0.1, 3.0), Column("of three", -1e8, 1e-5), Column("größe", 0.0, 1.0)),
    (Column("y", 1 / 3, 7.0), Column("z", 2.0, 0.5)),
)
SITES = (parameters.Site("w", (2,), "identity"),)


@st.composite
def encoded(draw):
    names = draw(st.lists(NAMES, unique=True, min_size=2, max_size=5))
    scales = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    columns = [Column(name, draw(FINITE), draw(scales)) for name in names]
    inputs = draw(st.integers(1, len(names) - 1))
    return Encoding(tuple(columns[:inputs]), tuple(columns[inputs:]))


def chain(seed, encoding=ENCODING):
    draws = {"w": np.random.default_rng(seed).normal(size=(4, 2)).astype(np.float32)}
    return posterior.of_chain(draws, {"lp": np.zeros(4)}, encoding=encoding)


@given(encoded())
def test_an_encoding_comes_back_to_the_last_bit(encoding):
    assert encodings.of_text(encoding.as_text()) == encoding
    assert encodings.of_dataset(encoding.as_dataset()) == encoding


def test_an_encoding_goes_from_a_chain_to_its_posterior_and_to_an_update(tmp_path):
    for number in range(2):
        posterior.write(chain(number), tmp_path / f"{number}.nc")
    path, stored = tmp_path / "posterior.nc", tmp_path / "parameters.safetensors"
    merged = posterior.merged([posterior.read(tmp_path / f"{number}.nc") for number in range(2)])
    posterior.write(merged, path)
    tree = posterior.read(path, [posterior.WEIGHT, posterior.ENCODING])
    assert posterior.encoding(tree) == ENCODING
    assert tree["encoding"]["input_centre"].dtype == np.double
    moments = np.zeros(2), np.ones(2)
    parameters.write(parameters.Parameters(SITES, *moments, encoding=ENCODING), stored)
    assert parameters.read(stored).encoding == ENCODING


def test_the_metadata_of_parameters_stand_in_one_order(tmp_path):
    """Of a hash table with two keys every second process would write another."""
    own = parameters.Parameters(SITES, np.zeros(2), np.ones(2), encoding=ENCODING)
    for number in range(2):
        parameters.write(own, tmp_path / str(number))
        content = (tmp_path / str(number)).read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        assert list(header["__metadata__"]) == ["encoding", "sites"]
        assert int.from_bytes(content[:8], "little") % 8 == 0
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_chains_of_different_encodings_are_not_merged():
    other = Encoding(ENCODING.inputs, (Column("y", 0.0, 1.0),))
    with pytest.raises(ValueError, match="encoded differently"):
        posterior.merged([chain(0), chain(1, other)])


def test_chains_weigh_the_same_unless_told(tmp_path):
    tree = posterior.merged([chain(number) for number in range(3)])
    np.testing.assert_array_equal(posterior.weights(tree), [1 / 3] * 3)
    assert posterior.pooled_weights(tree) is None
    posterior.write(posterior.weighted(tree, [0.5, 0.5, 0.0]), tmp_path / "a.nc")
    found = posterior.read(tmp_path / "a.nc", [posterior.WEIGHT])
    np.testing.assert_array_equal(posterior.pooled_weights(found), [0.125] * 8 + [0.0] * 4)


FITTED = {"data": ["train"], "model": {"hidden": [3], "likelihood": {"family": "normal"}}}


def test_a_posterior_is_known_by_the_settings_of_its_fit(tmp_path):
    path = tmp_path / "a.nc"
    posterior.write(posterior.fitted_by(chain(0), FITTED), path)
    tree = posterior.read(path)
    posterior.check_settings(tree, {"model": FITTED["model"], "data": ["train"]}, path)
    other = {"data": ["train"], "model": {"hidden": [4, 4], "skip": "linear"}}
    with pytest.raises(posterior.SettingsError) as caught:
        posterior.check_settings(tree, other, path)
    assert str(caught.value).startswith(
        f'{path}: was fitted with model.hidden: [3], model.likelihood.family: "normal", model.skip:'
        " null, but the config now has model.hidden: [4, 4], model.likelihood.family: null,"
        ' model.skip: "linear"; '
    )


@pytest.mark.parametrize("text", [None, "{", "[]", "[" * 5000, "1"])
def test_a_posterior_that_does_not_say_how_it_was_fitted_is_refused(text):
    tree = chain(0)
    if text is not None:
        tree["posterior"].attrs[posterior.SETTINGS] = text
    with pytest.raises(FileError, match="it does not say by which settings it was fitted"):
        posterior.check_settings(tree, FITTED, "a.nc")


def test_the_best_start_weighs_all_and_keeps_its_encoding(tmp_path):
    guide = {"AutoDiagonalNormal.loc": np.zeros(2)}
    parts = [
        starts.packed([elbo], chain(number), np.zeros(3), guide, SITES)
        for number, elbo in enumerate((1.0, 2.0, np.nan))
    ]
    posterior.write(parts[0], tmp_path / "start.nc")
    starts.read(tmp_path / "start.nc", guided=True)
    tree, *_ = starts.best(parts)
    np.testing.assert_array_equal(tree["posterior"]["w"], chain(1)["posterior"]["w"])
    assert posterior.weights(tree).tolist() == [1.0]
    assert posterior.encoding(tree) == ENCODING


def test_a_mixture_has_a_chain_for_every_start_that_has_not_diverged(tmp_path):
    of_two = posterior.merged([chain(0), chain(1)])
    parts = [
        starts.packed([1.0, np.nan, 2.0], of_two, np.full(3, 1.0)),
        starts.packed([np.nan]),
        starts.packed([3.0], chain(2), np.full(3, 4.0)),
    ]
    posterior.write(parts[0], tmp_path / "start.nc")
    parts[0] = starts.read(tmp_path / "start.nc", guided=False)
    tree, losses = starts.mixture(parts)
    expected = posterior.merged([chain(number) for number in range(3)])
    np.testing.assert_array_equal(tree["posterior"]["w"], expected["posterior"]["w"])
    assert posterior.weights(tree).tolist() == [1 / 3] * 3
    assert posterior.encoding(tree) == ENCODING
    np.testing.assert_array_equal(tree["starts"]["elbo"], [1.0, np.nan, 2.0, np.nan, 3.0])
    np.testing.assert_allclose(losses, 2.0)  # of three starts, not of two jobs
    with pytest.raises(FloatingPointError, match="all 2 starts have diverged"):
        starts.mixture([starts.packed([np.nan]), starts.packed([np.nan])])
    # The best of them needs a guide, which a mixture does not leave.
    with pytest.raises(FileError):
        starts.read(tmp_path / "start.nc", guided=True)


@pytest.mark.parametrize(
    "weight",
    [
        ("chain", [0.5, 0.5]),
        ("chain", [0.5, 0.4, 0.2]),
        ("chain", [1.5, -0.5, 0.0]),
        ("chain", [np.nan, 0.5, 0.5]),
        ("chain", [1, 0, 0]),
        ("draw", [0.25] * 4),
    ],
)
def test_weights_that_are_no_shares_of_the_chains_are_refused(tmp_path, weight):
    tree = posterior.merged([chain(number) for number in range(3)])
    groups = {name: tree[name].to_dataset() for name in tree.children}
    groups["weights"] = xr.Dataset({"weight": weight})
    xr.DataTree.from_dict(groups).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(FileError, match="its weights are not"):
        posterior.read(tmp_path / "a.nc")


@pytest.mark.parametrize("dims", [("left", "chain"), ("chain", "left")])
def test_weights_without_a_chain_are_shares_too(tmp_path, dims):
    tree = posterior.merged([chain(number) for number in range(3)])
    without = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.4, 0]])
    tree = tree.assign(
        {"weights": xr.DataTree(tree["weights"].to_dataset().assign(without=(dims, without)))}
    )
    posterior.write(tree, tmp_path / "a.nc")
    with pytest.raises(FileError, match="its weights are not"):
        posterior.read(tmp_path / "a.nc")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.drop_vars("input_scale"),
        lambda d: d.assign(input_scale=-d["input_scale"]),
        lambda d: d.assign(target_centre=d["target_centre"] * np.nan),
        lambda d: d.assign_attrs(inputs='["x"]'),
        lambda d: d.assign_attrs(inputs='["x", "x", "y"]'),
        lambda d: d.assign_attrs(inputs='["x", 1, "y"]'),
        lambda d: d.assign_attrs(inputs="[" * 5000),
        lambda d: d.assign_attrs(targets="\x1b[2J"),
        lambda d: d.assign_attrs(targets='["\\u001b[2J", "z"]'),
    ],
)
def test_an_encoding_that_is_none_is_refused(tmp_path, change):
    tree = chain(0)
    groups = {name: tree[name].to_dataset() for name in tree.children}
    groups["encoding"] = change(groups["encoding"])
    xr.DataTree.from_dict(groups).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(FileError, match="its encoding cannot be read"):
        posterior.read(tmp_path / "a.nc")


@pytest.mark.parametrize(
    "text",
    [
        *("nonsense", "[]", "{}", "null", '{"inputs": [], "targets": []}', "[" * 100_000),
        ENCODING.as_text().replace("0.5", "0.0"),
        ENCODING.as_text().replace("0.5", "1e999"),
        ENCODING.as_text().replace("0.5", '"a"'),
        ENCODING.as_text().replace('"z"', '"y"'),
        ENCODING.as_text().replace("centre", "center"),
    ],
)
def test_parameters_with_a_hostile_encoding_are_refused(tmp_path, text):
    path = tmp_path / "parameters.safetensors"
    tensors = {name: np.ones(2, np.float32) for name in ("mean", "stddev")}
    save_file(tensors, path, {"sites": parameters.sites_as_text(SITES), "encoding": text})
    with pytest.raises(FileError, match="its encoding cannot be read"):
        parameters.read(path)


OF_MODEL = (*SITES, parameters.Site("scale", (2,), "log", parameters.LIKELIHOOD))


def a_memory(**changed):
    """Of three numbers, two outputs at an input and two scales."""
    random = np.random.default_rng(0)
    tensors = {"inputs": (1, 3), "loading": (3, 4), "target": (3,)}
    tensors = {
        name: random.normal(size=shape).astype(np.float32) for name, shape in tensors.items()
    }
    own = {"sites": OF_MODEL, "encoding": ENCODING} | tensors | changed
    return memories.Memory(**own)


@pytest.mark.parametrize("rank", [0, 3])
def test_a_memory_comes_back(tmp_path, rank):
    """One of nothing, too."""
    path, memory = tmp_path / "memory.safetensors", a_memory()
    memory = a_memory(loading=memory.loading[:rank], target=memory.target[:rank])
    memories.write(memory, path)
    found = memories.read(path)
    assert (found.sites, found.encoding) == (OF_MODEL, ENCODING)
    for name in ("inputs", "loading", "target"):
        np.testing.assert_array_equal(getattr(found, name), getattr(memory, name))
    memories.write(found, tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"inputs": np.ones(3, np.float32)}, "it has no inputs of 2 dimensions"),
        ({"loading": np.ones(4, np.float32)}, "it has no loading of 2 dimensions"),
        ({"target": np.ones((3, 1), np.float32)}, "it has no target of 1 dimensions"),
        ({"target": np.float32([0, np.nan, 0])}, "target is not finite"),
        ({"loading": np.full((3, 4), -np.inf, np.float32)}, "loading is not finite"),
        ({"inputs": np.ones((1, 3), np.int32)}, "inputs is of the type I32"),
        ({"target": np.ones(3)}, "target is not of single precision"),
        ({"target": np.ones(2, np.float32)}, "target has 2 entries, loading 3 rows"),
        ({"inputs": np.ones((0, 3), np.float32)}, "inputs has no rows"),
        (
            {"inputs": np.ones((3, 3), np.float32)},
            r"loading has 4 columns, of which 2 are the likelihood's; 2 are not as many for each of"
            " 3 inputs",
        ),
        (
            {"loading": np.ones((3, 2), np.float32)},
            r"loading has 2 columns, of which 2 are the likelihood's; 0 are not as many",
        ),
        ({"loading": np.ones((3, 1), np.float32)}, "-1 are not as many"),
        ({"inputs": np.ones((1, 2), np.float32)}, "inputs has 2 columns, the encoding 3"),
    ],
)
def test_a_memory_that_contradicts_itself_is_refused(tmp_path, changed, reason):
    path = tmp_path / "memory.safetensors"
    memories.write(a_memory(**changed), path)
    with pytest.raises(
        FileError, match=rf"memory\.safetensors cannot be read as the memory of a p.*{reason}"
    ):
        memories.read(path)


def test_a_file_that_is_no_memory_is_refused(tmp_path):
    path, own = tmp_path / "memory.safetensors", parameters.sites_as_text(OF_MODEL)
    parameters.write(parameters.Parameters(SITES, np.zeros(2), np.ones(2)), path)
    with pytest.raises(FileError, match=r"memory of a posterior: it has \['mean', 'stddev'\]"):
        memories.read(path)
    save_file({"inputs": np.ones((1, 3), np.float32)}, path, {"sites": own})
    with pytest.raises(FileError, match="it has no loading of 2 dimensions"):
        memories.read(path)
    memories.write(a_memory(), path)
    with pytest.raises(FileError, match="it has no tensor mean"):
        parameters.read(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(FileError, match="memory of a posterior"):
        memories.read(path)
    save_file({"inputs": np.ones((1, 3), np.float32)}, path, {"made by": "somebody else"})
    with pytest.raises(FileError, match="its sites cannot be read"):
        memories.read(path)
