"""Tune under FSDP2 in two CPU processes: `torchrun … fsdp_tuner.py OUT UNTIL [blind]`, to step UNTIL, 0 for the last.

accelerate shards on accelerators only: it leaves processes on CPUs at MULTI_CPU, whatever its configuration says. What
it does there is done here by hand, right after it has started; from then on everything is accelerate's and torch's own.
"""

import sys
from dataclasses import replace
from pathlib import Path

from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

import encoders.tuning.finetune
from encoders.tuning.clips import TuningMaterial
from encoders.tuning.finetune import Tuning
from recognizers.training.setup import ProcessSettings, start_accelerator
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import ExampleFeatures
from tests.helpers.tuning_world import SMALL


def sharded(config: ProcessSettings, out: Path, option: str = "training") -> Accelerator:
    """As `start_accelerator`, with FSDP2."""
    accelerator = start_accelerator(config, out, option)
    for state in (AcceleratorState, PartialState):
        state._shared_state["distributed_type"] = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["LlamaDecoderLayer"],
        reshard_after_forward=True,
        cpu_ram_efficient_loading=False,
        state_dict_type="FULL_STATE_DICT",
    )
    return accelerator


def tune(out: Path, until: int, blind: bool = False) -> None:
    """Tune to a step."""
    clips = mllm_examples.clips()
    material = TuningMaterial(ExampleFeatures(clips), tuple(clips), mllm_examples.taxonomy())
    run = Tuning(material, replace(SMALL, workers=0, blind=blind), out)
    run.run(until=until or None)
    kinds = {type(one).__name__ for one in run.model.parameters()}
    print("parameters are", *sorted(kinds), "after step", run.step)


if __name__ == "__main__":
    encoders.tuning.finetune.start_accelerator = sharded  # type: ignore[attr-defined]
    tune(Path(sys.argv[1]), int(sys.argv[2]), blind=sys.argv[3:] == ["blind"])
