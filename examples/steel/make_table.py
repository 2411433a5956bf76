"""Make steel.csv: invented steels, of which the true strength and its noise are known."""

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 800
PROCESSES = {"cast": -40.0, "forged": 25.0, "rolled": 0.0}


def steels(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """A table of steels, with the strength that each has but for its noise, and the noise.

    Carbon makes a steel stronger, ever more slowly. Tempering softens a steel, the more carbon it
    has, and most of all about 420 °C. Thick plates cool slowly, which casting suffers from most.
    The noise grows with the thickness.
    """
    carbon = random.uniform(0.1, 1.0, rows).round(3)
    temper = random.uniform(150, 650, rows).round(0)
    thickness = random.gamma(4, 5, rows).round(1)
    process = random.choice(list(PROCESSES), rows, p=[0.2, 0.3, 0.5])
    softened = 1 / (1 + np.exp(-(temper - 420) / 40))
    slow = thickness / (thickness + 25)
    mean = 320 + 700 * np.sqrt(carbon) - (90 + 380 * carbon) * softened
    mean += pd.Series(process).map(PROCESSES).to_numpy()
    mean -= slow * np.where(process == "cast", 180, 90)
    stddev = 6 + 0.9 * thickness
    return pd.DataFrame(
        {
            "carbon": carbon,
            "temper": temper,
            "thickness": thickness,
            "process": process,
            "strength": (mean + stddev * random.normal(size=rows)).round(1),
            "true_strength": mean.round(2),
            "noise": stddev.round(3),
        }
    )


if __name__ == "__main__":
    table = steels(ROWS, np.random.default_rng(0))
    table.to_csv(Path(__file__).with_name("steel.csv"), index=False)
