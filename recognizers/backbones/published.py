"""Networks to start from, of pictures or clips, by published names or ours; they must fit to the last tensor."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.backbones.image_checkpoints import (
    beside,
    find_image_weights,
    image_weights_hash,
    normalisation,
    read_tensors,
)
from recognizers.backbones.vit_weights import LoadReport
from recognizers.weights_io.normalisation import Pixels, pixels_of, require_known
from recognizers.weights_io.saved import start_from_recognizer
from recognizers.weights_io.tensor_names import OWN, Naming, naming_of
from recognizers.weights_io.tensors import SHOWN, for_other_channels, lacking, listed, model_folder, sources_of

_COUNTED = "num_batches_tracked"  # of batch norms; older files have none


@dataclass(frozen=True, slots=True)
class Published:
    """A network's tensors by our names.

    Attributes:
        source: where they are from.
        tensors: by name.
        pixels: what they were trained on.
        left_out: names of the file's tensors that belong to no network, as a classifier's.
    """

    source: str
    tensors: dict[str, Tensor]
    pixels: Pixels
    left_out: list[str]

    @property
    def in_time(self) -> bool:
        """Whether it is a network of clips."""
        return any(tensor.ndim == 5 for tensor in self.tensors.values())


@dataclass(frozen=True)
class PublishedConfig(ModelConfig):
    """Config of a recognizer around networks that are published by themselves.

    Attributes:
        pixels: what the networks' pixels are; weights that they start from bring theirs.
    """

    pixels: Pixels = field(default="symmetric", kw_only=True)

    adapts_colours: ClassVar[bool] = True

    def start_hash(self, source: str) -> str | None:
        """A hash of the weights to start from; two files have two hashes, joined by a comma. None for "shipped"."""
        if source == "shipped":
            return None
        return ",".join(image_weights_hash(one) for one in dict.fromkeys(sources_of(source, self.streams)))


class StartsFromPublished(Recognizer):
    """A recognizer around networks that are published by themselves."""

    config: PublishedConfig

    @property
    def added(self) -> list[str]:
        """Names of the network's tensors that stay fresh where the weights have none of them."""
        return []

    def take_published(self, source: str) -> tuple[str, Pixels]:
        """Put published weights into the network, in place.

        Returns:
            A sentence on what was loaded, and what the pixels were that they were trained on.

        Raises:
            GymQAError: there are none, or they are of another architecture.
        """
        raise NotImplementedError

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Start from published weights, or a saved recognizer: all but the head, or another family's network.

        Args:
            source: as of `read_published`; for a network of two streams also two of them, as of `sources_of`.
            copy_attention: there is none.
        """
        if source == "shipped":
            return None
        pixels = _pixels_of_saved(source, self.config.family)
        if pixels is not None:
            said = start_from_recognizer(self, source, [OWN + name for name in self.added])
        else:
            said, pixels = self.take_published(source)
        if "rgb" in self.config.streams:
            self.config = replace(self.config, pixels=pixels)
        return said


def read_published(source: str) -> Published:
    """Read a network's weights.

    Args:
        source: a .safetensors file; a .pth, .pt, .bin or .pyth file, of which no pickle is run; a folder with
            model.safetensors; or owner/name on the Hub. The names are torchvision's or timm's (ResNet), torchvision's
            (GoogLeNet), the Caffe ports' (BN-Inception), those of the PyTorch port of I3D or of PySlowFast's I3D on
            ResNet-50, or ours.

    Raises:
        GymQAError: no such weights, they are damaged, named in none of these ways, or for pixels that are not known.
    """
    path = find_image_weights(source)
    tensors = {name.removeprefix("module."): tensor for name, tensor in read_tensors(path).items()}
    naming = naming_of(set(tensors))
    if naming is None:
        some = ", ".join(sorted(tensors)[:SHOWN])
        raise GymQAError(
            f"{source} has {some}, …, which name no ResNet, Inception or I3D that is known here; docs/recognizers.md "
            "lists what is read"
        )
    ours = {name: naming.ours(name) for name in tensors}
    kept = {own: tensors[name] for name, own in ours.items() if own is not None}
    if naming.bgr:
        kept["conv1_7x7_s2.weight"] = kept["conv1_7x7_s2.weight"].flip(1)
    found = Published(source, kept, naming.pixels, [name for name, own in ours.items() if own is None])
    return replace(found, pixels=_pixels(path, naming, found))


def _pixels(path: Path, naming: Naming, found: Published) -> Pixels:
    """What the files say of the pixels, or what is known of such networks."""
    config = beside(path, "config.json")
    if isinstance(config.get("pixels"), str):  # a recognizer of ours
        require_known(config["pixels"])
        return config["pixels"]  # type: ignore[no-any-return]
    preprocessor = beside(path, "preprocessor_config.json")
    if "pretrained_cfg" not in config and not preprocessor:
        return naming.pixels if found.in_time else naming.of_pictures or naming.pixels
    mean, std = normalisation(config, preprocessor, found.source)
    named = pixels_of(mean, std)
    if named is None:
        raise GymQAError(
            f"{found.source} normalises pixels by {mean} and {std}, which is not known here; give other weights"
        )
    return named


def _pixels_of_saved(source: str, family: str) -> Pixels | None:
    """What a saved recognizer of a family was trained on; None where the source is none."""
    file = model_folder(source) / "config.json"
    values = read_json(file) if file.is_file() else None
    if not isinstance(values, dict) or values.get("model") != family:
        return None
    pixels: Pixels = values.get("pixels", "symmetric")
    require_known(pixels)
    return pixels


def load_whole(network: nn.Module, found: Published, added: Collection[str] = ()) -> LoadReport:
    """Put weights into a network, in place: all of both, but for counts of batches.

    The first layer may see another number of channels (flow's two): its filters become their mean over the colours, as
    in TSN (arXiv 1608.00859, 3.2).

    Args:
        network: in which they find their places.
        found: the weights.
        added: tensors of the network that stay fresh where the weights have none of them.

    Returns:
        What was loaded, resized, left out, and stays fresh.

    Raises:
        GymQAError: they are of another architecture; the tensors that differ are named.
    """
    own = network.state_dict()
    report = LoadReport(left_out=list(found.left_out), missing=lacking(added, found.tensors))
    fitted: dict[str, Tensor] = {}
    for name, tensor in found.tensors.items():
        if name in own:
            fitted[name] = _fitted(tensor, own[name])
            if fitted[name].shape[1:2] != tensor.shape[1:2] and tensor.ndim >= 4:
                report.resized.append(name)
    _require_same({name: one for name, one in own.items() if name not in report.missing}, found, fitted)
    network.load_state_dict({**own, **fitted})
    report.loaded = list(fitted)
    return report


def _fitted(tensor: Tensor, own: Tensor) -> Tensor:
    """A tensor in the shape of ours, where the difference is one of form: ones, or the colours of the first layer."""
    if tensor.numel() == own.numel() and tensor.ndim <= 2:  # Caffe's ports keep batch norms as [1, C]
        return tensor.view_as(own)
    return for_other_channels(tensor, own)


def _require_same(own: Mapping[str, Tensor], found: Published, fitted: Mapping[str, Tensor]) -> None:
    """Refuse weights of another architecture."""
    differ = [
        f"{name} is {list(tensor.shape)} there and {list(own[name].shape)} here"
        for name, tensor in fitted.items()
        if tensor.shape != own[name].shape
    ]
    parts = [
        *listed("", differ),
        *listed("not there: ", [name for name in own if name not in fitted and not name.endswith(_COUNTED)]),
        *listed("only there: ", [name for name in found.tensors if name not in own]),
    ]
    if parts:
        raise GymQAError(
            f"{found.source} holds another architecture than the recognizer's: {'; '.join(parts)}; "
            "give weights of the same network, or set initial to none"
        )
