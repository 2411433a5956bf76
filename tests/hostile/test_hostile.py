"""Files from strangers: refused by name, whatever is in them, by a process that lives on.

`fuzz.py`, beside this file, damages as many files as one likes.
"""

import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import fuzz
import h5py
import numpy as np
import pytest
import xarray as xr
from conftest import ROOT

from bnnflow.data import tutorial
from bnnflow.files import netcdf, parameters, posterior, predictions, safe
from bnnflow.files.errors import FileError
from bnnflow.judge import scores, verdicts

SITES = json.dumps([{"name": "sigma", "shape": [3], "transform": "log"}])
READERS = {
    "posterior.nc": posterior.read,
    "predictions.nc": predictions.read,
    "parameters.safetensors": parameters.read,
    "guide.safetensors": parameters.extracted,
    "data.csv": partial(safe.numbers, columns=tutorial.COLUMNS),
    "scores.csv": scores.read,
    "diagnostics.csv": verdicts.read,
    "verdicts.csv": verdicts.read_summary,
}


@pytest.fixture
def small_memory():
    """Nothing may take a gigabyte more than there is."""
    pages = int((Path("/proc/self/statm")).read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + (1 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(path, read=None) -> str:
    with pytest.raises(FileError, match=f"{path.name} cannot be read") as error:
        (read or READERS[path.name])(path)
    return str(error.value)


def test_random_mutations_are_read_or_refused(tmp_path):
    mutations = fuzz.Mutations(tmp_path, seed=0)
    found = list(fuzz.campaign(mutations, 3000, workers=2))
    assert [fault for _, _, faults, _ in found for fault in faults] == []
    assert {kind for kind, *_ in found} == set(mutations.whole)
    for kind, counts, *_ in found:
        assert counts.total() == 200
        # Some do no harm, most do.
        assert counts[fuzz.READ] > 0, kind
        assert counts[fuzz.REFUSED] > 100, kind


def test_random_mutations_are_read_or_refused_as_jobs_read_them(tmp_path):
    mutations = fuzz.Mutations(tmp_path, seed=1)
    found = fuzz.campaign(mutations, 15 * 25, workers=2, as_jobs=True)
    assert [fault for _, _, faults, _ in found for fault in faults] == []


@pytest.mark.parametrize("kind", ["chain.nc", "data.csv"])
def test_the_harness_sees_faults(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(fuzz, "SECONDS", 0.5)

    def reader(number):
        def read(path):
            if number == 3:
                raise KeyError("fault")
            if number == 4:
                os.kill(os.getpid(), signal.SIGSEGV)
            if number == 5:
                while True:
                    pass
            if number == 6:
                bytearray(1 << 30)

        return read

    class Faulty(fuzz.Mutations):
        def mutated(self, kind, number):
            self.readers[kind] = reader(number)
            return b""

    faulty = Faulty(tmp_path, seed=0)
    worker = fuzz._Worker(faulty, kind, range(8), as_jobs=True)
    while worker.heard():
        pass
    assert worker.counts == {
        fuzz.READ: 4,
        fuzz.CRASHED: 2,
        fuzz.HUNG: 1,
        fuzz.MEMORY_OVER: 1,
    }
    assert worker.faults == [(kind, number) for number in (3, 4, 5, 6)]


def test_netcdf_is_read_as_xarray_reads_it(tmp_path):
    for path, _ in fuzz._written(tmp_path).values():
        if path.suffix == ".nc":
            ours = netcdf.read(path, "a file")
            with xr.open_datatree(path, engine="h5netcdf") as theirs:
                groups = {node.path.strip("/"): node.to_dataset() for node in theirs.subtree}
                assert set(ours) == set(groups)
                for name, group in groups.items():
                    named = _named(group)
                    xr.testing.assert_identical(ours[name], named)
                    for variable in named.variables:
                        assert ours[name][variable].dtype == named[variable].dtype


def _named(group):
    """What xarray has read, with the texts that stand for the numbers of a coordinate."""
    texts = {
        name: (values.dims, np.array(json.loads(values.attrs[netcdf.LABELS])))
        for name, values in group.coords.items()
        if netcdf.LABELS in values.attrs
    }
    return group.assign_coords(texts)


def test_what_is_read_is_ones_own(tmp_path):
    """Arrays can be written to, and stay when the file and others are gone."""
    path = tmp_path / "posterior.nc"
    draws = {"sigma": np.ones(4, np.float32)}
    posterior.write(posterior.of_chain(draws), path)
    first, second = posterior.read(path), posterior.read(path)
    path.unlink()
    second["posterior"]["sigma"][:] = 2
    assert first["posterior"]["sigma"].to_numpy().tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "HDF5 crashes on it (SIGSEGV)"),
        (lambda: os.abort(), "HDF5 crashes on it (SIGABRT)"),
        (lambda: any(iter(int, 1)), "takes too long"),
        (lambda: bytearray(1 << 40), "takes too much memory"),
        (lambda: [bytearray(1 << 20) for _ in range(1 << 10)], "takes too much memory"),
        (lambda: os._exit(0), "the process that reads it was ended without a word"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was ended by SIGKILL"),
    ],
    ids=["crash", "abort", "hang", "memory", "much memory", "end", "kill"],
)
def test_what_hdf5_does_to_a_process_is_not_done_to_the_job(tmp_path, monkeypatch, deed, reason):
    path = tmp_path / "posterior.nc"
    posterior.write(posterior.of_chain({"sigma": np.ones(4, np.float32)}), path)
    monkeypatch.setattr(netcdf, "SECONDS", 1)
    monkeypatch.setattr(h5py, "File", lambda *arguments: deed())
    assert reason in refusal(path)


def test_why_a_file_cannot_be_read_is_told_if_it_is_not_the_files_fault(tmp_path, monkeypatch):
    def refused(_):
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "posterior.nc"
    posterior.write(posterior.of_chain({"sigma": np.ones(4, np.float32)}), path)
    monkeypatch.setattr(netcdf, "_limit", refused)
    assert "PermissionError: [Errno 1] Operation not permitted" in refusal(path)


LIMITED = """
import os, resource, sys
from pathlib import Path
from bnnflow.files import posterior

path, kind, limit = Path(sys.argv[1]), getattr(resource, sys.argv[2]), int(sys.argv[3])
posterior.read(path)  # imports what there is to import, which another user may not
resource.setrlimit(kind, (limit, limit))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(posterior.read(path)["posterior"]["sigma"].sum().item())
"""


@pytest.mark.parametrize(
    ("kind", "limit"),
    [("CORE", 0), ("CORE", 1), ("FSIZE", 0), ("FSIZE", 1 << 20), ("CPU", 60), ("AS", 1 << 40)],
)
def test_a_user_with_limits_who_is_not_root_reads_files(kind, limit):
    """Such as `ulimit -c 0`, after which no limit can be raised, not by one."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "posterior.nc")
        posterior.write(posterior.of_chain({"sigma": np.ones(4, np.float32)}), path)
        path.chmod(0o644)
        command = [sys.executable, "-c", LIMITED, str(path), f"RLIMIT_{kind}", str(limit)]
        scripts = ROOT / "workflow/scripts"
        done = subprocess.run(command, cwd=scripts, capture_output=True, text=True)
    assert done.stdout == "4.0\n", done.stderr


def _external(file):
    file.create_dataset("x", (9,), "f4", external=[("/etc/passwd", 0, 36)])


def _virtual(file):
    layout = h5py.VirtualLayout((9,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (9,))
    file.create_virtual_dataset("x", layout)


def _many(file):
    file["x"] = np.ones(10_000, "f4")
    file["x"].make_scale()
    file["z"] = file["x"]


def _foreign_dimension(file):
    file["other"] = np.ones(9, "f4")
    other = file.create_group("b")
    other["y"] = np.ones(9, "f4")
    other["y"].make_scale()
    file["other"].dims[0].attach_scale(other["y"])


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda f: f.create_dataset("x", (1 << 50,), "f4"), "not everything is stored"),
        (lambda f: f.create_dataset("x", (1 << 30,) * 2, "f8"), "not everything is stored"),
        (lambda f: f.create_dataset("x", (1 << 40,), "f4", chunks=(99,)), "stored in parts"),
        (lambda f: f.create_dataset("x", data=np.zeros(9**6), compression=9), "stored in parts"),
        (_external, "in another file"),
        (_virtual, "in another file"),
        (_many, "larger than the file"),
        (_foreign_dimension, "has the dimensions"),
        (lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/passwd", "x")), "is a link"),
        (lambda f: f.__setitem__("x", h5py.SoftLink("/y")), "is a link"),
        (lambda f: f.__setitem__("x", f["/"]), "not everything|within|is a link|neither"),
        (lambda f: f.create_group("a/b/c"), "neither a group in the root nor a variable"),
        (lambda f: f.__setitem__("x", np.dtype("f4")), "neither a group"),
        (lambda f: f.create_dataset("x", data="text"), "is of the type"),
        (lambda f: f.create_dataset("x", data=[b"abc"]), "is of the type"),
        (lambda f: f.create_dataset("x", data=["../.."]), "is of the type"),
        (lambda f: f.create_dataset("x", data=np.zeros(3, "f4,i4")), "is of the type"),
        (lambda f: f.create_dataset("x", data=np.zeros(3, "c8")), "is of the type"),
        (lambda f: f.create_dataset("x", data=np.zeros(3, "g")), "is of the type"),
        (lambda f: f.create_dataset("x", dtype=h5py.ref_dtype, shape=3), "is of the type"),
        (lambda f: f["y"].attrs.create("a", np.zeros(8000)), None),
        (lambda f: f["y"].attrs.create("a", ["text"] * 2), "neither text nor numbers"),
        (lambda f: f["y"].attrs.create("a", h5py.Empty("f4")), "H5Aget_storage_size"),
        (lambda f: f["y"].attrs.create("scale_factor", 2.0), "y is encoded"),
        (lambda f: f["y"].attrs.create("_FillValue", 1.0), "y is encoded"),
        (lambda f: f.create_dataset("../../x", data=1.0), "it has the name '..'"),
        (lambda f: f.create_dataset("a\nb", data=1.0), r"it has the name 'a\\nb'"),
        (lambda f: f.create_dataset("\x1b[31m", data=1.0), r"it has the name '\\x1b\[31m'"),
        (lambda f: f.create_dataset("<b>", data=1.0), "it has the name '<b>'"),
        (lambda f: f.create_dataset("é", data=1.0), "it has the name 'é'"),
        (lambda f: f.create_dataset("n" * 201, data=1.0), "it has the name"),
        (lambda f: f.create_dataset(b"\xff", data=1.0), "it has the name"),
        (lambda f: f.create_dataset("x", data=np.ones(7, "f4")), "x has other dimensions"),
    ],
)  # fmt: skip
def test_what_the_workflows_netcdf_never_has_is_refused(tmp_path, small_memory, made, reason):
    path = tmp_path / "hostile.nc"
    with h5py.File(path, "w", libver=("v108", "v110")) as file:
        file["y"] = np.ones(9, "f4")
        file["y"].make_scale()
        made(file)
    if reason is None:
        with pytest.raises(FileError, match="it has no inputs"):
            predictions.read(path)
    else:
        with pytest.raises(FileError, match=f"hostile.nc cannot be read as .*(?:{reason})"):
            predictions.read(path)


@pytest.mark.parametrize("version", ["earliest", "v108", "v110", "v114", "latest"])
def test_netcdf_that_is_cut_off_or_added_to_is_refused_before_hdf5_sees_it(
    tmp_path, monkeypatch, version
):
    path = tmp_path / "posterior.nc"
    with h5py.File(path, "w", libver=version) as file:
        file["x"] = np.ones(100)
        file["x"].make_scale()
    whole = path.read_bytes()
    assert "it has no draws" in refusal(path)
    monkeypatch.setattr(netcdf, "_answer", None)
    for part in (whole[:-1], whole[: len(whole) // 2], whole + b"\0"):
        path.write_bytes(part)
        assert f"it has {len(part)} bytes, and should have {len(whole)}" in refusal(path)


def raw(header, data=b"", size=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def tensors(dtype="F32", shape=(3,), sites=SITES, offsets=((0, 12), (12, 24))):
    entries = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": place}
        for name, place in zip(("mean", "stddev"), offsets, strict=True)
    }
    return raw(entries | {"__metadata__": {"sites": sites}}, np.ones(6, np.float32).tobytes())


# Of 8 bits or fewer, but for the last.
TYPES_NUMPY_LACKS = ("F4", "F8_E8M0", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "BF16")


def short(dtype) -> bytes:
    """Both tensors of such a type, all right otherwise."""
    shape, size = {"F4": ((6,), 3), "BF16": ((3,), 6)}.get(dtype, ((3,), 3))
    entries = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": (i * size, (i + 1) * size)}
        for i, name in enumerate(("mean", "stddev"))
    }
    return raw(entries | {"__metadata__": {"sites": SITES}}, bytes(2 * size))


def site(**changes):
    return json.dumps([{"name": "sigma", "shape": [3], "transform": "log"} | changes])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (raw(b"{}", size=2**63), "its header claims 9223372036854775808 bytes"),
        (raw(b"{}", size=5 << 20), "its header claims"),
        (raw(b"[" * 100_000), ""),
        (raw(b'{"a":' * 100_000), ""),
        (tensors(offsets=((0, 12), (0, 12))), ""),
        (tensors(offsets=((0, 12), (12, 2**60))), ""),
        (tensors(offsets=((12, 0), (12, 24))), ""),
        (tensors(shape=(2**62, 4)), ""),
        (tensors(shape=(-3,)), ""),
        (tensors(dtype="F64"), ""),
        (tensors(dtype="I32"), "mean is of the type I32"),
        (tensors(dtype="BF16"), ""),
        (tensors(dtype="F4"), ""),
        *((short(dtype), f"mean is of the type {dtype}") for dtype in TYPES_NUMPY_LACKS),
        (tensors(dtype="U8", shape=(12,)), "mean is (12,), not (3,)"),
        (tensors(dtype="I64", shape=(3,), offsets=((0, 24), (24, 48))), ""),
        (tensors(shape=(3, 1)), "mean is (3, 1), not (3,)"),
        (tensors(shape=(1,) * 70 + (3,)), ""),
        (tensors(sites="[" * 100_000), "sites cannot be read (RecursionError"),
        (tensors(sites="9" * 5000), "sites cannot be read (ValueError"),
        (tensors(sites=site(shape=[int("9" * 4000)])), "mean is"),
        (tensors(sites=site(shape=[1] * 65 + [3])), "has the shape"),
        (tensors(sites=site(shape=[-1, -3])), "has the shape"),
        (tensors(sites=site(shape=[0])), "has the shape"),
        (tensors(sites=site(shape=[3.0])), "has the shape"),
        (tensors(sites=site(shape=[float("inf")])), "has the shape"),
        (tensors(sites=site(shape=[True, 3])), "has the shape"),
        (tensors(sites=site(shape="3")), "has the shape"),
        (tensors(sites=site(name="../../x")), "a site has the name '../../x'"),
        (tensors(sites=site(name="a\nb")), "a site has the name"),
        (tensors(sites=site(name="\x1b[31m")), "a site has the name"),
        (tensors(sites=site(name="<script>")), "a site has the name"),
        (tensors(sites=site(name=["a"])), "a site has the name"),
        (tensors(sites=site(transform="__import__('os')")), "sigma has the transform"),
        (tensors(sites=SITES[:-1] + "," + SITES[1:]), "it has no sites, or one twice"),
        (tensors(sites="[]"), "it has no sites"),
    ],
)  # fmt: skip
def test_hostile_safetensors_are_refused(tmp_path, small_memory, content, reason):
    path = tmp_path / "parameters.safetensors"
    path.write_bytes(content)
    assert reason in refusal(path)


@pytest.mark.parametrize("dtype", TYPES_NUMPY_LACKS)
def test_a_checkpoint_of_foreign_types_is_refused(tmp_path, dtype):
    path = tmp_path / "0.checkpoint"
    path.write_bytes(short(dtype))
    with pytest.raises(FileError, match=f"mean is of the type {dtype}"):
        safe.safetensors(path, "a checkpoint", "pt")


@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (3, 1, 2), (1, 3, 2), (3, 1, 1), (3, 0, 2)])
def test_a_factor_of_another_rank_is_refused(tmp_path, shape):
    path = tmp_path / "guide.safetensors"
    kind = "AutoLowRankMultivariateNormal"
    tensors = {"loc": (3,), "scale": (3,), "cov_factor": shape}
    own = {f"{kind}.{name}": np.ones(size, np.float32) for name, size in tensors.items()}
    parameters.write_tensors(own, (parameters.Site("w", (3,), "identity"),), path)
    assert f"cov_factor is {shape}, not (3," in refusal(path)


def test_a_guide_cannot_ask_for_more_memory_than_its_file_explains(tmp_path, small_memory):
    count, path = 60_000, tmp_path / "guide.safetensors"
    sites = (parameters.Site("w", (count,), "identity"),)
    one = {"loc": np.ones(count, np.float32), "scale": np.ones(count, np.float32)}
    for kind, other in (
        ("AutoMultivariateNormal", {"scale_tril": np.ones((1, 1), np.float32)}),
        ("AutoLowRankMultivariateNormal", {"cov_factor": np.ones((1, count), np.float32)}),
        ("AutoLowRankMultivariateNormal", {"cov_factor": np.ones((count, 1), np.float32)}),
    ):
        own = {f"{kind}.{name}": tensor for name, tensor in (one | other).items()}
        parameters.write_tensors(own, sites, path)
        reason = refusal(path)
        assert "scale_tril is" in reason or "cov_factor is" in reason or "of memory" in reason


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n" * 1000,
        b"\0" * 1000,
        b"," * 2_000_000 + b"\n" + b"," * 2_000_000 + b"\n",
        b"x,y\n" + b"1" * 30_000_000 + b",2\n",
        b"x,y\n" + b'"' + b"1,2\n" * 1_000_000,
        b"x,y\n1,2\n" + b"," * 3_000_000 + b"\n",
        b"x,y\n1,\xff\xfe\n",
        "x,y\n1,2\n".encode("utf-16"),
        b"\xef\xbb\xbfx,y\n1,2\n",
        b"x,y\r1,2\r",
        b"x,y\n1,0x10\n",
        b"x,y\n1,1e400\n",
        b"x,y\n1,True\n",
        b"x,x\n1,2\n",
        b"x,y\n1,2",
    ],
)
@pytest.mark.parametrize("name", ["data.csv", "scores.csv", "diagnostics.csv", "verdicts.csv"])
def test_hostile_tables_are_refused(tmp_path, small_memory, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    refusal(path)


COLUMNS = "diagnostic,value,threshold,verdict,region,reason,counts_for\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ebfmi,1,1,good,,,\n", "it has the verdict 'good'"),
        ("__class__,1,1,pass,,,\n", "it has the diagnostic '__class__'"),
        ("ebfmi,one,1,pass,,,\n", "could not convert"),
        ("ebfmi,1,1,pass,,\n", "shorter"),
        ("ebfmi,1,1,pass,,,,\n", "longer"),
        ('ebfmi,1,1,pass,,,"\n', "unexpected end of data"),
        ("", "it has 0 rows"),
    ],
)
def test_diagnostics_that_contradict_the_workflow_are_refused(tmp_path, row, reason):
    path = tmp_path / "diagnostics.csv"
    path.write_text(COLUMNS + row)
    assert reason in refusal(path)


def test_names_that_pandas_takes_for_missing_are_names(tmp_path):
    path = tmp_path / "verdicts.csv"
    path.write_text("fit,verdict,reasons\nnan,fail,null\nnull,pass,\noracle,,itself\n")
    found = verdicts.read_summary(path)
    assert found.to_numpy().tolist() == [["nan", "fail", "null"], ["null", "pass", ""]]


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path, small_memory, name):
    path = tmp_path / name
    assert "No such file" in refusal(path)
    path.mkdir()
    assert "directory" in refusal(path)
    path.rmdir()
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "not a regular file" in refusal(path)
    path.unlink()
    path.symlink_to(path)
    refusal(path)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "more than the" in refusal(path)


def test_a_refusal_is_one_short_line_that_a_terminal_only_shows(tmp_path):
    reason = "\x1b[31m\n\r\a" + "\N{RIGHT-TO-LEFT OVERRIDE}x" * 10_000
    message = str(FileError("a.csv", "a table", reason))
    assert message.isprintable()
    assert len(message) < 4000
    assert message.startswith("a.csv cannot be read as a table: ")
