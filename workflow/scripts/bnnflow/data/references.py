"""What stands beside the fits with scores and without a verdict, by name."""

# The process that made the data, where that is known.
ORACLE = "oracle"

# What every fit should beat.
LINE = "linear"
BASELINES = "constant", LINE

# What each is.
REFERENCES = {
    ORACLE: "the generating process itself",
    "constant": "one distribution for all rows, learnt without the inputs",
    LINE: "a linear model of the inputs",
}


def at_split(reference: str, split: str) -> str:
    """What a reference is called in tables and paths, by the split of the table, if it has one."""
    return "-".join(filter(None, (reference, split)))


def account_of(name: str) -> str:
    """What the reference of a name is, as `at_split` has made it."""
    return REFERENCES[name.partition("-")[0]]
