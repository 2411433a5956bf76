"""Make bees.csv: invented counts of bees on flowers, of which the true rate is known."""

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 600


def visits(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """A table of quarters of an hour, with the bees that came and the rate at which they come.

    Bees come on warm days, most of all about 24 °C, and stay away in wind. They come about noon,
    and to clover more than to roses. From day to day their number varies more than Poisson's.
    """
    temperature = random.uniform(5, 35, rows).round(1)
    wind = random.gamma(2, 2, rows).round(1)
    hour = random.uniform(7, 20, rows).round(2)
    flower = random.choice(["clover", "lavender", "rose"], rows)
    warm = np.exp(-(((temperature - 24) / 7) ** 2))
    noon = np.exp(-(((hour - 13) / 4) ** 2))
    attracts = pd.Series(flower).map({"clover": 14.0, "lavender": 10.0, "rose": 3.0}).to_numpy()
    rate = 0.2 + attracts * warm * noon / (1 + (wind / 5) ** 3)
    bees = random.poisson(rate * random.gamma(4, 1 / 4, rows))
    columns = {"temperature": temperature, "wind": wind, "hour": hour, "flower": flower}
    return pd.DataFrame(columns | {"bees": bees, "true_rate": rate.round(3)})


if __name__ == "__main__":
    table = visits(ROWS, np.random.default_rng(1))
    table.to_csv(Path(__file__).with_name("bees.csv"), index=False)
