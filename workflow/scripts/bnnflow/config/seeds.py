"""Seeds by name."""

import hashlib


def derived(seed: int, *names: str | int) -> int:
    """Seed of the job called `names`, in [0, 2**32).

    Jobs of different names get unrelated seeds, so that adding a job changes no other.
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
