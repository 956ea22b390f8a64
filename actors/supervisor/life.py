"""Which life of a run it is: one that was resumed goes on from what earlier ones have left."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from actors.runtime.journal_repair import NOT_TORN, Torn


@dataclass(frozen=True)
class Life:
    """Which life of a run it is, where its journal ends, and whom it goes on without."""

    resumed: int = 0
    """How often the run was resumed, this time included."""
    epoch: int = 0
    """Above all of the journal's."""
    torn: Torn = NOT_TORN
    cut_bytes: int = 0
    """Whole records that are to be published again."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Strategies' engines that an earlier life had gone on without, and why."""

    def notes(self) -> Iterator[str]:
        """Say for the log what the run goes on from."""
        if self.resumed:
            yield f"Resumed ({self.resumed}); {self.cut_bytes} bytes of the journal are written again"
        if self.torn.segment is not None:
            yield (
                f"The journal was torn in segment {self.torn.segment}: {self.torn.bytes} bytes were cut off, "
                f"{self.torn.segments} later segments among them"
            )
        for name, why in self.lost.items():
            yield f"It goes on without {name}, as before: {why}"


FIRST_LIFE: Final = Life()
