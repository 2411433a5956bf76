"""The methods there are: what their jobs are made of, and what they leave. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from .settings import Nuts, Settings, Svi


@dataclass(frozen=True)
class Declared:
    """What a method says of itself to whoever plans, judges or draws its fits.

    Attributes:
        name: the value of `inference.method`, and the module of this package that runs it.
        settings: the class of what `inference` may say.
        part: what a fit consists of, "chain" or "start"; independent, each with a seed of its own.
        leaves: what lies beside the posterior: "trajectories", draws whose order means something,
            so that they can be looked at as chains; "guide", a normal distribution in
            unconstrained space, which can be another fit's prior; "loss", a number for each step.
    """

    name: str
    settings: type[Settings]
    part: str
    leaves: frozenset[str]

    def jobs(self, inference: Mapping) -> list[range]:
        """Numbers of the parts that a job makes, for each job of a fit.

        Args:
            inference: the fit's settings, `chains` or `starts` among them; `chains_per_job` or
                `starts_per_job`, where the method has it, says how many a job makes.
        """
        count = inference[f"{self.part}s"]
        together = inference.get(f"{self.part}s_per_job", 1)
        return [range(n, min(n + together, count)) for n in range(0, count, together)]


METHODS = {
    method.name: method
    for method in (
        Declared("nuts", Nuts, part="chain", leaves=frozenset({"trajectories"})),
        Declared("svi", Svi, part="start", leaves=frozenset({"guide", "loss"})),
    )
}
