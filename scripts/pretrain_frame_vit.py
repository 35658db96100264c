"""Pre-train the image ViT that initialises recognizers: `python scripts/pretrain_frame_vit.py --out FOLDER`."""

import sys
from pathlib import Path

from gymqa.cli.main import run_script
from recognizers.backbones.image.vit import SHIPPED
from recognizers.pretraining import FramePretrainingConfig, pretrain


def main(out: Path = SHIPPED, *, pretraining: FramePretrainingConfig) -> None:
    """Pre-train the small image ViT on single rendered frames (19 minutes on 2 cores that did other work besides).

    Args:
        out: folder for model.safetensors, config.json and figures.json.
        pretraining: sizes and schedule.
    """
    print(pretrain(pretraining, out))


if __name__ == "__main__":
    sys.exit(run_script(main, "pretrain_frame_vit.py"))
