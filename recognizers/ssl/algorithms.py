"""Algorithm: config of a semi-supervised algorithm; all algorithms by name, with their papers' hyper-parameters.

    teacher × passes (pseudo_label.py) → weighting (weighting/) → view, perturbation (augment.py, perturbation.py),
    mixing (mixing.py) → consistency (losses.py); further loss terms (objectives/)

Every part is an option (`--training.algorithm.perturbation warp`); SeFAR's ablations are SEFAR with one option changed.
This file imports no torch, so that algorithms can be listed without it.
"""

from dataclasses import dataclass
from typing import Literal, cast

from gymqa.errors import GymQAError
from gymqa.runtime.choices import require_choices
from gymqa.runtime.registry import Registry
from recognizers.ssl.weighting.rules import WEIGHTINGS


@dataclass(frozen=True)
class Algorithm:
    """Config of an algorithm: L = L_sup + ξ (unlabelled_weight · L_un + mix_weight · L_mix) + objectives.

    Attributes:
        name: its name in tables.
        unlabelled_weight: weight of L_un; with 0 here and in `mix_weight`, and no objectives, unlabelled clips are not
            used.
        mix_weight: weight of L_mix; 0 does not mix.
        teacher: network of the pseudo-labels: the EMA teacher or the student itself.
        passes: K, stochastic passes of the teacher; 1 is a single pass without dropout.
        weighting: rule that weights the pseudo-labels, one of recognizers/ssl/weighting: η of confidence and spread
            ("adaptive"), η of confidence alone ("confidence"), all above a fixed threshold ("fixed"), all above
            FlexMatch's threshold of their class ("flexmatch"), all ("none"), or `package.module:make` of your own.
        threshold: confidence threshold of the rules that have one.
        view: the student's view: a strong one, a second weak one, or the teacher's own view.
        perturbation: temporal perturbation of the strong view.
        consistency: L_un: cross-entropy with the teacher's class, or squared distance to its probabilities.
        mix_alpha: λ ~ Beta(mix_alpha, mix_alpha).
        mix_logits: compare raw logits instead of the softmax with the mixed probabilities, as the release does.
        ramp: sinusoidal ramp-up of ξ; False sets it to 1 after the warm-up.
        objectives: names of further loss terms (recognizers/ssl/objectives/), or `package.module:Class` of the user's
            own, each with its own weight.
        pretraining: first fraction of the steps with the objectives on unlabelled clips alone, followed by supervised
            training; 1 only pre-trains, for `--training.initial` of another run.
        image_network: frame classifier that objectives may distil from: "shipped" (the package's image ViT), or a
            folder or Hub model with an image ViT of gymqa or a TSN.
    """

    name: str = "supervised"
    unlabelled_weight: float = 0.0
    mix_weight: float = 0.0
    teacher: Literal["ema", "student"] = "ema"
    passes: int = 1
    weighting: str = "fixed"
    threshold: float = 0.95
    view: Literal["strong", "weak", "same"] = "strong"
    perturbation: str = "none"
    consistency: Literal["cross_entropy", "squared"] = "cross_entropy"
    mix_alpha: float = 10.0
    mix_logits: bool = False
    ramp: bool = False
    objectives: tuple[str, ...] = ()
    pretraining: float = 0.0
    image_network: str = "shipped"

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(self.objectives))  # JSON and YAML bring lists
        require_choices(self)
        WEIGHTINGS.require(self.weighting)
        if self.unlabelled_weight < 0 or self.mix_weight < 0:
            raise GymQAError(f"{self.name}: unlabelled_weight and mix_weight cannot be negative; give 0 or more")
        if self.passes < 1:
            raise GymQAError(
                f"{self.name}: {self.passes} passes of the teacher make no pseudo-label; set passes to 1 or more"
            )
        if not 0 <= self.threshold <= 1:
            raise GymQAError(f"{self.name}: threshold {self.threshold} is no confidence; give 0 to 1")
        if self.mix_alpha <= 0:
            raise GymQAError(
                f"{self.name}: mix_alpha {self.mix_alpha} is no parameter of a Beta distribution; give more than 0"
            )
        if self.view != "strong" and (self.mix_weight > 0 or self.perturbation != "none"):
            raise GymQAError(f"{self.name}: only a strong view is mixed and perturbed; set view to strong")
        if not 0 <= self.pretraining <= 1:
            raise GymQAError(f"{self.name}: pretraining {self.pretraining} is no fraction of the steps; give 0 to 1")
        if self.pretraining and (self.unlabelled_weight or self.mix_weight or not self.objectives):
            raise GymQAError(
                f"{self.name}: a pre-training uses its objectives alone; name one, and set unlabelled_weight "
                "and mix_weight to 0"
            )

    @property
    def semi_supervised(self) -> bool:
        """Whether unlabelled clips are used at all."""
        return self.unlabelled_weight > 0 or self.mix_weight > 0 or bool(self.objectives)


SUPERVISED = Algorithm("supervised")

PSEUDO_LABEL = Algorithm(  # Lee, ICML'13 workshop; the threshold as in TorchSSL, unchecked (docs/algorithms.md)
    "pseudo_label", unlabelled_weight=1.0, teacher="student", threshold=0.95, view="same"
)

MEAN_TEACHER = Algorithm(  # Tarvainen and Valpola, NeurIPS'17 (arXiv 1703.01780)
    "mean_teacher",
    unlabelled_weight=10.0,  # CIFAR-10: 100 times the mean over 10 classes; ours is the sum over classes
    weighting="none",
    view="weak",
    consistency="squared",
)

FIXMATCH = Algorithm(  # arXiv 2001.07685: λ_u 1, τ 0.95
    "fixmatch", unlabelled_weight=1.0, teacher="student", threshold=0.95
)

FLEXMATCH = Algorithm(  # arXiv 2110.08263: as FixMatch, τ the upper end of each class's threshold
    "flexmatch", unlabelled_weight=1.0, teacher="student", weighting="flexmatch", threshold=0.95
)

SVFORMER = Algorithm(  # arXiv 2211.13222; threshold of its released settings; weights as SeFAR's, unchecked
    "svformer", unlabelled_weight=2.0, mix_weight=2.0, threshold=0.3, perturbation="warp"
)

SEFAR = Algorithm(  # arXiv 2501.01245
    "sefar", unlabelled_weight=2.0, mix_weight=2.0, passes=10, weighting="adaptive", perturbation="moderate", ramp=True
)

MEMDPC = Algorithm("memdpc", objectives=("memdpc",), pretraining=0.5)  # arXiv 2008.01065; the fraction is ours

TCLR = Algorithm("tclr", objectives=("tclr",), pretraining=0.5)  # arXiv 2101.07974; the fraction is ours

ACTORCM = Algorithm(  # arXiv 2103.16565: FixMatch, on half of the strong views; the objective has the other half
    "actorcm",
    unlabelled_weight=0.5,
    teacher="student",
    threshold=0.95,
    perturbation="varied",
    objectives=("actor_cutmix",),
)

L2A = Algorithm(  # arXiv 2206.04790; FixMatch's part from memory
    "l2a", unlabelled_weight=1.0, teacher="student", threshold=0.95, objectives=("composite",)
)

TACL = Algorithm(  # 10.1109/TCSVT.2022.3210271; its curriculum is FlexMatch's here
    "tacl",
    unlabelled_weight=1.0,
    teacher="student",
    weighting="flexmatch",
    threshold=0.95,
    perturbation="uneven",
    objectives=("phases",),
)

VIDEOSSL = Algorithm(  # arXiv 2003.00197: pseudo-labels and soft distillation; the threshold from memory
    "videossl", unlabelled_weight=1.0, teacher="student", threshold=0.95, view="same", objectives=("appearance",)
)

MT_SD = Algorithm(  # Mean Teacher and VideoSSL's soft distillation, of the same paper
    "mt_sd", unlabelled_weight=10.0, weighting="none", view="weak", consistency="squared", objectives=("appearance",)
)

LTG = Algorithm(  # arXiv 2111.13241; threshold of its released settings
    "ltg", unlabelled_weight=1.0, teacher="student", threshold=0.3, objectives=("ltg",)
)

CMPL = Algorithm(  # arXiv 2112.09690; threshold and weight from memory
    "cmpl", unlabelled_weight=1.0, teacher="student", threshold=0.8, objectives=("cmpl",)
)

TIMEBALANCE = Algorithm(  # arXiv 2303.16268; the release's 100 times the mean over 101 classes; ours is the sum
    "timebalance",
    unlabelled_weight=1.0,
    weighting="none",
    view="same",
    consistency="squared",
    objectives=("timebalance",),
)

MVPL = Algorithm(  # arXiv 2104.00682; threshold of a re-implementation by others
    "mvpl", unlabelled_weight=1.0, teacher="student", threshold=0.3, objectives=("mvpl",)
)

_OURS = (
    *(SUPERVISED, PSEUDO_LABEL, MEAN_TEACHER, FIXMATCH, FLEXMATCH, SVFORMER, SEFAR),
    *(MEMDPC, TCLR, ACTORCM, L2A, TACL, VIDEOSSL, MT_SD),
    *(LTG, CMPL, TIMEBALANCE, MVPL),
)
ALGORITHMS = Registry("algorithm", "gymqa list algorithms", {one.name: one for one in _OURS}, Algorithm)


def algorithm_named(name: str) -> Algorithm:
    """An algorithm with the hyper-parameters of its paper, or the user's own, `package.module:NAME`.

    Raises:
        GymQAError: there is no such algorithm (the closest ones are named), or the plug-in is none.
    """
    return cast(Algorithm, ALGORITHMS.load(name))
