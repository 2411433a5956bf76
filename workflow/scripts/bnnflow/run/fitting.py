"""Which files a fit leaves."""

# What of another fit's posterior is a fit's prior.
MEMORY = "memory.safetensors"

# What lies beside a posterior, by what its method leaves: roles and names of files.
FILES = {
    "guide": {
        "guide": "guide.safetensors",
        "tensors": "parameters.safetensors",
        "table": "parameters.csv",
    },
    "loss": {"loss": "loss.csv"},
}
