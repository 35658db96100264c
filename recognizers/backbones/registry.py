"""Recognizers by name. A decorator registers a function, and the function's name is the model's name. No torch here."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from gymqa.errors import GymQAError
from recognizers.backbones.clip_net_sizes import C3DConfig, I3DConfig, ResNet3DConfig, SlowFastConfig
from recognizers.backbones.frame_net_sizes import ActionVLADConfig, FrameLSTMConfig, TRNConfig, TSMConfig, TSNConfig
from recognizers.backbones.sizes import ModelConfig, SeFARConfig
from recognizers.backbones.skeleton_net_sizes import STGCNConfig
from recognizers.backbones.two_stream_sizes import Fused3DConfig, TwoStreamConfig, TwoStreamI3DConfig

if TYPE_CHECKING:
    from recognizers.backbones.base import Recognizer

CLASSES = 99
"""Gym99's, at which parameters are counted."""
_FAMILIES = (
    ActionVLADConfig, C3DConfig, FrameLSTMConfig, Fused3DConfig, I3DConfig, ResNet3DConfig, STGCNConfig, SeFARConfig,
    SlowFastConfig, TRNConfig, TSMConfig, TSNConfig, TwoStreamConfig, TwoStreamI3DConfig,
)  # fmt: skip
FAMILIES: dict[str, type[ModelConfig]] = {one.family: one for one in _FAMILIES}
"""Families by the name that config.json has."""
ConfigMaker = Callable[[], ModelConfig]
Maker = TypeVar("Maker", bound=ConfigMaker)


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered recognizer.

    Attributes:
        config: makes its sizes.
        parameters: at 99 classes, written down so that a list need not build it; a test counts those of the built one.
        published: the paper's number and where it stands; "" where it is of no paper.
    """

    config: ConfigMaker
    parameters: int
    published: str = ""


_MODELS: dict[str, Entry] = {}


def register(parameters: int, published: str = "") -> Callable[[Maker], Maker]:
    """Register a function that returns a model's sizes, under the function's name; see Entry.

    Raises:
        GymQAError: the name is taken.
    """

    def keep(maker: Maker) -> Maker:
        if maker.__name__ in _MODELS:
            raise GymQAError(f"recognizer {maker.__name__} is registered twice; rename one")
        _MODELS[maker.__name__] = Entry(maker, parameters, published)
        return maker

    return keep


def list_models() -> list[str]:
    """Names of all recognizers, sorted."""
    return sorted(_MODELS)


def describe(name: str) -> dict[str, Any]:
    """What there is to say of a recognizer without building it; JSON values, pixels and frames."""
    entry, config = _entry(name), model_config(name)
    return {
        "name": name,
        "family": config.family,
        "parameters": entry.parameters,
        "millions": round(entry.parameters / 1e6, 2),
        "classes": CLASSES,
        "input_size": config.image_size,
        "modality": config.modality,
        "frames": config.frames,
        **({"joints": config.frame_shape[0]} if config.joints_of else {}),
        "elements": list(config.elements),
        "published": entry.published,
    }


def model_config(name: str, **changes: Any) -> ModelConfig:
    """The sizes of a recognizer by name; `changes` replace single settings.

    Raises:
        GymQAError: there is no such name (the closest ones are named).
    """
    return replace(_entry(name).config(), **changes)


def create_model(name: str, **changes: Any) -> "Recognizer":
    """Build a recognizer by name, with fresh weights."""
    return model_config(name, **changes).build()


def _entry(name: str) -> Entry:
    """What is registered under a name."""
    if name not in _MODELS:
        near = difflib.get_close_matches(name, _MODELS, cutoff=0) or list_models()
        raise GymQAError(f"there is no recognizer {name!r}; did you mean {', '.join(near)}?")
    return _MODELS[name]


@register(parameters=1_316_579)
def sefar_tiny() -> SeFARConfig:
    """36 patches a frame: a few hundred clips are trained on in minutes of CPU."""
    return SeFARConfig()


@register(parameters=31_264_227, published="31.2 M (SeFAR, AAAI'25)")
def sefar_s() -> SeFARConfig:
    """SeFAR-S of the paper."""
    return SeFARConfig(image_size=224, patch_size=16, dim=384, depth=12, heads=6, fusion_dim=256, n_classes=CLASSES)


@register(parameters=122_269_539, published="122.1 M (SeFAR, AAAI'25)")
def sefar_b() -> SeFARConfig:
    """SeFAR-B of the paper."""
    return SeFARConfig(image_size=224, patch_size=16, dim=768, depth=12, heads=12, fusion_dim=256, n_classes=CLASSES)


@register(parameters=10_371_715, published="11.30 M with 1,000 classes (BN-Inception)")
def tsn_bn_inception() -> TSNConfig:
    """TSN as in FineGym: 3 segments."""
    return TSNConfig(image_size=224, architecture="bn_inception", head_dropout=0.8, n_classes=CLASSES)


@register(parameters=23_710_883, published="25.56 M with 1,000 classes (ResNet-50)")
def tsn_r50() -> TSNConfig:
    """TSN on ResNet-50."""
    return TSNConfig(image_size=224, architecture="resnet50", n_classes=CLASSES)


@register(parameters=10_977_155, published="11.30 M with 1,000 classes (BN-Inception alone)")
def trn_bn_inception() -> TRNConfig:
    """TRN as in FineGym: 3 segments."""
    return TRNConfig(
        image_size=224, architecture="bn_inception", segments=3, frame_dropout=0.8, head_dropout=0.0, n_classes=CLASSES
    )


@register(parameters=10_911_619, published="11.30 M with 1,000 classes (BN-Inception alone)")
def trn_ms_bn_inception() -> TRNConfig:
    """Multi-scale TRN as in FineGym: relations of 3 and of 2 segments."""
    return replace(trn_bn_inception(), multi_scale=True, relation_dim=256)


@register(parameters=23_710_883, published="25.56 M with 1,000 classes (ResNet-50)")
def tsm_r50() -> TSMConfig:
    """TSM as in FineGym: 8 segments; no parameter more than TSN."""
    return TSMConfig(image_size=224, n_classes=CLASSES)


@register(parameters=12_388_739, published="12 M (I3D, CVPR'17)")
def i3d_inception() -> I3DConfig:
    """I3D on Inception-v1: 64 frames in a row."""
    return I3DConfig(image_size=224, n_frames=64, stride=1, n_classes=CLASSES)


@register(parameters=27_426_723, published="28.04 M with 400 classes (I3D of PySlowFast)")
def i3d_r50() -> I3DConfig:
    """I3D on ResNet-50 as in FineGym: 8 frames, every other."""
    return I3DConfig(image_size=224, n_frames=8, stride=2, architecture="resnet50", n_classes=CLASSES)


@register(parameters=34_785_187, published="35.4 M with 400 classes (I3D with NonLocalEmbedGauss of MMAction2)")
def nl_i3d_r50() -> I3DConfig:
    """Non-local I3D as in FineGym."""
    return replace(i3d_r50(), non_local=True)


@register(parameters=33_217_059, published="33.37 M with 400 classes (R3D-18 of torchvision)")
def r3d_18() -> ResNet3DConfig:
    """3D-ResNet-18."""
    return ResNet3DConfig(image_size=112, n_frames=16, stride=1, n_classes=CLASSES)


@register(parameters=31_350_912, published="31.51 M with 400 classes (R(2+1)D-18 of torchvision)")
def r2plus1d_18() -> ResNet3DConfig:
    """R(2+1)D-18."""
    return replace(r3d_18(), factorised=True)


@register(parameters=63_542_762, published="63.8 M with 400 classes (R(2+1)D-34 of MMAction2)")
def r2plus1d_34() -> ResNet3DConfig:
    """R(2+1)D-34."""
    return replace(r2plus1d_18(), architecture="resnet34", n_frames=32)


@register(parameters=78_401_379, published="79 M (C3D, in I3D, CVPR'17)")
def c3d() -> C3DConfig:
    """C3D: 16 frames in a row."""
    return C3DConfig(stride=1, n_classes=CLASSES)


@register(parameters=33_872_683, published="34.57 M with 400 classes (SlowFast 8×8 of PySlowFast)")
def slowfast_r50() -> SlowFastConfig:
    """SlowFast on ResNet-50: 32 frames, every other; 8 of them in the slow pathway."""
    return SlowFastConfig(image_size=224, stride=2, n_classes=CLASSES)


@register(parameters=16_823_939, published="11.30 M with 1,000 classes (BN-Inception alone)")
def actionvlad_bn_inception() -> ActionVLADConfig:
    """ActionVLAD: 25 segments, 64 centres; the paper's and FineGym's stand on VGG-16."""
    return ActionVLADConfig(image_size=224, n_classes=CLASSES)


@register(parameters=8_802_563, published="9 M with 400 classes (ConvNet+LSTM, in I3D, CVPR'17)")
def lstm_inception() -> FrameLSTMConfig:
    """ConvNet+LSTM on Inception-v1: 25 segments, as many frames as in I3D's paper."""
    return FrameLSTMConfig(image_size=224, n_classes=CLASSES)


@register(parameters=3_098_727, published="3.1 M with 60 classes (ST-GCN of MMAction2)")
def stgcn() -> STGCNConfig:
    """ST-GCN on COCO's 17 joints, 100 frames spread over the clip."""
    return STGCNConfig(n_classes=CLASSES)


@register(parameters=3_096_795)
def stgcn_gymsim() -> STGCNConfig:
    """ST-GCN on GymSim's 15 joints."""
    return replace(stgcn(), skeleton="gymsim15", n_frames=32)


@register(parameters=11_455_971, published="12 M (two-stream, in I3D, CVPR'17)")
def two_stream() -> TwoStreamConfig:
    """Two-stream as in I3D's paper: a frame, and 10 fields of flow around it."""
    return TwoStreamConfig(image_size=224, n_classes=CLASSES)


@register(parameters=20_765_283, published="2 × 11.30 M with 1,000 classes (BN-Inception)")
def two_stream_bn_inception() -> TwoStreamConfig:
    """TSN of two streams as in FineGym: 3 segments, 5 fields of flow each."""
    return TwoStreamConfig(
        image_size=224, architecture="bn_inception", segments=3, stack=5, head_dropout=0.8, n_classes=CLASSES
    )


@register(parameters=39_615_971, published="39 M (3D-fused, in I3D, CVPR'17)")
def two_stream_3d_fused() -> Fused3DConfig:
    """3D-fused two-stream: 5 frames, and 10 fields of flow around each."""
    return Fused3DConfig(image_size=224, n_classes=CLASSES)


@register(parameters=24_755_427, published="25 M (two-stream I3D, CVPR'17)")
def two_stream_i3d() -> TwoStreamI3DConfig:
    """Two-stream I3D: 64 frames in a row, and their flow."""
    return TwoStreamI3DConfig(image_size=224, n_frames=64, stride=1, n_classes=CLASSES)
