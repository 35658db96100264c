"""GymMLLMConfig: configuration of a GymMLLM (language model, encoder, projector, LoRA), saved as config.json."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field
from transformers import PretrainedConfig

from encoders.llm.loading import DTYPES
from encoders.llm.lora import LoRASettings
from gymqa.errors import GymQAError
from gymqa.hub.client import split_revision
from gymqa.io.typed_json import Count, Typed, Width

CHATS = ("vicuna", "own")


class SavedConfig(Typed):
    """config.json of a saved GymMLLM; what else transformers writes there is not read."""

    llm: str = Field(default="tiny-vicuna", min_length=1, max_length=4096)
    llm_revision: str | None = None
    llm_dtype: str = "float32"
    base_llm: str | None = None
    merged: bool = False
    chat: Literal["vicuna", "own"] = "vicuna"
    encoder: dict[str, Any] | None = None
    visual_dim: Width = 128
    n_visual: Width = 7
    n_tokens: Count = 0
    projector: str = "mlp2"
    n_codes: Count = 0
    lora: dict[str, Any] | None = None
    blind: bool = False
    setting: str = ""
    elements: tuple[tuple[str, str, str], ...] = ()


class GymMLLMConfig(PretrainedConfig):
    """Configuration of a GymMLLM.

    Args:
        llm: language model, as `load_llm` takes it; for a merged model, the subfolder that holds it.
        llm_revision: its commit on the Hub, if any; also taken from what follows an @ in `llm`.
        llm_dtype: precision of its frozen weights.
        base_llm: of a merged model, the language model that the adapters were merged into.
        merged: the language model is the tuned one, in the same folder, without adapters.
        chat: form of the prompts: "vicuna", or "own", the chat template of the language model's tokenizer.
        encoder: fingerprint of the video encoder's features; compared with the feature store's.
        visual_dim: D of the encoder's tokens.
        n_visual: embeddings of a video in a prompt.
        n_tokens: N, encoder tokens of a video; 0 means `n_visual`.
        projector: "linear", "mlp2", "resampler", "joint" or "codebook".
        n_codes: codes of a codebook projector.
        lora: fields of LoRASettings.
        blind: tuned and evaluated without any video.
        setting: name of the element taxonomy it was tuned on.
        elements: event, name and display name of each element, by label.

    Raises:
        GymQAError: an invalid field, or numbers of tokens that the projector cannot map.
    """

    model_type = "gym_mllm"

    def __init__(
        self,
        llm: str = "tiny-vicuna",
        llm_revision: str | None = None,
        llm_dtype: str = "float32",
        base_llm: str | None = None,
        merged: bool = False,
        chat: str = "vicuna",
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
        self.base_llm, self.merged, self.chat = base_llm, merged, chat
        self.encoder, self.projector = encoder or {}, projector
        self.visual_dim, self.n_visual, self.n_tokens = visual_dim, n_visual, n_tokens or n_visual
        self.n_codes, self.blind = n_codes, blind
        self.setting, self.elements = setting, [list(element) for element in elements]
        settings = _lora_settings(lora or {})
        self.lora = {**asdict(settings), "targets": list(settings.targets)}
        if llm_dtype not in DTYPES:
            raise GymQAError(f"there is no llm_dtype {llm_dtype!r}; choose one of {', '.join(DTYPES)}")
        if chat not in CHATS:
            raise GymQAError(f"there is no form of prompts {chat!r}; choose one of {', '.join(CHATS)}")
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
    except (TypeError, ValueError) as error:
        raise GymQAError(f"{fields} are no LoRA settings ({error}); save the model again") from error
