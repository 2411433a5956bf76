"""What stands beside the fits with scores and without a verdict, by name."""

# The process that made the data, where that is known.
ORACLE = "oracle"

# What every fit of a table should beat.
LINE = "linear"
BASELINES = "constant", LINE

# What each is.
REFERENCES = {
    ORACLE: "the generating process itself",
    "constant": "one distribution for all rows, learnt without the inputs",
    LINE: "a linear model of the inputs",
}
