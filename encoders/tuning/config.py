"""Settings of the language model's tuning: alignment stage, question mix, fine-tuning; validated dataclasses."""

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
    """First stage: the projector alone learns to predict a clip's name.

    Attributes:
        method: "names" regresses the embeddings of the name, without a pass through the language model; "captions" is
            LLaVA's: the frozen language model, with its adapters inactive, generates the name from the video.
        ridge: penalty of the ridge regression by which "names" fits a joint projector or a codebook, relative to the
            features' scale; 0 skips the stage for them.
        sharpness: inverse temperature of a codebook's softmax; 0 chooses it by cross-validation over the clips.
        steps: AdamW steps, for other projectors and for captions; 0 skips the stage.
        batch_size: clips per step, over all processes.
        learning_rate: its peak.
        weight_decay: AdamW's.
        noise: standard deviation of noise on normalised features, against overfitting few clips.
        mixing: Beta parameter of mixup in "names"; 0 disables it.
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


PROMPT_TEMPLATES = (
    QUESTION_TEXT,
    "Which move is shown?",
    "Name the gymnastics move.",
    "Which gymnastics move is this?",
    "What move is this athlete performing?",
)


@dataclass(frozen=True)
class QuestionMix:
    """Relative frequencies of the kinds of training samples, and of the benchmarks of multiple-choice ones.

    Attributes:
        letters: choices in the prompt, a letter as answer.
        names: the open question, the name as answer.
        attributes: a yes/no question of the element's decision tree.
        benchmarks: relative frequency of each.
        wordings: prompt templates (paraphrases) of the question; the benchmarks' own must be among them.
        own_wording: fraction of the questions in the benchmarks' own prompt.
    """

    letters: float = 0.5
    names: float = 0.4
    attributes: float = 0.1
    benchmarks: dict[str, float] = field(default_factory=lambda: {"gym-qa": 1.0, "gym-qa-hard": 1.0, "gym-new": 1.0})
    wordings: tuple[str, ...] = PROMPT_TEMPLATES
    own_wording: float = 0.5

    def __post_init__(self) -> None:
        weights = (self.letters, self.names, self.attributes)
        if min(weights) < 0 or sum(weights) <= 0 or min(self.benchmarks.values(), default=0) < 0:
            raise GymQAError("the frequencies of a question mix must not be negative, and one must be above 0")
        if QUESTION_TEXT not in self.wordings:
            raise GymQAError(f"the wordings must hold the benchmarks' own, {QUESTION_TEXT!r}; add it")
        if any("<video>" in wording or not wording.strip() for wording in self.wordings):
            raise GymQAError("a wording must be a sentence without <video>, which is put before it")
        if not 0 <= self.own_wording <= 1:
            raise GymQAError(
                f"own_wording, the fraction of the benchmarks' own prompt, cannot be {self.own_wording}; choose 0 to 1"
            )


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(LoopSettings):
    """Second stage: projector and LoRA, on questions re-sampled every epoch.

    Attributes:
        llm: language model, as `load_llm` takes it.
        llm_dtype: dtype of its frozen weights.
        projector: one of PROJECTORS.
        n_queries: embeddings per video of a resampler.
        batch_size: questions per step, over all processes.
        projector_learning_rate: its peak.
        lora_learning_rate: its peak.
        warmup: steps of the linear learning-rate warm-up.
        schedule: learning-rate decay after the warm-up.
        lowest_rate: final learning rate, as a fraction of the peak.
        max_gradient_norm: for gradient clipping.
        feature_noise: standard deviation of noise on the normalised features.
        views: views of each clip in the feature store; view 0 is not augmented.
        blind: leave the video out of every prompt: the question-only baseline.
        gradient_checkpointing: recompute activations in the backward pass, to save memory.
        pseudo_threshold: lowest confidence of a pseudo-labelled clip that is used.
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
    precision: Literal["auto", "float32", "bf16", "no"] = "auto"
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
        """Optimiser steps of a first stage with captions."""
        return self.alignment.steps if self.alignment.method == "captions" and not self.blind else 0

    @property
    def determines(self) -> dict[str, Any]:
        """The settings that the tuned weights depend on; the others may change when a run resumes."""
        return without_ineffective(asdict(self))
