"""Any language model, ours or another's, asked without video whatever the control."""

from dataclasses import replace

from eval.adapters.kinds import is_tuned
from eval.adapters.registry import load_adapter
from eval.adapters.request import Loaded, Request
from gymqa.frames.controls import NO_VIDEO


def load(request: Request) -> Loaded:
    """The adapter `blind`.

    Raises:
        GymQAError: as of the adapters gymqa and hf-vlm, whichever the model is of.
    """
    loaded = load_adapter("gymqa" if is_tuned(request.model) else "hf-vlm", replace(request, controls=(NO_VIDEO,)))
    return replace(loaded, under=lambda control: loaded.under(NO_VIDEO), n_frames=None)
