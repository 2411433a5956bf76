"""Make minerals.csv: invented minerals of three kinds that overlap."""

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 450

# By kind: how frequent it is, and means of density (g/cm³), hardness and lustre.
KINDS = {
    "calcite": (0.5, (2.7, 3.0, 0.45)),
    "fluorite": (0.3, (3.1, 4.0, 0.55)),
    "quartz": (0.2, (2.65, 6.5, 0.7)),
}


def minerals(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """A table of stones: measurements that scatter about those of their kind, and the kind.

    Wet stones are measured less exactly, which makes calcite and fluorite hard to tell apart.
    """
    names = list(KINDS)
    kind = random.choice(names, rows, p=[share for share, _ in KINDS.values()])
    surface = random.choice(["dry", "wet"], rows)
    means = np.array([KINDS[name][1] for name in kind])
    spread = np.where(surface == "wet", 2.5, 1.0)[:, None] * [0.12, 0.5, 0.08]
    density, hardness, lustre = (means + spread * random.normal(size=means.shape)).round(3).T
    columns = {"density": density, "hardness": hardness, "lustre": lustre, "surface": surface}
    return pd.DataFrame(columns | {"kind": kind})


if __name__ == "__main__":
    table = minerals(ROWS, np.random.default_rng(2))
    table.to_csv(Path(__file__).with_name("minerals.csv"), index=False)
