"""What can be set about the language model's tuning, one dataclass a concern."""

from dataclasses import dataclass, field

from gymqa.errors import GymQAError

PROJECTORS = ("linear", "mlp2", "resampler", "joint", "codebook")
DTYPES = ("float32", "bfloat16", "float16")
QUANTIZATIONS = ("none", "nf4")
SCORINGS = ("texts", "letters")


@dataclass(frozen=True)
class LoRASettings:
    """Low-rank adapters; `targets` are module names or full paths, none meaning every linear layer of the LLM.

    `use_dora` tunes the weights' directions and sizes apart (DoRA, Liu et al. 2024). `quantization` nf4 holds the
    frozen weights in 4 bits (QLoRA, Dettmers et al. 2023); it needs bitsandbytes, `gymqa[qlora]`.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    use_dora: bool = False
    quantization: str = "none"

    def __post_init__(self) -> None:
        if self.r < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise GymQAError("LoRA takes r of 1 or more, alpha above 0, and a dropout from 0 to below 1")
        if self.quantization not in QUANTIZATIONS:
            raise GymQAError(f"there is no quantization {self.quantization!r}; choose {' or '.join(QUANTIZATIONS)}")


@dataclass(frozen=True)
class AlignmentSettings:
    """First stage: the projector alone learns to say a clip's name in the language model's own embeddings.

    A joint projector or a codebook is solved for in closed form, with `ridge` the penalty relative to the features'
    own size; 0 leaves the stage out. `sharpness` multiplies a codebook's scores before their softmax; 0 chooses it by
    cross-validation over the labelled clips. The others take `steps` of AdamW, 0 leaving it out; there,
    `noise` is the standard deviation added to normalised features, `mixing` the Beta parameter by which pairs of
    clips (and their names) are blended; both keep few labelled clips from being learned by heart. 0 turns either off.
    """

    ridge: float = 0.1
    sharpness: float = 0.0
    steps: int = 1000
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    noise: float = 0.3
    mixing: float = 0.4


@dataclass(frozen=True)
class QuestionMix:
    """Shares of the kinds of training samples, and of the benchmarks that multiple choice is drawn from.

    `letters`: choices in the prompt, a letter as answer. `names`: the open question, the name as answer.
    `attributes`: a yes/no question of the element's decision tree.
    """

    letters: float = 0.5
    names: float = 0.4
    attributes: float = 0.1
    benchmarks: dict[str, float] = field(default_factory=lambda: {"gym-qa": 1.0, "gym-qa-hard": 1.0, "gym-new": 1.0})

    def __post_init__(self) -> None:
        shares = (self.letters, self.names, self.attributes)
        if min(shares) < 0 or sum(shares) <= 0 or min(self.benchmarks.values(), default=0) < 0:
            raise GymQAError("the shares of a question mix must not be negative, and one must be above 0")


@dataclass(frozen=True)
class FinetuneSettings:
    """Second stage: projector in full and LoRA, on questions re-drawn every epoch.

    `views` are the augmented views of each clip in the feature store; view 0 is the clip itself. `blind` leaves the
    video out of every prompt: the baseline that knows the questions only. `llm_dtype` is of the frozen weights;
    `n_queries` is the number of embeddings that a resampler makes of a video.
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
    max_gradient_norm: float = 1.0
    feature_noise: float = 0.2
    views: int = 1
    blind: bool = False
    precision: str = "bf16"
    checkpoint_every: int = 50
    seed: int = 0
    lora: LoRASettings = field(default_factory=LoRASettings)
    alignment: AlignmentSettings = field(default_factory=AlignmentSettings)
    mix: QuestionMix = field(default_factory=QuestionMix)

    def __post_init__(self) -> None:
        if self.projector not in PROJECTORS:
            raise GymQAError(f"there is no projector {self.projector!r}; choose one of {', '.join(PROJECTORS)}")
        if self.llm_dtype not in DTYPES:
            raise GymQAError(f"there is no llm_dtype {self.llm_dtype!r}; choose one of {', '.join(DTYPES)}")
        if self.precision not in ("no", "bf16"):
            raise GymQAError(f"there is no precision {self.precision!r}; choose bf16 or no")
        if min(self.steps, self.batch_size, self.views, self.checkpoint_every, self.n_queries) < 1:
            raise GymQAError("steps, batch_size, views, checkpoint_every and n_queries must be 1 or more")
