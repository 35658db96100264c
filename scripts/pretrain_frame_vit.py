"""Make the frame encoder that recognizers start from: `python scripts/pretrain_frame_vit.py --out FOLDER`."""

from pathlib import Path

from jsonargparse import auto_cli

from recognizers.backbones.image_vit import SHIPPED
from recognizers.frame_pretraining import FramePretrainingConfig, pretrain


def main(config: FramePretrainingConfig = FramePretrainingConfig(), out: Path = SHIPPED) -> None:  # noqa: B008
    """Pre-train the small image ViT on single rendered frames (about half an hour on two cores).

    Args:
        config: sizes and schedule.
        out: folder for model.safetensors, config.json and figures.json.
    """
    print(pretrain(config, out))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
