"""Training clips whose frames come in another random order each time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gymqa.frames.controls import SHUFFLED, ControlledFrames
from gymqa.frames.sampling import Indices
from gymqa.frames.source import FrameSource
from gymqa.runtime.seeding import Draws


class ReshuffledFrames(ControlledFrames):
    """A view of a source; every order of a clip's frames is as likely as another, the right one among them.

    The control "shuffled" keeps one order of each clip, which a network could learn by heart. Here the order depends on
    the frames that were drawn as well, and so changes from step to step, but not from run to run.

    Args:
        source: a frame cache, say.
        seed: of the orders.
    """

    def __init__(self, source: FrameSource, seed: int) -> None:
        super().__init__(source, SHUFFLED, seed)
        self._orders = seed

    def fingerprint(self) -> dict[str, Any]:
        """The source's, with the orders' name and seed."""
        return {**super().fingerprint(), "control": "reshuffled"}

    def _places(self, clip_ids: Sequence[str], indices: Indices) -> Indices:
        """The frames [B, N] in their new order."""
        rows = zip(clip_ids, indices.tolist(), strict=True)
        found = [list(Draws("reshuffled", clip, self._orders, *row).shuffled(row)) for clip, row in rows]
        return np.array(found, np.int64)
