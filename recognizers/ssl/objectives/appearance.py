"""Objective of VideoSSL: distillation of an image classifier's frame predictions (WACV'21, arXiv 2003.00197)."""

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
    """Load the frozen image network to distil from.

    Args:
        source: "shipped" (the package's image ViT), or a folder or Hub model with an image ViT of gymqa or a TSN.

    Raises:
        GymQAError: it holds neither, or a TSN whose input is not single rgb frames.
    """
    if source != "shipped" and holds_recognizer(source):
        network = load_recognizer(source)
        modality, family = network.config.modality, network.config.family
        if not isinstance(network, FrameNet) or family != "tsn" or modality != "rgb":
            raise GymQAError(f"{source} holds a {family} of {modality}; give an image ViT, or a tsn of rgb")
        if network.config.stack > 1:
            raise GymQAError(
                f"{source} holds a tsn of {network.config.stack} stacked frames, but single frames are classified; "
                "give one of stack 1"
            )
        return network.requires_grad_(False)
    return load_image_vit(None if source == "shipped" else model_folder(source)).requires_grad_(False)


def appearance(network: ImageNetwork, view: Tensor) -> Tensor:
    """The image network's mean soft prediction over a clip's frames: [B, N, 3, S, S] -> probabilities [B, D].

    A TSN predicts its classes; of an image ViT, which has none, the softmax over its CLS feature is used.
    """
    frames, side = view.flatten(0, 1), network.config.image_size
    if frames.shape[-1] != side:
        frames = F.interpolate(frames, (side, side), mode="bilinear", antialias=True)
    network.eval()
    with torch.no_grad():
        logits = network(frames)[:, 0] if isinstance(network, ImageViT) else network(frames.unsqueeze(1))
    return logits.float().softmax(-1).unflatten(0, view.shape[:2]).mean(1)


class Appearance(Objective):
    """mean_i −Σ_d p_d log softmax(V g_i)_d over all clips, p_i being the image network's output, g_i the clip feature.

    Kept: soft distillation of an image classifier's frame predictions on labelled and unlabelled clips, beside
    pseudo-labels of the network itself (VideoSSL) or Mean Teacher (MT+SD, the same paper's baseline by SeFAR's table,
    which cites it; that SD is this soft distillation is from memory).
    Left out: ImageNet's classes, unless a TSN trained on them is given (`image_network`). All loaded frames are
    classified, not one. The weight 1 is that of a release that repeats the distillation (vt-vl-lab/video-data-aug).
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        modality = config.model.modality
        if modality != "rgb":
            raise GymQAError(f"the image network takes rgb, but the model {modality}; choose another algorithm")
        self.network = image_network(config.algorithm.image_network)
        outputs_dim = self.network.config.dim if isinstance(self.network, ImageViT) else self.network.config.n_classes
        self.head = nn.Linear(student.head.in_features, outputs_dim)

    def loss(self, views: StepViews) -> Tensor:
        """The term of this step's clips; unlabelled ones count once the warm-up is over."""
        outputs = [views.labelled] + ([views.unlabelled.own] if views.unlabelled else [])
        target = torch.cat([appearance(self.network, output.view) for output in outputs])
        return distillation(self.head(torch.cat([output.fused for output in outputs])), target)


def distillation(logits: Tensor, target: Tensor) -> Tensor:
    """mean_i −Σ_d p_id log softmax(logits_i)_d; both [B, D]."""
    return -(target * logits.log_softmax(-1)).sum(-1).mean()
