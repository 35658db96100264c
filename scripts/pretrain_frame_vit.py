"""Make the frame encoder that recognizers start from, in two rounds.

python scripts/pretrain_frame_vit.py --out runs/round1
python scripts/pretrain_frame_vit.py --start runs/round1 --pretraining.apparatus true --pretraining.steps 1500 \\
    --pretraining.learning_rate 6e-4 --pretraining.seed 1
"""

import sys
from pathlib import Path

from gymqa.arguments import call
from recognizers.backbones.image_vit import SHIPPED
from recognizers.frame_pretraining import FramePretrainingConfig, pretrain


def main(out: Path = SHIPPED, start: Path | None = None, *, pretraining: FramePretrainingConfig) -> None:
    """Pre-train the small image ViT on single rendered frames (half an hour for the first round beside other work).

    Args:
        out: folder for model.safetensors, config.json and figures.json.
        start: folder of an earlier round to begin from.
        pretraining: sizes and schedule.
    """
    print(pretrain(pretraining, out, start))


if __name__ == "__main__":
    call(main, sys.argv[1:], "pretrain_frame_vit.py")
