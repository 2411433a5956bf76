"""Make cells.csv: invented battery cells, of which the true capacity and resistance are known."""

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 500


def cells(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """A table of cells: their age and how they were used, their capacity and their resistance.

    Cycles wear a cell, the more so the hotter it is. Capacity falls and resistance grows with the
    wear. Both are measured with noise, and what is wrong with a cell moves both.
    """
    cycles = random.uniform(0, 2000, rows).round(0)
    temperature = random.uniform(0, 50, rows).round(1)
    current = random.uniform(0.2, 3, rows).round(2)
    wear = cycles / 2000 * np.exp((temperature - 25) / 25) * (0.5 + current / 3)
    capacity = 3.2 - 1.1 * wear / (1 + 0.3 * wear) - 0.25 * np.exp(-temperature / 10)
    resistance = 25 + 14 * wear + 12 * np.exp(-temperature / 12)
    shared = random.normal(size=rows)
    noise = random.normal(size=(2, rows))
    columns = {"cycles": cycles, "temperature": temperature, "current": current}
    return pd.DataFrame(
        columns
        | {
            "capacity": (capacity + 0.04 * (noise[0] - shared)).round(4),
            "resistance": (resistance + 0.9 * (noise[1] + shared)).round(3),
            "true_capacity": capacity.round(5),
            "true_resistance": resistance.round(4),
        }
    )


if __name__ == "__main__":
    table = cells(ROWS, np.random.default_rng(3))
    table.to_csv(Path(__file__).with_name("cells.csv"), index=False)
