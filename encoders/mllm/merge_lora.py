"""Merging of LoRA adapters into their language model, for use without peft."""

from dataclasses import asdict, replace
from pathlib import Path

from safetensors import SafetensorError

from encoders.llm.loading import dtype_of, load_llm
from encoders.mllm.files import LLM_FOLDER, mllm_folder, read_config
from encoders.mllm.model import GymMLLM
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, replaced_folder


def merge_lora(source: Path | str, out: Path, dtype: str = "float32") -> Path:
    """Write a tuned model with its adapters merged into the language model; returns the folder.

    `GymMLLM.from_pretrained` loads the folder; its `llm` subfolder is an ordinary transformers model. Weights are
    merged in float32, from the base weights as used in tuning: in the precision `llm_dtype`, for QLoRA in 4 bits.
    Written in float32, the merged model has the logits of the unmerged one; lower precision rounds them.

    Args:
        source: folder of the tuned model, or owner/name on the Hub.
        out: folder to write; an existing merged model is replaced.
        dtype: precision of the written weights: float32, bfloat16 or float16.

    Raises:
        GymQAError: no tuned model, one without adapters, weights that are not finite, or an unrelated folder at `out`.
    """
    folder, kind = mllm_folder(source), dtype_of(dtype)
    if read_config(folder).merged:
        raise GymQAError(f"{source} is merged already; give the folder that `gymqa finetune` wrote")
    if out.exists() and not _is_replaceable(out):
        raise GymQAError(f"{out} is there and holds no merged model; choose another folder or remove it")
    merged = _merged(folder)
    merged.to(kind)
    merged.projector.float()  # small, and trained in float32
    merged.config.llm_dtype = dtype
    _write(merged, out)
    return out


def _merged(folder: Path) -> GymMLLM:
    """The tuned model of a folder, merged, in float32."""
    config = read_config(folder)
    lora = config.lora_settings
    base, _ = load_llm(config.llm_name, config.llm_dtype, quantization=lora.quantization)
    if lora.quantization != "none":
        base = base.dequantize()
    model = GymMLLM.from_pretrained(folder, base.float())
    try:
        model.llm = model.llm.merge_and_unload(safe_merge=True)
    except ValueError as error:  # safe_merge checks the sums
        raise GymQAError(f"the adapters in {folder} hold weights that are not numbers; tune again") from error
    generation = model.llm.generation_config
    if generation is not None and {generation.temperature, generation.top_p} - {None, 1.0}:
        generation.do_sample = True  # Vicuna's file leaves it out, and transformers 5.17 saves no such file
    config = model.config
    config.merged, config.base_llm = True, config.llm_name
    config.lora = {**asdict(replace(lora, quantization="none")), "targets": list(lora.targets)}
    return model


def _write(model: GymMLLM, out: Path) -> None:
    """Write the model beside `out`, then replace `out` by renaming."""
    try:
        with replaced_folder(out) as new:
            model.save_pretrained(new)
    except SafetensorError as error:  # raised by safetensors on a full disk
        raise GymQAError(f"cannot write {out} ({error}); make room, or choose another folder") from error


def _is_replaceable(folder: Path) -> bool:
    """Whether a folder is empty, or holds a merged model."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    values = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
    return isinstance(values, dict) and values.get("merged") is True and (folder / LLM_FOLDER).is_dir()
