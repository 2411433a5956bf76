import numpy as np
import pandas as pd
import pytest

from bnnflow.data import tutorial
from bnnflow.files import losses, safe
from bnnflow.files.errors import FileError


def test_the_stream_gives_the_tutorials_observations(config):
    """The notebook's own lines, beside what the config gives."""
    np.random.seed(42)
    x_obs = np.hstack([np.linspace(-0.2, 0.2, 500), np.linspace(0.6, 1, 500)])
    expected = {}
    for name, x in (("old", x_obs), ("new", np.linspace(0.2, 0.6, 100))):
        noise = 0.02 * np.random.randn(x.shape[0])
        waves = [0.3 * np.sin(k * np.pi * (x + noise)) for k in (2, 4)]
        expected[name] = x, x + waves[0] + waves[1] + noise

    settings = config["data"]
    random = np.random.RandomState(settings["seed"])
    for one in settings["observations"]:
        table = tutorial.simulated(one["intervals"], settings["noise"], random)
        x, y = expected[one["name"]]
        # Sums of four terms below 2 in another order differ by a few units in the last place.
        np.testing.assert_array_equal(table["x"], x)
        np.testing.assert_allclose(table["y"], y, rtol=0, atol=8 * np.finfo(float).eps)


def test_truth_is_the_noise_free_limit():
    random = np.random.RandomState(0)
    noiseless = tutorial.simulated([[-1, 1, 5]], 0.0, random)
    pd.testing.assert_frame_equal(noiseless, tutorial.truth([-1, 1, 5]))
    # f(k / 2) = k / 2, where both sines vanish.
    np.testing.assert_allclose(noiseless["y"], noiseless["x"], atol=1e-15)


def test_reading_gives_back_every_bit(tmp_path):
    table = tutorial.simulated([[0, 1, 1000]], 0.1, np.random.RandomState(1))
    safe.write_table(table, tmp_path / "set.csv")
    pd.testing.assert_frame_equal(
        safe.numbers(tmp_path / "set.csv", tutorial.COLUMNS), table, check_exact=True
    )


def test_losses_of_another_number_of_steps_are_refused(tmp_path):
    path = tmp_path / "loss.csv"
    safe.write_table(pd.DataFrame({"step": range(1, 9), "loss": 0.5}), path)
    assert losses.read(path, 8).tolist() == [0.5] * 8
    lines = path.read_text().splitlines(keepends=True)
    for steps, kept in ((9, lines), (8, lines[:-1]), (8, lines[:3] + lines[4:])):
        path.write_text("".join(kept))
        with pytest.raises(FileError, match=f"are not those from 1 to {steps}"):
            losses.read(path, steps)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a table of numbers"),
        ("x,y\n1,2\n3,4", "no text of whole lines"),
        ("x,y\n1,2\n3,4,5\n6\n", "Expected 2 fields in line 3, saw 3"),
        ("x,y\n1,2\n3\n", "too many or few values"),
        ("x,y\n\n1,2\n", "too many or few values"),
        ("x,y\n0,1,2\n0,1,2\n", "too many or few values"),
        ('x,y\n"1\n",2\n', "of which no finite number is made"),
        ("x,y\n1,1e999\n", "missing or infinite"),
        ("x,y\n1,\0002\n", "no text of whole lines"),
        ("x,y\n1,2e\u0080\n", "a table of numbers"),
        ("x,y\n", "it has 0 rows"),
        ("a,b\n1,2\n", "columns x, y: it begins with 'a,b'"),
        ("x,y\n1,two\n", "a table of numbers"),
        ("x,y\n1,\n", "missing or infinite"),
        ("x,y\n1,inf\n", "it has 'inf', of which no finite number"),
        ("\x89PNG\r\n\x1a\n\x00\x00", ""),
    ],
)
def test_a_file_that_is_no_data_set_is_named(tmp_path, text, reason):
    path = tmp_path / "set.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FileError, match=rf"set\.csv cannot be read as .*{reason}"):
        safe.numbers(path, tutorial.COLUMNS)
