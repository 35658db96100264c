"""What a GymMLLM is made of, as its config.json says it; it is loaded by this, never by the name of a folder."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from transformers import PretrainedConfig

from encoders.llm.loading import DTYPES
from encoders.llm.lora import LoRASettings
from gymqa.errors import GymQAError
from gymqa.hub.client import split_revision


class GymMLLMConfig(PretrainedConfig):
    """What a GymMLLM is made of.

    Args:
        llm: language model, as `load_llm` takes it; of a merged model, the folder in its own that holds it.
        llm_revision: its commit on the Hub, if it is from there; also what follows an @ in `llm`.
        llm_dtype: precision of its frozen weights.
        base_llm: of a merged model, the language model that the adapters were merged into.
        merged: the language model is the tuned one, in the same folder; there are no adapters.
        encoder: fingerprint of the video encoder whose tokens it reads; compared with the feature store's.
        visual_dim: D of the encoder's tokens.
        n_visual: embeddings that stand for a video in a prompt.
        n_tokens: N, tokens of a video as the encoder gives them; 0 means as many as `n_visual`.
        projector: "linear", "mlp2", "resampler", "joint" or "codebook".
        n_codes: codes of a codebook projector.
        lora: fields of LoRASettings.
        blind: trained and asked without any video.
        setting: name of the elements it was tuned on.
        elements: event, name and display name of each of them, by label.

    Raises:
        GymQAError: a field that cannot be, or numbers of tokens that the projector cannot join.
    """

    model_type = "gym_mllm"

    def __init__(
        self,
        llm: str = "tiny-vicuna",
        llm_revision: str | None = None,
        llm_dtype: str = "float32",
        base_llm: str | None = None,
        merged: bool = False,
        encoder: dict[str, Any] | None = None,
        visual_dim: int = 128,
        n_visual: int = 7,
        n_tokens: int = 0,
        projector: str = "mlp2",
        n_codes: int = 0,
        lora: dict[str, Any] | None = None,
        blind: bool = False,
        setting: str = "",
        elements: Sequence[Sequence[str]] = (),
        **kwargs: Any,
    ) -> None:
        self.llm, revision = split_revision(llm)
        self.llm_revision, self.llm_dtype = llm_revision or revision, llm_dtype
        self.base_llm, self.merged = base_llm, merged
        self.encoder, self.projector = encoder or {}, projector
        self.visual_dim, self.n_visual, self.n_tokens = visual_dim, n_visual, n_tokens or n_visual
        self.n_codes, self.blind = n_codes, blind
        self.setting, self.elements = setting, [list(element) for element in elements]
        settings = _lora_settings(lora or {})
        self.lora = {**asdict(settings), "targets": list(settings.targets)}
        if llm_dtype not in DTYPES:
            raise GymQAError(f"there is no llm_dtype {llm_dtype!r}; choose one of {', '.join(DTYPES)}")
        if projector != "resampler" and self.n_tokens != n_visual:
            raise GymQAError(
                f"the projector {projector} makes as many embeddings of a video as it has tokens, not {n_visual} of "
                f"{self.n_tokens}; use a resampler"
            )
        super().__init__(**kwargs)

    @property
    def lora_settings(self) -> LoRASettings:
        """The adapters' settings."""
        return _lora_settings(self.lora)

    @property
    def llm_name(self) -> str:
        """The language model with its revision, as `load_llm` takes it."""
        return f"{self.llm}@{self.llm_revision}" if self.llm_revision else self.llm


def _lora_settings(fields: dict[str, Any]) -> LoRASettings:
    try:
        return LoRASettings(**{**fields, "targets": tuple(fields.get("targets", ()))})
    except TypeError as error:
        raise GymQAError(f"{fields} are no LoRA settings ({error}); save the model again") from error
