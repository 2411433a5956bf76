"""What is compiled once for all programs: the same results, and none the worse without it."""

import shutil
from contextlib import nullcontext
from itertools import count

import pytest
import torch
from conftest import kit

from bnnflow.density import building, compilers, kept, native

numbers = count(3)


def powers(x):
    return (torch.tanh(x) * torch.exp(x).sum(),)


def compiled_anew():
    """The result of a program that nothing has compiled yet: three, five or so times one."""
    number = next(numbers)
    (result,) = native.compiled(lambda x: (x * number,), torch.ones(4))(torch.ones(4))
    assert result.tolist() == [number] * 4


def replaced(path, content):
    path.unlink()
    path.write_bytes(content)


@pytest.fixture
def plainly_built(monkeypatch):
    """The commands that PyTorch's own way has run."""
    from torch._inductor import cpp_builder

    commands, run = [], cpp_builder.run_compile_cmd

    def recorded(command, cwd):
        commands.append(command)
        run(command, cwd)

    monkeypatch.setattr(cpp_builder, "run_compile_cmd", recorded)
    return lambda end: [c for c in commands if any(w.endswith(end) for w in c.split())]


def test_headers_classes_and_probes_are_compiled_once(cache, plainly_built):
    before = {path: path.stat().st_mtime_ns for path in kit(cache)}
    assert len([path for path in before if path.name.startswith("header")]) == 2
    compiled_anew()
    assert {path: path.stat().st_mtime_ns for path in kit(cache)} == before
    assert not plainly_built(building.WRAPPER)
    assert not plainly_built(building.KERNEL)


def test_results_are_to_the_bit_those_of_pytorchs_own_way(cache, tmp_path, monkeypatch):
    x = torch.linspace(-3, 3, 1001)
    (quick,) = native.compiled(powers, x)(x)
    monkeypatch.setattr(building, "prepared", lambda *_: nullcontext())
    monkeypatch.setenv("BNNFLOW_CACHE", str(tmp_path / "plain"))
    (plain,) = native.compiled(powers, x)(x)
    assert torch.equal(quick.view(torch.int32), plain.view(torch.int32))


@pytest.mark.parametrize("kind", ["header", "classes"])
def test_a_damaged_part_is_made_again(cache, caplog, kind):
    path = max(cache.glob(f"{kind}-*"), key=lambda path: path.stat().st_size)
    whole = path.stat().st_size
    replaced(path, path.read_bytes()[: whole // 2])
    compiled_anew()
    assert "is damaged; it is made again" in caplog.text
    assert sum(p.stat().st_size >= 0.9 * whole for p in cache.glob(f"{kind}-*")) >= 1


def test_where_a_part_is_no_good_pytorchs_own_way_builds(cache, plainly_built):
    for path in cache.glob("header-*.gch"):
        key = path.name.rpartition("-")[0]
        replaced(path, b"whole, but no header")
        path.rename(cache / kept.name(key, path, ".h.gch"))
    compiled_anew()
    assert plainly_built(building.WRAPPER)
    assert plainly_built(building.KERNEL)


def test_a_compiler_that_precompiles_nothing_compiles(tmp_path, monkeypatch):
    compiler = tmp_path / "g++"
    real = shutil.which("g++")
    refuses = "*c++-header*) echo no >&2; exit 1"
    compiler.write_text(f'#!/bin/sh\ncase "$*" in {refuses};; esac\nexec {real} "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("BNNFLOW_CACHE", str(tmp_path / "cache"))
    compiled_anew()
    assert not list((tmp_path / "cache").glob("header-*.gch"))


def test_another_version_of_pytorchs_wrapper_is_built_whole(cache, monkeypatch, plainly_built):
    monkeypatch.setattr(building, "_interface", lambda: "of another version")
    compiled_anew()
    assert plainly_built(building.WRAPPER)
    assert not plainly_built(building.KERNEL)


def test_a_cache_that_ends_with_the_process_gets_programs_only(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BNNFLOW_CACHE", str(tmp_path / "file"))
    compiled_anew()
    assert not kit(kept.temporary())


def test_a_blank_in_the_name_of_the_cache(cache, tmp_path, monkeypatch):
    place = tmp_path / "a folder's name"
    place.mkdir()
    for path in kit(cache):
        path.rename(place / path.name)
    monkeypatch.setenv("BNNFLOW_CACHE", str(place))
    compiled_anew()
    assert len(list(place.glob("*.pt2"))) == 1


@pytest.mark.parametrize("quoted", ["{}", '"{}"'])
def test_a_blank_in_the_compilers_path(cache, tmp_path, monkeypatch, quoted):
    compiler = tmp_path / "my tools" / "g++"
    compiler.parent.mkdir()
    compiler.symlink_to(shutil.which("g++"))
    monkeypatch.setenv("CXX", quoted.format(compiler))
    assert native.compiler() == str(compiler)
    assert compilers.version() != "none"
    compiled_anew()
    assert len(list(cache.glob("*.pt2"))) == 1


def test_a_quotation_mark_without_its_fellow_in_cxx(monkeypatch):
    monkeypatch.setenv("CXX", '"g++')
    with pytest.raises(native.NotCompiledError, match="there is no C"):
        native.compiler()


def test_pytorch_in_a_folder_with_a_blank_is_told(cache, monkeypatch):
    monkeypatch.setattr(torch, "__file__", "/opt/my tools/torch/__init__.py")
    with pytest.raises(native.NotCompiledError, match=r"PyTorch is in /opt/my tools"):
        compiled_anew()


def test_what_a_killed_job_was_making_goes(tmp_path):
    left = tmp_path / "making-key-killed"
    left.mkdir()

    def make(folder):
        (folder / "new").write_text("whole", encoding="utf-8")
        return folder / "new"

    path = kept.keep(tmp_path, "key", ".txt", make)
    assert path.read_text(encoding="utf-8") == "whole"
    assert not left.exists()
    assert kept.found(tmp_path, "key", ".txt") == path


def test_of_what_cannot_be_made_nothing_is_kept(tmp_path):
    with pytest.raises(OSError, match="full"):
        kept.keep(tmp_path, "key", ".txt", lambda _: (_ for _ in ()).throw(OSError("full")))
    assert [path.name for path in tmp_path.iterdir()] == ["key.lock"]
