"""Names of sites within a model."""

from pyro.poutine.messenger import Messenger


class Prefixed(Messenger):
    """Sample statements under names that begin with a prefix.

    Pyro's own `scope` sets a slash behind it, which no name of a site has.
    """

    def __init__(self, prefix: str):
        super().__init__()
        self.prefix = prefix

    def _pyro_sample(self, message: dict) -> None:
        message["name"] = f"{self.prefix}{message['name']}"
