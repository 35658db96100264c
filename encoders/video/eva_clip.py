"""EVA-CLIP's ViT-g/14, frame by frame, as BLIP-2 has it: the encoder of VideoLLaMA and VideoChat in Table 5.

BLIP-2's vision model is EVA-CLIP's without its last block (39 of 40) and with a LayerNorm behind, which BLIP-2
trained; by default the tokens are those behind that norm, as its Q-Former sees them. The Q-Former is not part of it.
"""

from transformers import Blip2VisionConfig, Blip2VisionModel

from encoders.video.checkpoints import Part
from encoders.video.clip import CLIP_PIXELS, arrange_frames, frame_layout
from encoders.video.hf_encoder import HFEncoder
from encoders.video.registry import EncoderOptions
from encoders.video.vision import Family

FAMILY = Family(
    kind="eva_clip",
    called="BLIP-2's vision model",
    model=Blip2VisionModel,
    config=Blip2VisionConfig,
    parts={
        "blip_2_vision_model": Part(),
        "blip-2": Part("vision_config", ("vision_model.", "model.vision_model.")),
    },
    blocks=lambda model: model.encoder.layers,
    layout=frame_layout,
    arrange=arrange_frames,
    normalisation=CLIP_PIXELS,
    defaults=EncoderOptions(tokens="both", grid=2),
)


def make(source: str, options: EncoderOptions, device: str = "cpu") -> HFEncoder:
    """An EVA-CLIP encoder from BLIP-2 or from its vision model alone; of a whole BLIP-2 only that part is read."""
    return HFEncoder(FAMILY, source, options, device)
