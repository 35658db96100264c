"""What can be set about the language model's tuning, one dataclass a concern."""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from encoders.llm.loading import DTYPES
from encoders.llm.lora import LoRASettings
from encoders.mllm.projector import PROJECTORS
from gymqa.errors import GymQAError
from gymqa.questions.schema import QUESTION_TEXT
from gymqa.runtime.choices import require_choices
from recognizers.training.loop_settings import LoopSettings, without_ineffective

SCORINGS = ("texts", "letters")


@dataclass(frozen=True)
class AlignmentSettings:
    """First stage: the projector alone learns to say a clip's name.

    Attributes:
        method: "names" puts the name's own embeddings in the place of the video, without a pass through the language
            model; "captions" is LLaVA's: the frozen language model, its adapters without effect, reads the video and
            is to say the name.
        ridge: penalty of the closed form by which "names" solves for a joint projector or a codebook, relative to the
            features' own size; 0 leaves the stage out for them.
        sharpness: factor of a codebook's scores before their softmax; 0 chooses it by cross-validation over the clips.
        steps: of AdamW, for other projectors and for captions; 0 leaves the stage out.
        batch_size: clips a step, over all processes.
        learning_rate: its peak.
        weight_decay: AdamW's.
        noise: standard deviation added to normalised features, against learning few clips by heart.
        mixing: Beta parameter by which "names" blends pairs of clips and their names; 0 blends none.
    """

    method: Literal["names", "captions"] = "names"
    ridge: float = 0.1
    sharpness: float = 0.0
    steps: int = 1000
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    noise: float = 0.3
    mixing: float = 0.4

    def __post_init__(self) -> None:
        require_choices(self)
        if self.steps < 0 or self.batch_size < 1:
            raise GymQAError("an alignment's steps must be 0 or more, and its batch_size 1 or more")


WORDINGS = (
    QUESTION_TEXT,
    "Which move is shown?",
    "Name the gymnastics move.",
    "Which gymnastics move is this?",
    "What move is this athlete performing?",
)


@dataclass(frozen=True)
class QuestionMix:
    """Shares of the kinds of training samples, and of the benchmarks that multiple choice is drawn from.

    Attributes:
        letters: choices in the prompt, a letter as answer.
        names: the open question, the name as answer.
        attributes: a yes/no question of the element's decision tree.
        benchmarks: share of each.
        wordings: ways to ask for the element; the benchmarks' own must be among them.
        own_wording: share of the questions asked in the benchmarks' own wording.
    """

    letters: float = 0.5
    names: float = 0.4
    attributes: float = 0.1
    benchmarks: dict[str, float] = field(default_factory=lambda: {"gym-qa": 1.0, "gym-qa-hard": 1.0, "gym-new": 1.0})
    wordings: tuple[str, ...] = WORDINGS
    own_wording: float = 0.5

    def __post_init__(self) -> None:
        shares = (self.letters, self.names, self.attributes)
        if min(shares) < 0 or sum(shares) <= 0 or min(self.benchmarks.values(), default=0) < 0:
            raise GymQAError("the shares of a question mix must not be negative, and one must be above 0")
        if QUESTION_TEXT not in self.wordings:
            raise GymQAError(f"the wordings must hold the benchmarks' own, {QUESTION_TEXT!r}; add it")
        if any("<video>" in wording or not wording.strip() for wording in self.wordings):
            raise GymQAError("a wording must be a sentence without <video>, which is put before it")
        if not 0 <= self.own_wording <= 1:
            raise GymQAError(f"the share of the benchmarks' own wording cannot be {self.own_wording}; choose 0 to 1")


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(LoopSettings):
    """Second stage: projector in full and LoRA, on questions re-drawn every epoch.

    Attributes:
        llm: language model, as `load_llm` takes it.
        llm_dtype: of its frozen weights.
        projector: one of PROJECTORS.
        n_queries: embeddings that a resampler makes of a video.
        batch_size: questions a step, over all processes.
        projector_learning_rate: its peak.
        lora_learning_rate: its peak.
        warmup: first steps, over which the learning rates rise from 0.
        schedule: how they fall from there to the end.
        lowest_rate: what they fall to, as a share of the peak.
        max_gradient_norm: the gradient is cut to it.
        feature_noise: standard deviation added to the normalised features.
        views: augmented views of each clip in the feature store; view 0 is the clip itself.
        blind: leaves the video out of every prompt: the baseline that knows the questions only.
        gradient_checkpointing: keep the layers' inputs only and compute the rest again in the backward pass.
        pseudo_threshold: lowest weight of a pseudo-labelled clip that is learned from.
        lora: the adapters.
        alignment: the first stage.
        mix: the questions.
    """

    llm: str = "tiny-vicuna"
    llm_dtype: str = "float32"
    projector: str = "codebook"
    n_queries: int = 16
    steps: int = 120
    batch_size: int = 24
    projector_learning_rate: float = 5e-4
    lora_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 10
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    lowest_rate: float = 0.02
    max_gradient_norm: float = 1.0
    feature_noise: float = 0.2
    views: int = 1
    blind: bool = False
    precision: Literal["no", "bf16"] = "bf16"
    gradient_checkpointing: bool = False
    pseudo_threshold: float = 0.9
    checkpoint_every: int = 50
    log_every: int = 1
    tracker: Literal["tensorboard", "wandb", "none"] = "none"
    lora: LoRASettings = field(default_factory=LoRASettings)
    alignment: AlignmentSettings = field(default_factory=AlignmentSettings)
    mix: QuestionMix = field(default_factory=QuestionMix)

    at_least_one: ClassVar = (*LoopSettings.at_least_one, "batch_size", "views", "n_queries")
    at_least_zero: ClassVar = (*LoopSettings.at_least_zero, "warmup")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.projector not in PROJECTORS:
            raise GymQAError(f"there is no projector {self.projector!r}; choose one of {', '.join(PROJECTORS)}")
        if self.llm_dtype not in DTYPES:
            raise GymQAError(f"there is no llm_dtype {self.llm_dtype!r}; choose one of {', '.join(DTYPES)}")
        self.require_equal_parts(batch_size=self.batch_size)
        if self.caption_steps:
            self.require_equal_parts(**{"alignment.batch_size": self.alignment.batch_size})
        if not (0 <= self.pseudo_threshold <= 1 and 0 <= self.lowest_rate <= 1):
            raise GymQAError("pseudo_threshold and lowest_rate must lie in 0 to 1")

    @property
    def caption_steps(self) -> int:
        """Optimiser steps of the first stage that go through the language model."""
        return self.alignment.steps if self.alignment.method == "captions" and not self.blind else 0

    @property
    def determines(self) -> dict[str, Any]:
        """The settings that the tuned weights depend on; a run may go on with others of the rest."""
        return without_ineffective(asdict(self))
