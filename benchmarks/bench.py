"""Measure the workflow beside its peers: `make bench`, or one section with `--only`.

Every section is a function of a module beside this one, which returns its rows. They go into
bench.csv, in place of the rows that the section left there before, and from it come the summary
and the plots. Everything is measured on one thread and one core, but for the whole runs.
"""

import argparse
import importlib
import importlib.util
import os
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent

# In the order in which they run, with the module of each.
SECTIONS = {
    "gradient": "speed",
    "chains": "speed",
    "step": "speed",
    "nuts": "sampling",
    "nutpie": "sampling",
    "draws": "sampling",
    "mclmc_step": "microcanonical",
    "reach": "microcanonical",
    "adjusted": "adjusted",
    "bias": "adjusted",
    "limits": "limits",
    "growth": "growth",
    "blocks": "growth",
    "tables": "wide",
    "run": "runs",
    "profile": "runs",
    "compiling": "compiling",
    "planning": "runs",
    "cluster": "runs",
}

# The cores of this machine; XLA spreads a call over all that it may use, whatever its flags say.
CORES = os.sched_getaffinity(0)

# Before torch and JAX are imported, which read them then.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    names = ", ".join(SECTIONS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it; into quick/")
    parser.add_argument(
        "--only", nargs="*", metavar="SECTION", help=f"some of {names}; none: summary and plots"
    )
    given = parser.parse_args()
    if unknown := set(given.only or ()) - set(SECTIONS):
        parser.error(f"no section {', '.join(unknown)}; there are {names}")
    return given


def measured(section: str, quick: bool) -> list | None:
    """Rows of a section, or nothing if it fails, which is shown."""
    begin = time.perf_counter()
    print(f"{section} ...", flush=True)
    os.sched_setaffinity(0, CORES if SECTIONS[section] == "runs" else {max(CORES)})
    try:
        rows = getattr(importlib.import_module(SECTIONS[section]), section)(quick)
    except Exception:
        traceback.print_exc()
        return None
    print(f"{section}: {len(rows)} rows in {time.perf_counter() - begin:.0f} s", flush=True)
    return rows


def main() -> None:
    """Measure the sections asked for, then write the table, the summary and the plots."""
    given = arguments()
    missing = [
        name
        for name in ("jax", "numpyro", "blackjax", "arviz")
        if not importlib.util.find_spec(name)
    ]
    if missing:
        sys.exit(f"{', '.join(missing)} missing: pip install -r benchmarks/requirements.txt")
    os.environ.update(ONE_THREAD)
    import plots
    import report
    import torch

    torch.set_num_threads(1)
    folder = HERE / ("quick" if given.quick else "results")
    folder.mkdir(exist_ok=True)
    path, failed = folder / "bench.csv", []
    for section in SECTIONS if given.only is None else given.only:
        rows = measured(section, given.quick)
        failed += [section] if rows is None else []
        report.merge(path, section, rows or [])
    table = report.read(path)
    (folder / "summary.md").write_text(report.summary(table), encoding="utf-8")
    plots.draw(table, folder)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
