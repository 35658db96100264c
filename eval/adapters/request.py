"""Input and output of an adapter's constructor: Request (model, options, frames, controls) -> Loaded model."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eval.adapters.api.settings import ApiSettings
from eval.run.protocol import AnswerModel
from gymqa.frames.controls import NONE
from gymqa.questions.schema import Question
from gymqa.questions.scoring import require_scoring


@dataclass(frozen=True)
class AdapterOptions:
    """Options of single adapters; each reads its own.

    Attributes:
        n_frames: frames of a clip shown to hf-vlm and openai, evenly spaced.
        fps: frames per second shown to them in place of n_frames, as makers of models state it.
        max_frames: most frames of a clip at that rate; of a longer clip the rate is lowered.
        untried: let hf-vlm show a model of a family that was not tried images with their times.
        dtype: of hf-vlm's weights: auto, float32, bfloat16, float16.
        length_normalised: divide a text's log-likelihood by its number of tokens; by default hf-vlm does, gymqa not.
        trust_remote_code: let hf-vlm run the Python code that comes with a model.
        training: .jsonl of questions, or a folder of them, whose answers `prior` counts.
        finegym: folder of FineGym's annotation files, for the oracles.
        setting: gym99, gym288, …; may be left out where that folder has only one.
        annotator: whose answers `human` takes; by default the majority of all.
        replies: cache folder of an endpoint's replies, so that nothing is paid for twice; by default beside the
            predictions.
        api: settings of openai's endpoint.
    """

    n_frames: int = 8
    fps: float | None = None
    max_frames: int = 64
    untried: bool = False
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
    """A model and its inputs as the command line names them; see `gymqa.cli.commands.answers.evaluate.evaluate`.

    `controls` are those it is evaluated under. `folder` holds features and class probabilities computed on the way;
    `clips` has one question about each clip, by clip id. `scoring` None is the adapter's default.
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
    def elements(self) -> dict[str, Hashable]:
        """Each clip's element, its video where it has none; a mismatched clip is of another element or video."""
        return {clip: _shows(question) for clip, question in self.clips.items()}


@dataclass(frozen=True)
class Loaded:
    """A loaded model: `under` returns it under a control; the other fields are written to the result.

    `parameters` is their number, `prompt` the template of its prompts (`eval.run.prompts`); both where known.
    """

    under: Callable[[str], AnswerModel]
    scoring: str = ""
    revision: str | None = None
    n_frames: int | None = None
    parameters: int | None = None
    prompt: str = ""


def _shows(question: Question) -> Hashable:
    return question.video_id if question.element is None else question.element


def control_independent(model: AnswerModel, adapter: str, request: Request) -> Loaded:
    """A model whose answers are precomputed or follow from a rule: the same under every control.

    Raises:
        GymQAError: a scoring was requested, and the adapter has none.
    """
    require_scoring(adapter, request.scoring, ())
    return Loaded(lambda control: model, adapter)


def scoring_name(scoring: str, length_normalised: bool) -> str:
    """A scoring's name in results: length-normalised texts have a name of their own."""
    return "texts-per-token" if scoring == "texts" and length_normalised else scoring
