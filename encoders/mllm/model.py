"""GymMLLM: visual tokens, a projector, and a language model with LoRA adapters.

Architecture of LLaVA-1.5 (Liu et al. 2023): the encoder is outside and frozen, its tokens are projected into the
language model's embedding space and replace `<video>` in the prompt.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import CausalLMOutput

from encoders.llm.loading import llm_fingerprint, load_llm, load_tokenizer
from encoders.llm.lora import add_lora
from encoders.mllm.config import GymMLLMConfig
from encoders.mllm.files import (
    ADAPTER_FILE,
    LLM_FOLDER,
    PROJECTOR_FILE,
    load_weights,
    mllm_folder,
    read_config,
    require_same_llm,
    save_tensors,
    weights_digest,
)
from encoders.mllm.projector import Projector
from encoders.mllm.prompts import IGNORED, VIDEO_ID
from gymqa.errors import GymQAError
from gymqa.io.files import write_json
from recognizers.weights_io.tensors import load_exactly, require_same_shapes


class GymMLLM(PreTrainedModel):
    """Language model on video tokens; only the projector and the adapters are trainable.

    Args:
        config: its configuration; the language model's commit is recorded in it.
        llm: the language model, if it is loaded already.

    Raises:
        GymQAError: no such language model, a LoRA target without match, or an invalid projector.
    """

    config_class = GymMLLMConfig
    config: GymMLLMConfig

    def __init__(self, config: GymMLLMConfig, llm: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if llm is None:
            llm = load_llm(config.llm_name, config.llm_dtype, quantization=config.lora_settings.quantization)[0]
        config.llm_revision = getattr(llm.config, "_commit_hash", None) or config.llm_revision
        self.llm = llm.requires_grad_(False) if config.merged else add_lora(llm, config.lora_settings)
        width = llm.get_input_embeddings().embedding_dim
        self.projector = _projector(config, width)

    @property
    def embeddings(self) -> nn.Module:
        """The language model's token embeddings."""
        table: nn.Module = self.llm.get_input_embeddings()
        return table

    def get_input_embeddings(self) -> nn.Module:
        """The language model's token embeddings, which FSDP2 shards separately."""
        return self.embeddings

    def get_output_embeddings(self) -> nn.Module:
        """The language model's output layer, which FSDP2 shards separately."""
        layer: nn.Module = self.llm.get_output_embeddings()
        return layer

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the language model, with a chat template only where the model was tuned on its form."""
        tokenizer = load_tokenizer(self.config.llm_name)
        if self.config.chat == "vicuna":
            tokenizer.chat_template = None
        return tokenizer

    def embed(self, ids: Tensor, videos: Tensor | None, noise: float = 0.0) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D], with projected videos [V, N, D_in] at VIDEO_ID, in reading order.

        Raises:
            GymQAError: the prompts have slots for another number of videos than given, or the videos have another shape
                than the model's encoder gives.
        """
        slots = ids == VIDEO_ID  # [B, T]
        embedded: Tensor = self.embeddings(ids.masked_fill(slots, 0))
        n_videos = 0 if videos is None else len(videos)
        if int(slots.sum()) != n_videos * self.config.n_visual:
            raise GymQAError(
                f"the prompts have slots for {int(slots.sum()) / self.config.n_visual:g} videos and {n_videos} were "
                f"given; write <video> once for every video of {self.config.n_visual} tokens"
            )
        if videos is None or n_videos == 0:
            return embedded
        if videos.shape[1:] != (self.config.n_tokens, self.config.visual_dim):
            raise GymQAError(
                f"the videos have {videos.shape[1]} tokens of {videos.shape[2]} numbers and the model takes "
                f"{self.config.n_tokens} of {self.config.visual_dim}; use features of the encoder it was tuned with"
            )
        visual = self.projector(videos.to(next(self.projector.parameters()).dtype), noise)  # [V, N, D_in] -> [V, k, D]
        return embedded.masked_scatter(slots[..., None], visual.to(embedded.dtype))

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
        """Logits, and with labels the loss: mean over conversations of the mean over their answer tokens.

        The logits are those of `input_ids`, without a shared prefix.

        Args:
            input_ids: [B, T], VIDEO_ID once for every visual token; padding on either side.
            attention_mask: [B, T], 0 on padding.
            videos: [V, N, D_in] encoder tokens, in the order of their slots.
            labels: [B, T], IGNORED outside the answers.
            prefix: [P] token ids before the input_ids of every conversation; encoded once.
            noise: standard deviation added to the normalised visual tokens.
            logits_to_keep: number of last positions with logits; 0 keeps all.

        Raises:
            GymQAError: a prompt longer than the language model's context, or videos that do not fit their slots.
        """
        n_prefix = 0 if prefix is None else len(prefix)
        self.require_room(n_prefix + input_ids.shape[1])
        cache = self._encode_prefix(prefix, len(input_ids)) if prefix is not None and n_prefix else None
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

    def _encode_prefix(self, prefix: Tensor, times: int) -> DynamicCache:
        """Key-value cache of a prefix [P], encoded once and repeated for `times` conversations; differentiable."""
        cache = DynamicCache(config=self.llm.config)
        self.llm(input_ids=prefix[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(times)
        return cache

    def why_too_long(self, length: int) -> str | None:
        """The reason why a prompt of this length does not fit the language model's context; None where it does."""
        limit = getattr(self.llm.config, "max_position_embeddings", length)
        if length <= limit:
            return None
        return (
            f"a prompt of {length} tokens is longer than the {limit} that {self.config.llm} can read; "
            "shorten the question or use fewer visual tokens"
        )

    def require_room(self, length: int) -> None:
        """Raise an error for a prompt longer than the language model's context.

        Raises:
            GymQAError: it is longer.
        """
        refusal = self.why_too_long(length)
        if refusal is not None:
            raise GymQAError(refusal)

    def fingerprint(self) -> dict[str, Any]:
        """Identity of the language model, form of its prompts, and a hash of projector and adapters; JSON values."""
        llm = {**llm_fingerprint(self.config.llm_name), "name": self.config.base_llm or self.config.llm}
        llm |= {} if self.config.chat == "vicuna" else {"chat": self.config.chat}
        return {"llm": llm, "tuned": weights_digest(self.projector.state_dict(), self._adapters())}

    @torch.inference_mode()
    def generate(
        self, input_ids: Tensor, attention_mask: Tensor, videos: Tensor | None = None, **options: Any
    ) -> Tensor:
        """Continue left-padded prompts; `options` are transformers' generation options. Returns new ids [B, L].

        Raises:
            GymQAError: prompt and answer exceed the language model's context, or a video has non-finite features.
        """
        self.require_room(input_ids.shape[1] + int(options.get("max_new_tokens") or 1))
        if videos is not None and not videos.isfinite().all():
            number = 1 + int((~videos.isfinite().flatten(1).all(1)).nonzero()[0])
            raise GymQAError(f"the features of video {number} of {len(videos)} are not all numbers; extract them again")
        out: Tensor = self.llm.generate(
            inputs_embeds=self.embed(input_ids, videos), attention_mask=attention_mask, **options
        )
        return out

    def _adapters(self, state_dict: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The adapters' weights by peft's names, from `state_dict` if given; empty for a merged model."""
        own = None if state_dict is None else _part(state_dict, "llm.")
        return {} if self.config.merged else get_peft_model_state_dict(self.llm, own)

    def save_pretrained(
        self, save_directory: str | Path, state_dict: Mapping[str, Tensor] | None = None, **kwargs: Any
    ) -> None:
        """Write adapters (in peft's format), projector and config, without the language model.

        A merged model's language model is written too, in transformers' format, with its tokenizer. `state_dict` holds
        the tuned tensors where the model's own are sharded over processes.

        Raises:
            GymQAError: the folder cannot be written to, or the disk is full.
        """
        folder = Path(save_directory)
        values = self.config.to_dict()
        save_tensors(folder / PROJECTOR_FILE, _part(state_dict or self.state_dict(), "projector."))
        if self.config.merged:
            self.llm.save_pretrained(folder / LLM_FOLDER)
            load_tokenizer(self.config.llm_name).save_pretrained(folder / LLM_FOLDER)
            mode = (folder / PROJECTOR_FILE).stat().st_mode
            for file in (folder / LLM_FOLDER).iterdir():
                file.chmod(mode)  # safetensors makes files private
            values |= {"llm": LLM_FOLDER, "llm_revision": None}
        else:
            save_tensors(folder / ADAPTER_FILE, self._adapters(state_dict))
            peft = {name: _plain(value) for name, value in self.llm.peft_config["default"].to_dict().items()}
            base = {"base_model_name_or_path": self.config.llm, "revision": self.config.llm_revision}
            write_json(folder / "adapter_config.json", {**peft, **base})
        write_json(folder / "config.json", values)  # last: a folder with it is complete

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path, llm: PreTrainedModel | None = None, revision: str | None = None
    ) -> "GymMLLM":
        """Load a folder of `save_pretrained` on its language model (or on `llm`, if loaded); safetensors only.

        Args:
            pretrained_model_name_or_path: a folder, or owner/name on the Hub (a str: a Path is always a folder).
            llm: its language model.
            revision: commit, branch or tag on the Hub.

        Raises:
            GymQAError: a file is missing, damaged, or of another model, or the download fails.
        """
        folder = mllm_folder(pretrained_model_name_or_path, revision)
        config = read_config(folder)
        require_same_llm(folder, config)
        projector, adapters = load_weights(folder, config)
        if llm is None:
            llm = load_llm(config.llm_name, config.llm_dtype, quantization=config.lora_settings.quantization)[0]
        with torch.device("meta"):  # a config that asks for more than the files hold allocates nothing
            require_same_shapes(_projector(config, llm.get_input_embeddings().embedding_dim), projector, folder)
        ranks = {len(one) for name, one in adapters.items() if "lora_A" in name}
        if ranks - {config.lora_settings.r}:
            raise _other_adapters(folder, config)
        with torch.random.fork_rng(devices=[]):  # the discarded initialisation must not change the global random state
            model = cls(config, llm)
        load_exactly(model.projector, projector, folder)
        model._load_adapters(adapters, folder)
        return model.eval()

    def _load_adapters(self, found: dict[str, Tensor], folder: Path) -> None:
        own = self._adapters()
        if {name: one.shape for name, one in found.items()} != {name: one.shape for name, one in own.items()}:
            raise _other_adapters(folder, self.config)
        if found:
            set_peft_model_state_dict(self.llm, found)


def _projector(config: GymMLLMConfig, width: int) -> Projector:
    """The projector of a configuration, for embeddings of this width."""
    return Projector(config.projector, config.visual_dim, width, config.n_tokens, config.n_codes, config.n_visual)


def _other_adapters(folder: Path, config: GymMLLMConfig) -> GymQAError:
    return GymQAError(
        f"the adapters in {folder} are of another language model than {config.llm}, or of other LoRA settings than its "
        "config.json says; load them on the language model that they were tuned on"
    )


def _part(state_dict: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix of the state dict, by their names without it."""
    return {name.removeprefix(prefix): one for name, one in state_dict.items() if name.startswith(prefix)}


def conversation_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log-likelihood of each conversation's answer tokens: [B, T, V], [B, T] -> [B]."""
    nll, answered = answer_nll(logits, labels)
    return nll.sum(1) / answered.sum(1).clamp(min=1)


def answer_nll(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of every answer token [B, T-1], 0 elsewhere, and the mask of answer tokens [B, T-1]."""
    targets = labels[:, 1:]
    answered = targets != IGNORED
    each = nn.functional.cross_entropy(logits[:, :-1][answered].float(), targets[answered], reduction="none")
    nll = torch.zeros(targets.shape, device=logits.device).masked_scatter(answered, each)
    return nll, answered


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value
