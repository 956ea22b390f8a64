"""Count how often the fast average of one symbol crosses the slow one; runs in every peer's environment."""


class CrossingCount:
    """Averages that are equal leave it as it was; the first that are not are no crossing."""

    def __init__(self) -> None:
        """Know of no average yet."""
        self.count = 0
        self._above: bool | None = None

    def add(self, fast: float, slow: float) -> None:
        """Take both averages as of a new 5m bar."""
        if fast == slow:
            return
        above = fast > slow
        if self._above is not None and above != self._above:
            self.count += 1
        self._above = above
