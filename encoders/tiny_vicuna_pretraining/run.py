"""Complete pre-training run of tiny-vicuna: tokenizer, training, export of bfloat16 weights, and figures.json."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from encoders.tiny_vicuna_pretraining.evaluation import accuracy, figures
from encoders.tiny_vicuna_pretraining.grammar import all_moves
from encoders.tiny_vicuna_pretraining.tokenizer import train_tokenizer
from encoders.tiny_vicuna_pretraining.training import Pretraining, PretrainingConfig, held_out_moves, training_moves
from gymqa.io.console import console
from gymqa.io.files import write_json
from gymqa.runtime.precision import BF16, Precision
from gymqa.runtime.runs import environment

_QUESTIONS = 250  # per tier, in figures.json


def pretrain(out: Path, work: Path, config: PretrainingConfig) -> dict[str, Any]:
    """Train tiny-vicuna in `work` (resumable) and write the finished model to `out`; returns its figures."""
    torch.set_num_threads(os.cpu_count() or 1)
    tokenizer = _tokenizer(work / "tokenizer", config.seed)
    run = Pretraining(config, tokenizer, work)
    run.run(on_checkpoint=lambda now: report(now, tokenizer, work / "metrics.jsonl"))
    return export(run, tokenizer, out)


def export(run: Pretraining, tokenizer: PreTrainedTokenizerBase, out: Path) -> dict[str, Any]:
    """Write weights (bfloat16 safetensors), tokenizer and figures of a finished run to `out`."""
    model = run.model.to(torch.bfloat16)  # evaluated with the rounded weights
    model.config.dtype = torch.bfloat16
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "tokenizer.model").write_bytes((run.folder / "tokenizer" / "tokenizer.model").read_bytes())
    shipped = model.float()
    result = {
        "parameters": sum(parameter.numel() for parameter in shipped.parameters()),
        "moves": {"training": len(training_moves()), "held_out": len(held_out_moves()), "all": len(all_moves())},
        "held_out": figures(shipped, tokenizer, held_out_moves(), _QUESTIONS, _figures_seed(run)),
        "training_moves": figures(shipped, tokenizer, training_moves(), _QUESTIONS, _figures_seed(run)),
        "training_seconds": round(run.seconds),
        "config": asdict(run.config),
        **environment(run.config.seed, precision=Precision(BF16, "as in the shipped weights' training")),
    }
    write_json(out / "figures.json", result)
    return result


def _figures_seed(run: Pretraining) -> int:
    """Seed of the evaluation questions, other than that of the training corpus."""
    return run.config.seed + 1_000


def _tokenizer(folder: Path, seed: int) -> PreTrainedTokenizerBase:
    if not (folder / "tokenizer.json").exists():
        return train_tokenizer(folder, seed)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return tokenizer


def report(run: Pretraining, tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """Append the letter accuracy on held-out moves to a log, to detect a run that does not learn."""
    accuracies = {
        kind: accuracy(run.model, tokenizer, held_out_moves(), 96, run.step, "set", soft, "letters")
        for kind, soft in (("text", 0.0), ("soft", 1.0))
    }
    line = {"step": run.step, "seconds": round(run.seconds), "losses": run.recent(), **accuracies}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    console.print(line)
