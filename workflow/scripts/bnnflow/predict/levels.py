"""Probabilities at which predictive distributions are looked at."""

import numpy as np

# Central intervals whose coverage is reported.
COVERAGE = (0.5, 0.8, 0.9, 0.95)
# Probabilities below which the share of observations is compared with them.
CALIBRATION = np.linspace(0.05, 0.95, 19).round(4)

# Quantiles that the widths of the intervals need.
LEVELS = sorted({round(0.5 + side * level / 2, 4) for level in COVERAGE for side in (-1, 1)})
