"""FineGym's temporal annotation: read as actions and sub-actions, and what is wrong in it named with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.download.trim import spans_of
from gymqa.errors import GymQAError
from gymqa.finegym.temporal import Action, read_annotations
from tests.helpers.naming import naming


def annotation_file(folder: Path, segments: Any, timestamps: Any = ((10.5, 20.25),)) -> Path:
    path = folder / "finegym_annotation_info.json"
    action = {"event": 4, "timestamps": timestamps, "segments": segments}
    path.write_text(json.dumps({"vid": {"E_000010_000020": action}}))
    return path


def test_actions_hold_their_sub_actions_with_stages(tmp_path: Path) -> None:
    segments = {"A_0003_0005": {"stages": 2, "timestamps": [[3.1, 4.0], [4.0, 5.2]]}}
    (action,) = read_annotations(annotation_file(tmp_path, segments))
    assert (action.video_id, action.event, action.start, action.end) == ("vid", 4, 10.5, 20.25)
    assert action.sub_actions[0].clip_id == "vid_E_000010_000020_A_0003_0005"
    assert action.sub_actions[0].stages == ((3.1, 4.0), (4.0, 5.2))


def test_an_action_may_have_no_sub_actions(tmp_path: Path) -> None:
    assert read_annotations(annotation_file(tmp_path, None))[0].sub_actions == ()


STAGE = {"stages": 1, "timestamps": [[3.1, 4.0]]}
SOUND = {"event": 4, "timestamps": [[10, 20]], "segments": {"A_0003_0005": STAGE}}


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ({**SOUND, "segments": {"A_0003_0005": {**STAGE, "stages": 3}}}, ("A_0003_0005", 3, 1)),
        ({**SOUND, "segments": {"A_0003_0005": {"timestamps": [[3.1, 4.0]]}}}, ("'stages'",)),
        ({**SOUND, "segments": {"../A_0003_0005": STAGE}}, ("'../A_0003_0005'",)),
        ({**SOUND, "segments": {"A_0003_0005": {"stages": 1, "timestamps": [[5.0, 4.0]]}}}, ("5.0", "4.0")),
        ({**SOUND, "segments": [1]}, ("segments",)),
        ({**SOUND, "timestamps": [10, 20]}, ("TypeError",)),
        ({**SOUND, "timestamps": [[10, float("inf")]]}, ("10.0", "inf")),
        ({**SOUND, "timestamps": [[10, 10**400]]}, ("OverflowError",)),
        ({**SOUND, "event": float("inf")}, ("OverflowError",)),
        (None, ("TypeError",)),
    ],
)
def test_a_wrong_action_is_named_with_its_line(tmp_path: Path, action: Any, named: tuple[object, ...]) -> None:
    path = tmp_path / "info.json"
    text = json.dumps({"aa": {"E_000010_000020": SOUND}, "vid": {"E_000010_000020": action}}, indent=1)
    path.write_text(text)
    line = text[: text.rindex('"E_000010')].count("\n") + 1
    with pytest.raises(GymQAError, match=naming(f"info.json:{line}", "E_000010_000020", "vid", *named)):
        read_annotations(path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"v": {},\n"v": {}}', ("info.json:2", "v")),
        (
            f'{{"v": {{"E_000010_000020": {json.dumps(SOUND)},\n"E_000010_000020": {json.dumps(SOUND)}}}}}',
            ("info.json:2", "v", "E_000010_000020"),
        ),
        (
            '{"v": {"E_000010_000020": {"event": 1, "timestamps": [[1, 2]], "segments": {"A": 1, "A": 1}}}}',
            ("info.json:1", "E_000010_000020", "v", "second"),
        ),
        ('{"v": {},\n"w": []}', ("info.json:2", "w")),
        ('{"v": {},\n"' + "w" * 65 + '": {}}', ("info.json:2", "w" * 65, 64)),
        ("[" * 100_000, ("info.json", "JSON")),
        ("9" * 5000, ("info.json", "JSON")),
        ("[]", ("info.json", "FineGym")),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, named: tuple[object, ...]) -> None:
    (tmp_path / "info.json").write_text(text)
    with pytest.raises(GymQAError, match=naming(*named)):
        read_annotations(tmp_path / "info.json")


number = st.integers() | st.floats() | st.sampled_from([0, 1.5, 2, 3, 1e300])
stages = st.lists(st.lists(number, min_size=1, max_size=2), max_size=2)
segment = st.fixed_dictionaries({"stages": st.integers(0, 2), "timestamps": stages})
segments = st.none() | st.dictionaries(st.sampled_from(["A_0001_0002", "A_0002_0004", "A_1_2"]), segment, max_size=2)
action = st.fixed_dictionaries(
    {"event": number | st.text(max_size=2), "timestamps": stages, "segments": segments | st.integers() | st.text()}
)
anything = st.recursive(
    st.none() | number | st.text(max_size=3) | action,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["v", "E_000001_000009", "../v", "segments"]), inner, max_size=2)
    ),
)
actions = st.dictionaries(st.sampled_from(["E_000001_000009", "E_1_2"]), action, max_size=2)


@pytest.mark.slow
@given(st.text(max_size=60) | (anything | st.fixed_dictionaries({"v": actions})).map(json.dumps))
def test_any_file_is_read_or_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any_info.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = read_annotations(path)
    except GymQAError as error:
        assert "any_info.json" in str(error) and "\n" not in str(error)
        return
    assert all(isinstance(one, Action) for one in found)
    assert all(0 <= span.start <= span.end < float("inf") for span in spans_of(found).values())
