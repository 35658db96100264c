"""Features that a model is asked with: those of its own encoder, whatever the seed of the further views was."""

from pathlib import Path

import pytest
import torch

from encoders.answering.controlled_features import features_under
from encoders.features.store import FeatureStore
from eval.adapters.request import Request
from gymqa.errors import GymQAError
from tests.helpers.naming import naming

TUNED_WITH = {"encoder": "example", "grid": 2, "seed": 0}


def _given(folder: Path, **fingerprint: object) -> Request:
    """A request with features of that fingerprint."""
    FeatureStore.create_or_open(folder, {**TUNED_WITH, **fingerprint}, 2, 4).add(["a"], torch.zeros(1, 2, 4))
    return Request(
        model="mllm", name="mllm", scoring=None, batch_size=1, device="cpu", features=folder, frames=None,
        encode_with=None, control_seed=0, folder=folder, clips={},
    )  # fmt: skip


def test_the_seed_of_further_views_does_not_matter(tmp_path: Path) -> None:
    assert "a" in features_under("none", _given(tmp_path, seed=1), TUNED_WITH)


@pytest.mark.parametrize(
    ("change", "named"), [({"dtype": "bf16"}, ("dtype", "bf16", None)), ({"grid": 3}, ("grid", 3, 2))]
)
def test_what_differs_is_named(tmp_path: Path, change: dict[str, object], named: tuple[object, ...]) -> None:
    with pytest.raises(GymQAError, match=naming("mllm", *named)):
        features_under("none", _given(tmp_path, **change), TUNED_WITH)
