"""How the parts of a fit are made and combined, and which files a fit leaves."""

from dataclasses import dataclass

# What lies beside a posterior, by what its method leaves: roles and names of files.
FILES = {
    "guide": {
        "guide": "guide.safetensors",
        "tensors": "parameters.safetensors",
        "table": "parameters.csv",
    },
    "loss": {"loss": "loss.csv"},
}


@dataclass(frozen=True)
class Part:
    """How the parts of fits are made, which may be jobs of their own.

    Attributes:
        makes: the script of a job that makes parts.
        combines: the script of the job that puts them into one posterior.
        priority: of making them among all jobs: the longest first, because others wait for them.
    """

    makes: str
    combines: str
    priority: int


PARTS = {
    "chain": Part("sample_chain", "merge_chains", priority=2),
    "start": Part("fit_start", "choose_start", priority=1),
}
