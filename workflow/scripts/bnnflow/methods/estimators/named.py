"""The models by name."""

from . import gaussian_process, gradient_boosting

ESTIMATORS = {"gaussian_process": gaussian_process, "gradient_boosting": gradient_boosting}
