"""GymMLLM: visual tokens, a projector, and a language model with LoRA adapters.

Layout after LLaVA-1.5 (Liu et al. 2023): the encoder is outside and frozen, its tokens are projected into the language
model's embedding space and stand where the prompt says `<video>`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import CausalLMOutput

from encoders.config import LoRASettings
from encoders.llm import load_llm, load_tokenizer
from encoders.llm_identity import llm_fingerprint
from encoders.lora import add_lora
from encoders.projector import Projector
from encoders.prompts import IGNORED, VIDEO_ID
from gymqa.atomic import atomic_path, read_json, write_json
from gymqa.errors import GymQAError

ADAPTER_FILE = "adapter_model.safetensors"
PROJECTOR_FILE = "projector.safetensors"


class GymMLLMConfig(PretrainedConfig):
    """What a GymMLLM is made of.

    Args:
        llm: language model, as `load_llm` takes it.
        encoder: fingerprint of the video encoder whose tokens it reads; compared with the feature store's.
        visual_dim: D of the encoder's tokens.
        n_visual: N, visual tokens a video.
        projector: "linear", "mlp2", "joint" or "codebook".
        n_codes: codes of a codebook projector.
        lora: fields of LoRASettings.
        blind: trained and asked without any video.
        setting: name of the elements it was tuned on.
        elements: event, name and display name of each of them, by label.
    """

    model_type = "gym_mllm"

    def __init__(
        self,
        llm: str = "tiny-vicuna",
        encoder: dict[str, Any] | None = None,
        visual_dim: int = 128,
        n_visual: int = 7,
        projector: str = "mlp2",
        n_codes: int = 0,
        lora: dict[str, Any] | None = None,
        blind: bool = False,
        setting: str = "",
        elements: Sequence[Sequence[str]] = (),
        **kwargs: Any,
    ) -> None:
        self.llm, self.encoder, self.projector = llm, encoder or {}, projector
        self.visual_dim, self.n_visual, self.n_codes, self.blind = visual_dim, n_visual, n_codes, blind
        self.setting, self.elements = setting, [list(element) for element in elements]
        settings = LoRASettings(**{**(lora or {}), "targets": tuple((lora or {}).get("targets", ()))})
        self.lora = {**asdict(settings), "targets": list(settings.targets)}
        super().__init__(**kwargs)

    @property
    def lora_settings(self) -> LoRASettings:
        """The adapters' settings."""
        return LoRASettings(**{**self.lora, "targets": tuple(self.lora["targets"])})


class GymMLLM(PreTrainedModel):
    """Answers conversations about videos; only the projector and the adapters are trainable."""

    config_class = GymMLLMConfig
    config: GymMLLMConfig

    def __init__(self, config: GymMLLMConfig, llm: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        language_model = load_llm(config.llm)[0] if llm is None else llm
        self.llm = add_lora(language_model, config.lora_settings)
        width = language_model.get_input_embeddings().embedding_dim
        self.projector = Projector(config.projector, config.visual_dim, width, config.n_visual, config.n_codes)

    @property
    def embeddings(self) -> nn.Module:
        """The language model's token embeddings."""
        table: nn.Module = self.llm.get_input_embeddings()
        return table

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the language model."""
        return load_tokenizer(self.config.llm)

    def embed(self, ids: Tensor, videos: Tensor | None, noise: float = 0.0) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D], with projected videos [V, N, D_in] in their places, in reading order.

        Raises:
            GymQAError: the prompts have places for another number of videos than given.
        """
        places = ids == VIDEO_ID  # [B, T]
        embedded: Tensor = self.embeddings(ids.masked_fill(places, 0))
        n_videos = 0 if videos is None else len(videos)
        if int(places.sum()) != n_videos * self.config.n_visual:
            raise GymQAError(
                f"the prompts have places for {int(places.sum()) / self.config.n_visual:g} videos and {n_videos} were "
                f"given; write <video> once for every video of {self.config.n_visual} tokens"
            )
        if videos is None or n_videos == 0:
            return embedded
        if videos.shape[1:] != (self.config.n_visual, self.config.visual_dim):
            raise GymQAError(
                f"the videos have {videos.shape[1]} tokens of {videos.shape[2]} numbers and the model takes "
                f"{self.config.n_visual} of {self.config.visual_dim}; use features of the encoder it was tuned with"
            )
        visual = self.projector(videos.to(next(self.projector.parameters()).dtype), noise)  # [V, N, D_in] -> [V, N, D]
        return embedded.masked_scatter(places[..., None], visual.to(embedded.dtype))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        videos: Tensor | None = None,
        labels: Tensor | None = None,
        prefix: Tensor | None = None,
        noise: float = 0.0,
        logits_to_keep: int = 0,
    ) -> CausalLMOutput:
        """Logits, and with labels the loss: the mean over conversations of each one's mean over its answer tokens.

        The logits are those of `input_ids`; those of a shared prefix are not given.

        Args:
            input_ids: [B, T], VIDEO_ID once for every visual token; padding on either side.
            attention_mask: [B, T], 0 on padding.
            videos: [V, N, D_in] encoder tokens, in the order of their places.
            labels: [B, T], IGNORED outside the answers.
            prefix: [P] token ids that every conversation begins with, before its input_ids; computed once.
            noise: standard deviation added to the normalised visual tokens.
            logits_to_keep: only that many last positions' logits; 0 keeps all.

        Raises:
            GymQAError: prompt longer than the language model's context, or videos that do not fit their places.
        """
        n_prefix = 0 if prefix is None else len(prefix)
        length = n_prefix + input_ids.shape[1]
        limit = getattr(self.llm.config, "max_position_embeddings", length)
        if length > limit:
            raise GymQAError(
                f"a prompt of {length} tokens is longer than the {limit} that {self.config.llm} can read; "
                "shorten the question or use fewer visual tokens"
            )
        cache = self._read(prefix, len(input_ids)) if prefix is not None and n_prefix else None
        logits = self.llm(
            inputs_embeds=self.embed(input_ids, videos, noise),
            attention_mask=nn.functional.pad(attention_mask, (n_prefix, 0), value=1),
            position_ids=n_prefix + (attention_mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=logits_to_keep,
        ).logits  # [B, T, vocabulary]
        loss = None if labels is None else conversation_losses(logits, labels).mean()
        return CausalLMOutput(loss=loss, logits=logits)

    def _read(self, prefix: Tensor, times: int) -> DynamicCache:
        """Keys and values of a prefix [P], read once and laid out for `times` conversations; gradients flow back."""
        cache = DynamicCache(config=self.llm.config)
        self.llm(input_ids=prefix[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(times)
        return cache

    def fingerprint(self) -> dict[str, Any]:
        """What it is made of: the language model, and a hash of projector and adapters; JSON values."""
        digest = hashlib.sha256()
        for part in (self.projector.state_dict(), get_peft_model_state_dict(self.llm)):
            for name, tensor in sorted(part.items()):
                digest.update(f"{name} {tuple(tensor.shape)} ".encode())
                digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return {"llm": llm_fingerprint(self.config.llm), "tuned": digest.hexdigest()}

    @torch.inference_mode()
    def generate(
        self, input_ids: Tensor, attention_mask: Tensor, videos: Tensor | None = None, **options: Any
    ) -> Tensor:
        """Continue left-padded prompts; `options` are transformers' generation options. Returns new ids [B, L]."""
        out: Tensor = self.llm.generate(
            inputs_embeds=self.embed(input_ids, videos), attention_mask=attention_mask, **options
        )
        return out

    def save_pretrained(
        self, save_directory: str | Path, state_dict: Mapping[str, Tensor] | None = None, **kwargs: Any
    ) -> None:
        """Write adapters (in peft's own format), projector and config; the language model stays where it is.

        `state_dict` takes the place of the model's own tensors, where those are cut over processes.
        """
        folder = Path(save_directory)
        state = self.state_dict() if state_dict is None else dict(state_dict)
        of_llm = {name[4:]: one for name, one in state.items() if name.startswith("llm.")}
        adapter = {name: one.contiguous() for name, one in get_peft_model_state_dict(self.llm, of_llm).items()}
        projector = {name[10:]: one.contiguous() for name, one in state.items() if name.startswith("projector.")}
        for name, tensors in ((ADAPTER_FILE, adapter), (PROJECTOR_FILE, projector)):
            with atomic_path(folder / name) as temporary:
                save_file(tensors, temporary, metadata={"format": "pt"})
        peft = {name: _plain(value) for name, value in self.llm.peft_config["default"].to_dict().items()}
        write_json(folder / "adapter_config.json", {**peft, "base_model_name_or_path": self.config.llm})
        write_json(folder / "config.json", self.config.to_dict())  # last: a folder with it is complete

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path, llm: PreTrainedModel | None = None, **kwargs: Any
    ) -> "GymMLLM":
        """Load what `save_pretrained` wrote, on its language model (or on `llm`, already loaded).

        Raises:
            GymQAError: a file is missing, broken, or of another model.
        """
        folder = Path(pretrained_model_name_or_path)
        config = read_json(folder / "config.json")
        if config.get("model_type") != cls.config_class.model_type:
            raise GymQAError(f"{folder} holds no tuned model of ours; give a folder that `gymqa finetune` wrote")
        model = cls(cls.config_class(**config), llm)
        try:
            model.projector.load_state_dict(load_file(folder / PROJECTOR_FILE))
            result = set_peft_model_state_dict(model.llm, load_file(folder / ADAPTER_FILE))
        except (OSError, SafetensorError, RuntimeError, FileNotFoundError) as error:
            raise GymQAError(f"{folder} is incomplete or broken ({str(error).splitlines()[0]}); tune again") from error
        if result.unexpected_keys:
            raise GymQAError(f"the adapters in {folder} are of another language model than {model.config.llm}")
        return model.eval()


def conversation_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log-likelihood of each conversation's answer tokens: [B, T, V], [B, T] -> [B].

    The logits may be those of the last positions only; labels are cut to them.
    """
    nll, answered = answer_nll(logits, labels)
    return nll.sum(1) / answered.sum(1).clamp(min=1)


def answer_nll(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of every answer token [B, T-1], 0 elsewhere, and where the answers are [B, T-1]."""
    targets = labels[:, 1:]
    answered = targets != IGNORED
    each = nn.functional.cross_entropy(logits[:, :-1][answered].float(), targets[answered], reduction="none")
    nll = torch.zeros(targets.shape, device=logits.device).masked_scatter(answered, each)
    return nll, answered


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value
