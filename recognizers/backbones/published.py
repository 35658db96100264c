"""Published 2-D and 3-D weights as initial weights: reading, strict loading; base recognizer that starts from them."""

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.backbones.image_checkpoints import (
    find_image_weights,
    image_weights_hash,
    normalisation,
    read_json_beside,
    read_tensors,
)
from recognizers.backbones.vit_weights import LoadReport
from recognizers.weights_io.normalisation import Pixels, pixels_named, require_known
from recognizers.weights_io.saved import start_from_recognizer
from recognizers.weights_io.tensor_names import OWN, Naming, naming_of
from recognizers.weights_io.tensors import (
    MAX_NAMES,
    absent_tensors,
    average_input_channels,
    model_folder,
    sources_of,
    summarise_names,
)

_COUNTED = "num_batches_tracked"  # of batch norms; missing in older files


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """Weights of a network under our tensor names.

    Attributes:
        source: file, folder or Hub repository.
        tensors: by name.
        pixels: input normalisation that they were trained with.
        left_out: names of unused tensors of the file, such as a classifier's.
    """

    source: str
    tensors: dict[str, Tensor]
    pixels: Pixels
    left_out: list[str]

    @property
    def is_3d(self) -> bool:
        """Whether the weights are of a 3-D network."""
        return any(tensor.ndim == 5 for tensor in self.tensors.values())


@dataclass(frozen=True)
class PublishedConfig(ModelConfig):
    """Config of a recognizer built on networks with published weights.

    Attributes:
        pixels: input normalisation of the networks; initial weights set their own.
    """

    pixels: Pixels = field(default="symmetric", kw_only=True)

    adapts_rgb_weights: ClassVar[bool] = True

    def start_hash(self, source: str) -> str | None:
        """Hash of the initial weights; two hashes, joined by a comma, for two files. None for "shipped"."""
        if source == "shipped":
            return None
        return ",".join(image_weights_hash(one) for one in dict.fromkeys(sources_of(source, self.streams)))


class PublishedRecognizer(Recognizer):
    """A recognizer built on networks with published weights."""

    config: PublishedConfig

    @property
    def added(self) -> list[str]:
        """Names of the network's tensors that stay fresh where the weights lack them."""
        return []

    @abstractmethod
    def start_from_published(self, source: str) -> tuple[str, Pixels]:
        """Load published weights into the network, in place.

        Returns:
            A sentence for the log on what was loaded, and the weights' input normalisation.

        Raises:
            GymQAError: the weights are missing, or of another architecture.
        """

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Load published weights, or a saved recognizer: all but its head, or another family's network.

        Args:
            source: as of `read_published`; for a network of two streams also two of them, as of `sources_of`.
            copy_attention: unused.
        """
        if source == "shipped":
            return None
        pixels = _pixels_of_saved(source, self.config.family)
        if pixels is not None:
            said = start_from_recognizer(self, source, [OWN + name for name in self.added])
        else:
            said, pixels = self.start_from_published(source)
        if "rgb" in self.config.streams:
            self.config = replace(self.config, pixels=pixels)
        return said


def read_published(source: str) -> PublishedWeights:
    """Read the published weights of a network.

    Args:
        source: a .safetensors file; a .pth, .pt, .bin or .pyth file, read without executing pickles; a folder with
            model.safetensors; or owner/name on the Hub. The names are torchvision's or timm's (ResNet), torchvision's
            (GoogLeNet), the Caffe ports' (BN-Inception), those of the PyTorch port of I3D or of PySlowFast's I3D on
            ResNet-50, or ours.

    Raises:
        GymQAError: the weights are missing or damaged, or their names or input normalisation are unknown.
    """
    path = find_image_weights(source)
    tensors = {name.removeprefix("module."): tensor for name, tensor in read_tensors(path).items()}
    naming = naming_of(set(tensors))
    if naming is None:
        some = ", ".join(sorted(tensors)[:MAX_NAMES])
        raise GymQAError(
            f"{source} holds tensors {some}, …, of no known ResNet, Inception or I3D; docs/recognizers.md lists the "
            "supported networks"
        )
    ours = {name: naming.ours(name) for name in tensors}
    kept = {own: tensors[name] for name, own in ours.items() if own is not None}
    if naming.bgr:
        kept["conv1_7x7_s2.weight"] = kept["conv1_7x7_s2.weight"].flip(1)
    found = PublishedWeights(source, kept, naming.pixels, [name for name, own in ours.items() if own is None])
    return replace(found, pixels=_pixels(path, naming, found))


def _pixels(path: Path, naming: Naming, found: PublishedWeights) -> Pixels:
    """Input normalisation as the files state it, or as known for such networks."""
    config = read_json_beside(path, "config.json")
    if isinstance(config.get("pixels"), str):  # a recognizer of ours
        require_known(config["pixels"])
        return config["pixels"]  # type: ignore[no-any-return]
    preprocessor = read_json_beside(path, "preprocessor_config.json")
    if "pretrained_cfg" not in config and not preprocessor:
        return naming.pixels if found.is_3d else naming.pixels_2d or naming.pixels
    mean, std = normalisation(config, preprocessor, found.source)
    named = pixels_named(mean, std)
    if named is None:
        raise GymQAError(
            f"{found.source} has the input mean {mean} and std {std}, which are not supported; give other weights"
        )
    return named


def _pixels_of_saved(source: str, family: str) -> Pixels | None:
    """Input normalisation of a saved recognizer of the family; None where the source is not one."""
    file = model_folder(source) / "config.json"
    values = read_json(file) if file.is_file() else None
    if not isinstance(values, dict) or values.get("model") != family:
        return None
    pixels: Pixels = values.get("pixels", "symmetric")
    if not isinstance(pixels, str):
        raise GymQAError(f"{file}: pixels cannot be {pixels!r}; copy or train the model again")
    require_known(pixels)
    return pixels


def load_published(network: nn.Module, found: PublishedWeights, added: Collection[str] = ()) -> LoadReport:
    """Load weights into a network strictly, in place: all tensors must match, except for batch norm's batch counts.

    Where the first layer has another number of input channels (two of flow), its filters are averaged over RGB, as in
    TSN (arXiv 1608.00859, 3.2).

    Args:
        network: target.
        found: the weights.
        added: tensors of the network that stay fresh where the weights lack them.

    Returns:
        Names of loaded, resized, left-out and fresh tensors.

    Raises:
        GymQAError: the weights are of another architecture; lists the differing tensors.
    """
    own = network.state_dict()
    report = LoadReport(left_out=list(found.left_out), missing=absent_tensors(added, found.tensors))
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
    """Reshape a tensor to ours where only singleton dimensions or the first layer's input channels differ."""
    if tensor.numel() == own.numel() and tensor.ndim <= 2:  # Caffe's ports keep batch norms as [1, C]
        return tensor.view_as(own)
    return average_input_channels(tensor, own)


def _require_same(own: Mapping[str, Tensor], found: PublishedWeights, fitted: Mapping[str, Tensor]) -> None:
    """Refuse weights of another architecture."""
    differ = [
        f"{name} is {list(tensor.shape)} there and {list(own[name].shape)} here"
        for name, tensor in fitted.items()
        if tensor.shape != own[name].shape
    ]
    parts = [
        *summarise_names("", differ),
        *summarise_names("not there: ", [name for name in own if name not in fitted and not name.endswith(_COUNTED)]),
        *summarise_names("only there: ", [name for name in found.tensors if name not in own]),
    ]
    if parts:
        raise GymQAError(
            f"{found.source} holds another architecture than the model's: {'; '.join(parts)}; "
            "give weights of the same network, or set initial to none"
        )
