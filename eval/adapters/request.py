"""What an adapter is built from and what it gives: Request -> Loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eval.adapters.api_settings import ApiSettings
from eval.run.protocol import AnswerModel
from gymqa.frames.controls import NONE
from gymqa.questions.schema import Question
from gymqa.questions.scoring import require_scoring


@dataclass(frozen=True)
class AdapterOptions:
    """What single adapters are built with; each takes its own of these.

    Attributes:
        n_frames: frames of a clip shown to hf-vlm and openai.
        dtype: of hf-vlm's weights: auto, float32, bfloat16, float16.
        length_normalised: divide a text's log-likelihood by its number of tokens; by default hf-vlm does, gymqa not.
        trust_remote_code: let hf-vlm run the Python code that comes with a model.
        training: .jsonl of questions, or a folder of them, whose answers `prior` counts.
        finegym: folder of annotation files that the oracles know.
        setting: gym99, gym288, …; may be left out where that folder has only one.
        annotator: whose answers `human` takes; everybody's, by majority, by default.
        replies: folder that keeps what an endpoint replied, so that nothing is paid for twice; beside the predictions
            by default.
        api: the endpoint of openai.
    """

    n_frames: int = 8
    dtype: str = "auto"
    length_normalised: bool | None = None
    trust_remote_code: bool = False
    training: Path | None = None
    finegym: Path | None = None
    setting: str | None = None
    annotator: str | None = None
    replies: Path | None = None
    api: ApiSettings = field(default_factory=ApiSettings)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line says of a model and what it looks at; see `gymqa.cli.commands.answers.evaluate.evaluate`.

    `controls` are those that it is going to be asked under. `folder` is where features and class probabilities that are
    made on the way are kept; `clips` has one question about each clip that is asked about, by clip id. `scoring` None
    is the adapter's own.
    """

    model: str
    name: str
    scoring: str | None
    batch_size: int
    device: str
    features: Path | None
    frames: Path | None
    encode_with: str | None
    control_seed: int
    controls: tuple[str, ...] = (NONE,)
    folder: Path
    clips: Mapping[str, Question]
    options: AdapterOptions = field(default_factory=AdapterOptions)

    @property
    def elements(self) -> dict[str, int]:
        """Each clip's element, which a mismatched video differs in."""
        return {clip: question.element for clip, question in self.clips.items()}


@dataclass(frozen=True)
class Loaded:
    """A model that is ready: `under` gives it under a control; the rest is what a result tells of it."""

    under: Callable[[str], AnswerModel]
    scoring: str = ""
    revision: str | None = None
    n_frames: int | None = None


def control_independent(model: AnswerModel, adapter: str, request: Request) -> Loaded:
    """A model whose answers were written down or follow from a rule: the same under every control.

    Raises:
        GymQAError: a scoring was asked for, and it has none.
    """
    require_scoring(adapter, request.scoring, ())
    return Loaded(lambda control: model, adapter)


def scoring_name(scoring: str, length_normalised: bool) -> str:
    """What a result calls a scoring: texts whose likelihood is divided by their tokens are another one."""
    return "texts-per-token" if scoring == "texts" and length_normalised else scoring
