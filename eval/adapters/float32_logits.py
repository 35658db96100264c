"""Logits of single tokens in float32 from a model in bf16 or fp16, whose own rounding makes close choices tie."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

IDENTITY = {"choice_logits": "float32"}
"""Added to the fingerprint of a model whose choices' logits are computed so."""


def rounds_logits(model: Any) -> bool:
    """Whether a language model's output layer computes logits in less than float32, and has rows to compute them from.

    Quantized output layers have none.
    """
    return _rounding_head(model) is not None


@contextmanager
def float32_logits(model: Any, rows: Tensor, positions: Tensor, tokens: Tensor) -> Iterator[None]:
    """Within the block, compute some logits of the model's passes in float32, and return all in that precision.

    The logit of token v after hidden state h is w_v · h + b_v, all of it in float32; what the model does with its
    logits afterwards (soft caps, scales) it does in float32, too. A model in float32 is left as it is.

    Args:
        model: a language model of transformers.
        rows: [N] conversation of each logit.
        positions: [N] its position, counted from the end of the output layer's (-1 is the last).
        tokens: [N] its token.
    """
    head = _rounding_head(model)
    if head is None:
        yield
        return

    def recompute(layer: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        where = rows.to(output.device), positions.to(output.device)
        ids = tokens.to(output.device)
        exact = (inputs[0][where].float() * layer.weight[ids].float()).sum(-1)  # [N, D] -> [N]
        if layer.bias is not None:
            exact = exact + layer.bias[ids].float()
        logits = output.float()
        logits[(*where, ids)] = exact
        return logits

    handle = head.register_forward_hook(recompute)
    try:
        with torch.inference_mode():
            yield
    finally:
        handle.remove()


def _rounding_head(model: Any) -> nn.Linear | None:
    """The output layer, where its weights are in half precision."""
    head = model.get_output_embeddings()
    half = isinstance(head, nn.Linear) and head.weight.dtype in (torch.bfloat16, torch.float16)
    return head if half else None
