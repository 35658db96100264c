"""The demo pipeline as resumable steps, each a command: render, train, tune language models, evaluate, leaderboard."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from encoders.llm.loading import llm_fingerprint
from eval.leaderboard.schema import Row
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.frames.cache import FrameCache
from gymqa.io.files import read_json, visible_files
from gymqa.questions.schema import PUBLISHED_BENCHMARKS
from gymqa.runtime.devices import accelerate_on, choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.precision import BF16, FP16
from gymqa.runtime.runs import Run
from gymqa.sim.release import FORMAT, ReleaseConfig
from recognizers.backbones.image.vit import SHIPPED
from recognizers.backbones.sefar import SeFARConfig
from recognizers.config import TrainConfig
from recognizers.ssl.augment import AugmentConfig
from recognizers.weights_io.tensors import weights_hash

MAX_FRAMES, SIZE = 24, 48
ALGORITHMS = ("sefar", "supervised")
ENCODERS = (*ALGORITHMS, "image")
TITLES = {"sefar": "SeFAR", "supervised": "supervised only", "image": "image ViT, per frame"}


def _training() -> TrainConfig:
    """Training settings of the tiny SeFAR: pre-trained spatial blocks frozen except the last, one temporal block.

    At 48 pixels crops, operations and dropout are weaker than the paper's, but strong enough for consistency training.
    The settings were tuned on a release of seed 0, which the demo (seed 1) does not use.
    """
    model = SeFARConfig(image_size=SIZE, patch_size=8, time_blocks=1, frozen_blocks=3, drop_path=0.0, head_dropout=0.2)
    return TrainConfig(
        model=model,
        augment=AugmentConfig(crop_area=(0.7, 1.0), operations=3, magnitude=9.0, channel_dropout=0.0),
        steps=240,
        warm_up_steps=48,
        learning_rate=1e-3,
        backbone_rate=0.4,
        schedule="step",
        tracker="none",
    )


@dataclass(frozen=True)
class DemoConfig:
    """Settings of the demo.

    Attributes:
        release: the rendered release.
        training: training of both recognizers; the algorithm is set by the step. Its precision is the tunings', too.
        views: augmented views of each labelled clip for tuning the language models.
        tuning_steps: optimizer steps of each language model.
        llm: tiny-vicuna, smollm2, a name on the Hub, or a local folder.
        labelled_fraction: fraction of the training clips that keep their label.
        seed: seed of every step.
    """

    release: ReleaseConfig = field(default_factory=lambda: ReleaseConfig(train_videos=60))
    training: TrainConfig = field(default_factory=_training)
    views: int = 4
    tuning_steps: int = 32
    llm: str = "tiny-vicuna"
    labelled_fraction: float = 0.05
    seed: int = 1


def fast_config(config: DemoConfig) -> DemoConfig:
    """Settings of --quick: all steps in about a minute with fewer clips and steps; results are not meaningful."""
    release = replace(config.release, train_videos=20, val_videos=5, raw_videos=1)
    training = replace(config.training, steps=30, warm_up_steps=10)
    return replace(config, release=release, training=training, views=2, tuning_steps=20, labelled_fraction=0.2)


def resolve(config: DemoConfig) -> DemoConfig:
    """Set the demo's seed in the release and the training.

    Raises:
        GymQAError: release or training has another seed, or an algorithm is given although the demo trains several.
    """
    given = {
        "release.seed": (config.release.seed, ReleaseConfig().seed),
        "training.seed": (config.training.seed, TrainConfig().seed),
    }
    for name, (seed, default) in given.items():
        if seed not in (default, config.seed):
            raise GymQAError(
                f"settings.{name} {seed} contradicts seed {config.seed}, which all steps use; leave it out"
            )
    if config.training.algorithm != TrainConfig().algorithm:
        raise GymQAError(f"the demo trains {' and '.join(ALGORITHMS)}; leave settings.training.algorithm out")
    release = replace(config.release, seed=config.seed)
    return replace(config, release=release, training=replace(config.training, seed=config.seed))


class Demo:
    """The steps of the demo in one run folder.

    Args:
        folder: run folder; steps that were finished there with the same settings are skipped.
        config: settings of the demo.
        device: cpu or cuda; by default the GPU if there is one.

    Raises:
        GymQAError: settings contradict each other, there is no such language model or device, or the folder is not
            writable; no step is run then.
    """

    def __init__(self, folder: Path, config: DemoConfig, device: str | None = None) -> None:
        if device not in (None, "cpu", "cuda"):
            raise GymQAError(f"the demo runs on cpu or cuda, not on {device!r}; choose one of them")
        self.folder, self.config, self.device = folder, resolve(config), choose_device(device)
        self._llm_files = llm_fingerprint(config.llm)
        precision = choose_precision(self.config.training.precision, self.device)
        self.run = Run(folder, self.config, config.seed, self.device, precision)

    def run_steps(self) -> None:
        """Run every step that is not finished yet."""
        with accelerate_on(self.device):
            self._data()
            for algorithm in ALGORITHMS:
                self._recognizer(algorithm)
                self._recognizer_answers(algorithm)
            for encoder in ENCODERS:
                self._features(encoder)
            for name in (*ENCODERS, "blind"):
                self._language_model(name)
            self._report()

    @property
    def _precision(self) -> str:
        """The precision of predictions and tunings: the training's, but for fp16, which only trainings have."""
        return BF16 if self.config.training.precision == FP16 else self.config.training.precision

    def path(self, name: str) -> Path:
        """Path of a file or folder in the run folder."""
        return self.folder / name

    def _data(self) -> None:
        """Render the release, split it, decode the clips, and build the questions."""
        from gymqa.cli.commands.data.cache import cache
        from gymqa.cli.commands.data.questions import build
        from gymqa.cli.commands.data.render import render
        from gymqa.cli.commands.data.split import split

        config, release, lists = self.config, self.path("release"), self.path("splits")
        rendered = {**asdict(config.release), "format": FORMAT}
        self.run.step("render", rendered, ["release"], lambda: render(release, release=config.release))
        fraction = config.labelled_fraction
        make_splits: Callable[[], None] = lambda: split(release, lists, fraction, config.seed)  # noqa: E731
        self.run.step("split", {"labelled": fraction, "seed": config.seed}, ["splits"], make_splits, ["render"])
        files = [lists / f"{name}.txt" for name in ("labelled", "unlabelled", "val")]
        decode: Callable[[], None] = lambda: cache(release, self.path("frames"), SIZE, MAX_FRAMES, lists=files)  # noqa: E731
        if not self.run.step("frames", {"size": SIZE, "max_frames": MAX_FRAMES}, ["frames"], decode, ["split"]):
            clips = [clip.id for path in files for clip in read_element_list(path)]  # adds clips that are missing
            FrameCache.build(self.path("frames"), clips, open_release(release).clip_path, SIZE, MAX_FRAMES)

        def ask() -> None:
            for benchmark in PUBLISHED_BENCHMARKS:
                out = self.path(f"questions/{benchmark}.jsonl")
                setting = config.release.setting
                build(
                    lists / "val.txt", finegym=release, out=out, benchmark=benchmark, seed=config.seed, setting=setting
                )

        self.run.step("questions", {"seed": config.seed}, ["questions"], ask, ["split"])

    def _recognizer(self, algorithm: str) -> None:
        """Train a recognizer with few labels, then predict the val clips."""
        from gymqa.cli.commands.models.predict import predict
        from gymqa.cli.commands.models.train import train
        from recognizers.ssl.algorithms import algorithm_named

        out, step = self.path(f"recognizers/{algorithm}"), f"train-{algorithm}"
        training = replace(self.config.training, algorithm=algorithm_named(algorithm))
        settings = {**asdict(training), "initial_weights": training.initial_weights}
        frames, lists = self.path("frames"), self.path("splits")
        self.run.step(
            step,
            settings,
            [str(out.relative_to(self.folder))],
            lambda: train(lists, frames, out, training=training),
            ["frames"],
        )
        found = f"recognition/{algorithm}.jsonl"
        self.run.step(
            f"predict-{algorithm}",
            {},
            [found],
            lambda: predict(
                out, frames, self.path(found), self.device, precision=self._precision, clips=lists / "val.txt"
            ),
            [step],
        )

    def _features(self, encoder: str) -> None:
        """Extract frozen features: several views of the labelled clips, one of the val clips."""
        from gymqa.cli.commands.models.extract import extract

        lists, config = self.path("splits"), self.config
        source = "image" if encoder == "image" else str(self.path(f"recognizers/{encoder}"))

        def work() -> None:
            out, frames = self.path(f"features/{encoder}"), self.path("frames")
            extract(source, frames, out, config.views, config.seed, self.device, clips=[lists / "labelled.txt"])
            extract(source, frames, out, 1, config.seed, self.device, clips=[lists / "val.txt"])

        image = encoder == "image"
        settings = {"views": config.views, "weights": weights_hash(SHIPPED) if image else None}
        after = ["frames"] if image else [f"train-{encoder}"]
        self.run.step(f"features-{encoder}", settings, [f"features/{encoder}"], work, after)

    def _language_model(self, name: str) -> None:
        """Tune projector and LoRA adapters on the labelled clips' questions, then answer every benchmark."""
        from encoders.tuning.config import FinetuneSettings
        from gymqa.cli.commands.answers.evaluate import evaluate
        from gymqa.cli.commands.models.finetune import finetune

        config, blind = self.config, name == "blind"
        features = self.path(f"features/{'sefar' if blind else name}")
        settings = FinetuneSettings(
            llm=config.llm,
            views=config.views,
            steps=config.tuning_steps,
            blind=blind,
            seed=config.seed,
            precision=self._precision,  # type: ignore[arg-type]
        )
        out, labelled = self.path(f"mllm/{name}"), self.path("splits") / "labelled.txt"
        tune: Callable[[], None] = lambda: finetune(  # noqa: E731
            features, out, clips=labelled, finegym=self.path("release"), tuning=settings
        )
        reads = [f"features-{'sefar' if blind else name}"]
        made_of = {**asdict(settings), "llm_files": self._llm_files}
        self.run.step(f"tune-{name}", made_of, [f"mllm/{name}"], tune, reads)
        model = f"{Path(config.llm).name}{', blind' if blind else ''}"

        answer: Callable[[], None] = lambda: evaluate(  # noqa: E731
            str(out), self.path(f"predictions/{name}"), features=None if blind else features, name=model,
            encoder="" if blind else TITLES[name], device=self.device, questions=[self.path("questions")],
        )  # fmt: skip
        self.run.step(
            f"evaluate-{name}",
            {"title": TITLES.get(name, "")},
            [f"predictions/{name}"],
            answer,
            [f"tune-{name}", "questions"],
        )

    def _recognizer_answers(self, algorithm: str) -> None:
        """Answer the questions with a recognizer alone: the choice with the highest class probability."""
        from gymqa.cli.commands.answers.evaluate import evaluate

        name = f"recognizer-{algorithm}"

        answer: Callable[[], None] = lambda: evaluate(  # noqa: E731
            str(self.path(f"recognition/{algorithm}.jsonl")), self.path(f"predictions/{name}"),
            name="recognizer itself", encoder=TITLES[algorithm], questions=[self.path("questions")],
        )  # fmt: skip
        self.run.step(f"evaluate-{name}", {}, [f"predictions/{name}"], answer, [f"predict-{algorithm}", "questions"])

    def _report(self) -> None:
        """Score all answers, write the leaderboard, and print its table."""
        from eval.report.leaderboard import print_table

        asked = [*ENCODERS, "blind", *(f"recognizer-{algorithm}" for algorithm in ALGORITHMS)]
        outputs = ["leaderboard.json", "leaderboard.html"]
        self.run.step("report", {}, outputs, self._write_report, [f"evaluate-{name}" for name in asked])
        print_table([Row(**row) for row in read_json(self.path("leaderboard.json"))["rows"]])
        print(self.path("leaderboard.html"))

    def _write_report(self) -> None:
        from eval.leaderboard.entries import as_runs, read_entries, read_question_files
        from eval.leaderboard.schema import RecognizerRun
        from eval.metrics.recognition import read_class_predictions
        from eval.report.clips import clips_beside
        from eval.report.leaderboard import make_page, write_leaderboard

        asked = read_question_files(self.path(f"questions/{name}.jsonl") for name in PUBLISHED_BENCHMARKS)
        runs = as_runs(read_entries(visible_files(self.path("predictions"), "*/*.jsonl"), asked))
        recognizers = [RecognizerRun(TITLES[name], "", read_class_predictions(self.path(f"recognition/{name}.jsonl")))
                       for name in ALGORITHMS]  # fmt: skip
        taxonomy = open_release(self.path("release")).taxonomy
        clips = clips_beside(
            self.folder, "release/subactions/", (one.clip_id for file in asked for one in file.questions)
        )
        page = make_page(asked, runs, recognizers, taxonomy, clips, "Gym-QA on GymSim", self.config.seed, self.device)
        write_leaderboard(self.folder, page)
