"""Registry of recognizers: name -> config function, family, parameters, input, reference. Imports no torch.

A new backbone is a file in this folder and an entry here; one outside the repository is named
`package.module:function` (docs/extending.md).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gymqa.runtime.registry import Registry, is_plug_in

if TYPE_CHECKING:
    from recognizers.backbones.base import ModelConfig

CLASSES = 99
"""Number of classes (Gym99's) for which parameters are counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered recognizer; a test compares each value with the built model.

    Attributes:
        maker: "module:function" that returns its config.
        family: its name in config.json.
        parameters: at 99 classes.
        input_size: side of a frame in pixels.
        elements: frames of each temporal element.
        modality: input modality.
        joints: joints of the input skeleton; 0 for image modalities.
        published: published number of parameters and its source; "" where there is none.
    """

    maker: str
    family: str
    parameters: int
    input_size: int
    elements: tuple[int, ...]
    modality: str = "rgb"
    joints: int = 0
    published: str = ""


class RecognizerMaker(Protocol):
    """Signature of a recognizer's config function; the user's own returns a subclass of ModelConfig."""

    def __call__(self) -> "ModelConfig":
        """Return the config, whose `build` makes the network."""


RECOGNIZERS = Registry("recognizer", "gymqa list recognizers", {
    "sefar_tiny": Entry(
        "recognizers.backbones.sefar:sefar_tiny", "sefar", 1_316_579, 48, (2, 2, 4),
    ),
    "sefar_s": Entry(
        "recognizers.backbones.sefar:sefar_s", "sefar", 31_264_227, 224, (2, 2, 4),
        published="31.2 M (SeFAR, AAAI'25)",
    ),
    "sefar_b": Entry(
        "recognizers.backbones.sefar:sefar_b", "sefar", 122_269_539, 224, (2, 2, 4),
        published="122.1 M (SeFAR, AAAI'25)",
    ),
    "tsn_bn_inception": Entry(
        "recognizers.backbones.tsn:tsn_bn_inception", "tsn", 10_371_715, 224, (3,),
        published="11.30 M with 1,000 classes (BN-Inception)",
    ),
    "tsn_r50": Entry(
        "recognizers.backbones.tsn:tsn_r50", "tsn", 23_710_883, 224, (3,),
        published="25.56 M with 1,000 classes (ResNet-50)",
    ),
    "trn_bn_inception": Entry(
        "recognizers.backbones.trn:trn_bn_inception", "trn", 10_977_155, 224, (3,),
        published="11.30 M with 1,000 classes (BN-Inception alone)",
    ),
    "trn_ms_bn_inception": Entry(
        "recognizers.backbones.trn:trn_ms_bn_inception", "trn", 10_911_619, 224, (3,),
        published="11.30 M with 1,000 classes (BN-Inception alone)",
    ),
    "tsm_r50": Entry(
        "recognizers.backbones.tsm:tsm_r50", "tsm", 23_710_883, 224, (8,),
        published="25.56 M with 1,000 classes (ResNet-50)",
    ),
    "i3d_inception": Entry(
        "recognizers.backbones.i3d:i3d_inception", "i3d", 12_388_739, 224, (64,),
        published="12 M (I3D, CVPR'17)",
    ),
    "i3d_r50": Entry(
        "recognizers.backbones.i3d:i3d_r50", "i3d", 27_426_723, 224, (8,),
        published="28.04 M with 400 classes (I3D of PySlowFast)",
    ),
    "nl_i3d_r50": Entry(
        "recognizers.backbones.i3d:nl_i3d_r50", "i3d", 34_785_187, 224, (8,),
        published="35.4 M with 400 classes (I3D with NonLocalEmbedGauss of MMAction2)",
    ),
    "r3d_18": Entry(
        "recognizers.backbones.resnet3d:r3d_18", "resnet3d", 33_217_059, 112, (16,),
        published="33.37 M with 400 classes (R3D-18 of torchvision)",
    ),
    "r2plus1d_18": Entry(
        "recognizers.backbones.resnet3d:r2plus1d_18", "resnet3d", 31_350_912, 112, (16,),
        published="31.51 M with 400 classes (R(2+1)D-18 of torchvision)",
    ),
    "r2plus1d_34": Entry(
        "recognizers.backbones.resnet3d:r2plus1d_34", "resnet3d", 63_542_762, 112, (32,),
        published="63.8 M with 400 classes (R(2+1)D-34 of MMAction2)",
    ),
    "c3d": Entry(
        "recognizers.backbones.c3d:c3d", "c3d", 78_401_379, 112, (16,),
        published="79 M (C3D, in I3D, CVPR'17)",
    ),
    "slowfast_r50": Entry(
        "recognizers.backbones.slowfast:slowfast_r50", "slowfast", 33_872_683, 224, (32,),
        published="34.57 M with 400 classes (SlowFast 8×8 of PySlowFast)",
    ),
    "actionvlad_bn_inception": Entry(
        "recognizers.backbones.action_vlad:actionvlad_bn_inception", "actionvlad", 16_823_939, 224, (25,),
        published="11.30 M with 1,000 classes (BN-Inception alone)",
    ),
    "lstm_inception": Entry(
        "recognizers.backbones.conv_lstm:lstm_inception", "lstm", 8_802_563, 224, (25,),
        published="9 M with 400 classes (ConvNet+LSTM, in I3D, CVPR'17)",
    ),
    "stgcn": Entry(
        "recognizers.backbones.stgcn:stgcn", "stgcn", 3_098_727, 1, (100,),
        modality="pose", joints=17, published="3.1 M with 60 classes (ST-GCN of MMAction2)",
    ),
    "stgcn_gymsim": Entry(
        "recognizers.backbones.stgcn:stgcn_gymsim", "stgcn", 3_096_795, 1, (32,),
        modality="pose", joints=15,
    ),
    "two_stream": Entry(
        "recognizers.backbones.two_stream:two_stream", "two_stream", 11_455_971, 224, (10,),
        modality="rgb+flow", published="12 M (two-stream, in I3D, CVPR'17)",
    ),
    "two_stream_bn_inception": Entry(
        "recognizers.backbones.two_stream:two_stream_bn_inception", "two_stream", 20_765_283, 224, (15,),
        modality="rgb+flow", published="2 × 11.30 M with 1,000 classes (BN-Inception)",
    ),
    "two_stream_3d_fused": Entry(
        "recognizers.backbones.two_stream:two_stream_3d_fused", "two_stream_3d_fused", 39_615_971, 224, (50,),
        modality="rgb+flow", published="39 M (3D-fused, in I3D, CVPR'17)",
    ),
    "two_stream_i3d": Entry(
        "recognizers.backbones.two_stream:two_stream_i3d", "two_stream_i3d", 24_755_427, 224, (64,),
        modality="rgb+flow", published="25 M (two-stream I3D, CVPR'17)",
    ),
}, RecognizerMaker)  # fmt: skip
FAMILIES = {
    "actionvlad": "recognizers.backbones.action_vlad:ActionVLADConfig",
    "c3d": "recognizers.backbones.c3d:C3DConfig",
    "i3d": "recognizers.backbones.i3d:I3DConfig",
    "lstm": "recognizers.backbones.conv_lstm:FrameLSTMConfig",
    "resnet3d": "recognizers.backbones.resnet3d:ResNet3DConfig",
    "sefar": "recognizers.backbones.sefar:SeFARConfig",
    "slowfast": "recognizers.backbones.slowfast:SlowFastConfig",
    "stgcn": "recognizers.backbones.stgcn:STGCNConfig",
    "trn": "recognizers.backbones.trn:TRNConfig",
    "tsm": "recognizers.backbones.tsm:TSMConfig",
    "tsn": "recognizers.backbones.tsn:TSNConfig",
    "two_stream": "recognizers.backbones.two_stream:TwoStreamConfig",
    "two_stream_3d_fused": "recognizers.backbones.two_stream:Fused3DConfig",
    "two_stream_i3d": "recognizers.backbones.two_stream:TwoStreamI3DConfig",
}
"""Config classes by family name."""


def list_models() -> list[str]:
    """Names of all recognizers, sorted."""
    return sorted(RECOGNIZERS)


def describe(name: str) -> dict[str, Any]:
    """Describe a recognizer without building it, in JSON values."""
    entry = RECOGNIZERS.entry(name)
    return {
        "name": name,
        "family": entry.family,
        "parameters": entry.parameters,
        "millions": round(entry.parameters / 1e6, 2),
        "classes": CLASSES,
        "input_size": entry.input_size,
        "modality": entry.modality,
        "frames": sum(entry.elements),
        **({"joints": entry.joints} if entry.joints else {}),
        "elements": list(entry.elements),
        "published": entry.published,
    }


def is_family(name: object) -> bool:
    """Whether a name in config.json is a family: a registered one, or the user's own class, `package.module:Config`."""
    return isinstance(name, str) and (name in FAMILIES or is_plug_in(name))
