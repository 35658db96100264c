"""VideoSSL: Semi-Supervised Learning for Video Classification (Jing et al., WACV'21, arXiv 2003.00197)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import Recognizer
from recognizers.backbones.frame_net import FrameNet
from recognizers.backbones.image.vit import ImageViT, load_image_vit
from recognizers.config import TrainConfig
from recognizers.factory import load_recognizer
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.weights_io.saved import holds_recognizer
from recognizers.weights_io.tensors import model_folder

ImageNetwork = ImageViT | FrameNet


def image_network(source: str) -> ImageNetwork:
    """The network that says what single frames look like, without gradient.

    Args:
        source: "shipped" (the package's image ViT), or a folder or model on the Hub with an image ViT of ours or a TSN.

    Raises:
        GymQAError: it holds neither, or a TSN that does not see single frames of rgb.
    """
    if source != "shipped" and holds_recognizer(source):
        network = load_recognizer(source)
        seen = network.config.modality
        if not isinstance(network, FrameNet) or network.config.family != "tsn" or seen != "rgb":
            kind = network.config.family
            raise GymQAError(f"{source} holds a {kind} of {seen}; of single frames a tsn of rgb or an image ViT speaks")
        if network.config.stack > 1:
            raise GymQAError(
                f"{source} holds a tsn of {network.config.stack} frames in a row; single frames are shown to it: "
                "give one of stack 1"
            )
        return network.requires_grad_(False)
    return load_image_vit(None if source == "shipped" else model_folder(source)).requires_grad_(False)


def appearance(network: ImageNetwork, view: Tensor) -> Tensor:
    """What the frames of clips look like, soft: [B, N, 3, S, S] -> probabilities [B, D], the mean over the frames.

    A TSN's are its classes'. An image ViT has none: the softmax over its CLS feature takes their place.
    """
    frames, side = view.flatten(0, 1), network.config.image_size
    if frames.shape[-1] != side:
        frames = F.interpolate(frames, (side, side), mode="bilinear", antialias=True)
    network.eval()
    with torch.no_grad():
        logits = network(frames)[:, 0] if isinstance(network, ImageViT) else network(frames.unsqueeze(1))
    return logits.float().softmax(-1).unflatten(0, view.shape[:2]).mean(1)


class Appearance(Objective):
    """mean_i −Σ_d p_d log softmax(V g_i)_d over all clips: the image network's opinion, off the clip's feature g.

    Kept: a second head learns, from labelled and unlabelled clips, what an image classifier says of their frames,
    beside pseudo-labels of the network itself (VideoSSL) or Mean Teacher (MT+SD, the same paper's baseline by SeFAR's
    table, which cites it; that SD is this soft distillation is from memory).
    Left out: ImageNet's classes, unless a TSN that knows them is given (`image_network`). All frames that were loaded
    are asked, not one. The weight 1 is a release's that repeats the distillation (vt-vl-lab/video-data-aug).
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        seen = config.model.modality
        if seen != "rgb":
            raise GymQAError(f"an image network looks at rgb, and the model sees {seen}; choose another algorithm")
        self.network = image_network(config.algorithm.image_network)
        opinions = self.network.config.dim if isinstance(self.network, ImageViT) else self.network.config.n_classes
        self.head = nn.Linear(student.head.in_features, opinions)

    def loss(self, views: StepViews) -> Tensor:
        """The term of this step's clips; unlabelled ones count once the warm-up is over."""
        looks = [views.labelled] + ([views.unlabelled.own] if views.unlabelled else [])
        target = torch.cat([appearance(self.network, look.view) for look in looks])
        return distillation(self.head(torch.cat([look.fused for look in looks])), target)


def distillation(logits: Tensor, target: Tensor) -> Tensor:
    """mean_i −Σ_d p_id log softmax(logits_i)_d; both [B, D]."""
    return -(target * logits.log_softmax(-1)).sum(-1).mean()
