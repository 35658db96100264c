"""What stands on the site beside the main table: tables as files, packed questions, controls in words, clips."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.leaderboard.entries import as_runs, read_entries, read_question_files
from eval.leaderboard.rows import build_rows, unanswered_items
from eval.leaderboard.schema import ModelRun, Row, main_rows, main_runs
from eval.report.analyses import Analyses, analyse
from eval.report.clips import Clips, clips_beside, copy_clips
from eval.report.confusion import ConfusionView, choice_confusion, matrix_data
from eval.report.control_sentences import Drop, sentences
from eval.report.page import Page, render
from eval.report.samples import pack_samples, packed_size
from eval.report.tables import as_csv, as_latex, as_markdown
from eval.stats.bootstrap import Interval
from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.frames.video import write_video
from gymqa.questions.schema import Detail, Question
from tests.helpers.leaderboard_example import answered, questions, run
from tests.helpers.naming import does_name, naming
from tests.helpers.site_example import write_site_inputs

ATTACKS = ("<script>alert(1)</script>", "</script>", "=cmd()|' /C calc'!A0", "a|b", "\\input{/etc/passwd}", "x\r\n=1+1")


def row(model: str, **changes: Any) -> Row:
    made = Row(model, "", "gym-qa", "accuracy", 0.5, 0.4, 0.6, 12, 1.0, rank_low=1, rank_high=2)
    return replace(made, **changes)


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_are_text_in_every_table(attack: str) -> None:
    rows = [row(attack, encoder=attack, benchmark=attack, control=attack), row("plain", benchmark=attack)]
    header, *lines = csv.reader(io.StringIO(as_csv(rows)))
    assert len(lines) == 2 and all(len(line) == len(header) for line in lines)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for line in lines for cell in line)
    assert lines[0][0].lstrip("'") == attack
    markdown = as_markdown(rows).splitlines()
    assert len(markdown) == 4 and "<" not in "".join(markdown)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in markdown} == {3}
    latex = as_latex(rows)
    commands = set(re.findall(r"\\[a-z]+", latex))
    assert commands <= {"\\begin", "\\end", "\\toprule", "\\midrule", "\\bottomrule", "\\textbackslash", "\\textless",
                        "\\textgreater", "\\textbar", "\\textperiodcentered"}  # fmt: skip
    assert latex.count("\\\\\n") == 3


def test_tables_show_ranks_as_ranges_and_numbers_unescaped() -> None:
    rows = [row("a"), row("b", rank_low=2, value=0.25)]
    assert "| 50.0 (40.0–60.0), rank 1–2 |" in as_markdown(rows)
    assert r"b & 25.0 (40.0--60.0), rank 2 \\" in as_latex(rows)
    assert as_csv(rows).splitlines()[2] == "b,,none,gym-qa,accuracy,0.25,0.4,0.6,2,2,12,,1.0"


def first_units(text: str, n: int) -> str:
    """JavaScript's text.slice(0, n), which counts UTF-16 units."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * n].decode("utf-16-le", "surrogatepass")


def unpack(packed: dict[str, Any]) -> list[dict[str, Any]]:
    """What samples.js.j2 does, for a question and model: clip, choices, answer, letter said, shares."""
    clip, offset, found = "", 0, []
    for i, choices in enumerate(packed["choices"]):
        clip = first_units(clip, int(packed["clips"][i][:2], 36)) + packed["clips"][i][2:]
        kind = [packed["strings"][at] for at in packed["kinds"][packed["kind"][i]]]
        shares = [one[2 * offset : 2 * (offset + len(choices))] for one in packed["shares"]]
        offset += len(choices)
        found.append({
            "id": kind[4].replace("\x00", clip), "clip": clip, "benchmark": kind[0], "event": kind[2],
            "choices": [packed["strings"][at] for at in choices], "answer": packed["answers"][i],
            "said": [one[i] for one in packed["said"]],
            "shares": [None if one.startswith("-") else [int(one[j : j + 2], 36) / 1000 for j in range(0, len(one), 2)]
                       for one in shares],
        })  # fmt: skip
    return found


def test_packed_questions_are_the_questions_and_answers() -> None:
    benchmarks = {name: questions(name) for name in ("gym-qa", "gym-new")}
    one = run("a", "x", 9, benchmarks)
    other = ModelRun("b", "", {"gym-new": answered(benchmarks["gym-new"], 3)})
    packed = json.loads(json.dumps(pack_samples(benchmarks, [one, other], Clips("c/", frozenset({"clip0"})))))
    assert (packed["total"], packed["shown"], packed["models"]) == (24, 24, ["a · x", "b"])
    found = unpack(packed)
    asked = [*benchmarks["gym-qa"], *benchmarks["gym-new"]]
    assert [(q["id"], q["clip"], tuple(q["choices"])) for q in found] == [(q.id, q.clip_id, q.choices) for q in asked]
    assert [q["answer"] for q in found] == [q.letter for q in asked]
    assert found[0]["said"] == ["A", " "] and found[11]["said"] == ["-", " "] and found[12]["said"] == ["A", "A"]
    assert found[0]["shares"] == [[0.7, 0.1, 0.1, 0.1], None]
    assert packed["strings"][packed["reasons"][0]["11"]] == "clip11.mp4 is empty"
    assert 0 not in packed["missing"] and 1 in packed["missing"]


def test_signs_beyond_the_basic_plane_are_two_units_as_in_the_script() -> None:
    names = ["\U0001f938-1", "\U0001f938-2", "\U0001f939-2", "a" * 1294 + "\U0001f938b", "a" * 1294 + "\U0001f938c"]
    asked = [replace(one, clip_id=name) for one, name in zip(questions("gym-qa"), names, strict=False)]
    packed = pack_samples({"gym-qa": asked}, [run("m", "", 3, {"gym-qa": asked})])
    assert [one["clip"] for one in unpack(packed)] == names
    assert packed["clips"][1] == "032"


def test_half_of_a_surrogate_pair_in_a_question_is_shown_and_can_be_written() -> None:
    half = "\ud83e"
    asked = [replace(one, id=one.id + half, clip_id=one.clip_id + half) for one in questions("gym-qa", 12, half)]
    one = ModelRun("m", "", {"gym-qa": answered(asked, 9, "empty" + half)})
    packed = pack_samples({"gym-qa": asked}, [one])
    assert packed["shown"] == 12 and [found["id"] for found in unpack(packed)] == [found.id for found in asked]
    html = render(Page("t", (), {}, packed, tuple(unanswered_items({"gym-qa": asked}, [one]))))
    html.encode()
    (data,) = re.findall(r'id="data">(.*?)</script>', html, flags=re.DOTALL)
    assert json.loads(data)["samples"] == json.loads(json.dumps(packed))


def test_too_many_questions_are_drawn_by_a_hash_and_counted() -> None:
    benchmarks = {"gym-qa": questions("gym-qa", 400)}
    one = run("a", "", 300, benchmarks)
    packed = pack_samples(benchmarks, [one], budget=6000)
    assert packed["total"] == 400 and 50 < packed["shown"] < 300 and packed_size(packed) <= 6100
    assert len(packed["choices"]) == packed["shown"] == len(packed["answers"])
    ids = [found["id"] for found in unpack(packed)]
    backwards = pack_samples({"gym-qa": benchmarks["gym-qa"][::-1]}, [one], budget=6000)
    assert len(set(ids) & {found["id"] for found in unpack(backwards)}) > 0.9 * len(ids)


def test_replies_frames_and_prompts_are_packed_once_where_they_are_equal() -> None:
    asked = questions("gym-qa")
    details = [Detail("0" * 64, (0, 4), "", f"reply {i}" if i < 9 else "") for i in range(12)]
    told = [replace(one, detail=detail) for one, detail in zip(answered(asked, 9), details, strict=True)]
    runs = [ModelRun("a", "", {"gym-qa": told}), ModelRun("b", "", {"gym-qa": answered(asked, 9)})]
    packed = pack_samples({"gym-qa": asked}, runs)
    of = packed["strings"]
    assert of[packed["frames"][0]] == "0 4" and of[packed["prompts"][0]] == ""  # a hash that no known prompt has
    assert [of[at] for at in packed["replies"][0]] == [one.reply for one in details]
    assert (packed["frames"][1], packed["prompts"][1], packed["replies"][1], packed["rates"]) == (None,) * 4


def test_long_replies_are_cut_before_questions_are_left_out() -> None:
    asked = questions("gym-qa", 40)
    told = [replace(one, detail=Detail(reply=f"{i} " + "word " * 400)) for i, one in enumerate(answered(asked, 9))]
    packed = pack_samples({"gym-qa": asked}, [ModelRun("a", "", {"gym-qa": told})], budget=20_000)
    assert packed["shown"] == 40 and packed_size(packed) <= 20_000
    replies = [packed["strings"][at] for at in packed["replies"][0]]
    assert {len(reply) for reply in replies} == {201} and all(reply.endswith("…") for reply in replies)


def test_the_frame_rate_of_a_clip_goes_with_it_where_it_has_one(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((4, 16, 16, 3), np.uint8), fps=12.5)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    clips = copy_clips(tmp_path, tmp_path / "site", ["a", "b", "c"])
    assert clips.found == {"a", "b"} and clips.rates == {"a": 12.5}
    assert clips_beside(tmp_path, "", ["a", "b"]).rates == clips.rates
    asked = [replace(one, clip_id=clip) for one, clip in zip(questions("gym-qa"), "abc", strict=False)]
    packed = pack_samples({"gym-qa": asked}, [ModelRun("m", "", {"gym-qa": answered(asked, 2)})], clips)
    assert packed["rates"] == [12.5, None, None]


def evidence_of(folder: Path) -> tuple[Analyses, list[Row], dict[str, tuple[Question, ...]]]:
    results, asked = write_site_inputs(folder, 96)
    files = read_question_files([asked])
    benchmarks = {one.benchmark: one.questions for one in files}
    runs = as_runs(read_entries([results], files))
    rows = build_rows(benchmarks, runs, resamples=200)
    return analyse(benchmarks, runs, rows, resamples=200), rows, benchmarks


def test_a_model_that_does_not_fall_when_shuffled_is_said_not_to_watch(tmp_path: Path) -> None:
    evidence, _, _ = evidence_of(tmp_path)
    says = {(one["benchmark"], one["model"]): one["says"] for one in evidence.controls}
    ((falls, sentence),) = says["gym-qa", "watcher · SeFAR"]
    assert falls and re.match(
        r"watcher · SeFAR loses 7\d\.\d points \(.*\) when the frames are shuffled: it uses", sentence
    )
    ((falls, sentence),) = says["gym-qa", "sleeper"]
    assert not falls and sentence.endswith("when the frames are shuffled, 0.0 points (0.0 to 0.0): it is not watching "
                                           "the movement.")  # fmt: skip


def test_a_control_is_held_against_untouched_clips_of_as_many_frames() -> None:
    asked = questions("gym-qa", 96)

    def shown(right: int, n_frames: int | None, control: str = "none") -> ModelRun:
        return ModelRun("m", "", {"gym-qa": answered(asked, right)}, control, n_frames)

    def drops(*runs: ModelRun) -> list[tuple[str, str, float, float]]:
        rows = build_rows({"gym-qa": asked}, runs, resamples=50)
        found = analyse({"gym-qa": asked}, runs, rows, resamples=50).controls
        return [(one["model"], drop["control"], one["value"], drop["drop"]) for one in found for drop in one["drops"]]

    few, many, shuffled, backwards = shown(48, 2), shown(72, 16), shown(24, 2, "shuffled"), shown(48, 16, "reversed")
    assert drops(few, many, shuffled) == [("m, 2 frames", "shuffled", 0.5, 0.25)]
    assert drops(few, many, shuffled, backwards) == [("m", "reversed", 0.75, 0.25),
                                                     ("m, 2 frames", "shuffled", 0.5, 0.25)]  # fmt: skip
    assert drops(few, shuffled, many, shown(60, 16, "shuffled")) == [("m", "shuffled", 0.75, 0.125)]
    assert drops(many, shuffled) == []


def test_controls_that_show_nothing_are_called_so() -> None:
    wide = Drop("reversed", 0.5, Interval(0.06, -0.1, 0.2))
    assert sentences("m", [wide], at_chance=False)[0] == (
        False,
        "m loses 6.0 points (-10.0 to 20.0) when the clip runs backwards: too few questions to tell.",
    )
    ((falls, sentence),) = sentences("m", [wide, wide], at_chance=True)
    assert not falls and "not surely above chance" in sentence


def test_the_table_shows_the_most_frames_and_the_curve_all(tmp_path: Path) -> None:
    evidence, rows, _ = evidence_of(tmp_path)
    watcher = [row for row in rows if (row.model, row.control, row.benchmark) == ("watcher", "none", "gym-qa")
               and row.metric == "accuracy"]  # fmt: skip
    assert [row.n_frames for row in watcher] == [2, 4, 8]
    assert [row.n_frames for row in main_rows(watcher)] == [8]
    assert [(row.rank_low is None) for row in watcher] == [True, True, False]
    (curve,) = [one for one in evidence.frames if one["benchmark"] == "gym-qa"]
    assert [point[0] for point in curve["points"]] == [2, 4, 8] and curve["model"] == "watcher · SeFAR"
    assert [point[1] for point in curve["points"]] == sorted(point[1] for point in curve["points"])


def test_main_runs_take_each_benchmark_with_most_frames() -> None:
    asked = {name: questions(name) for name in ("gym-qa", "gym-new")}
    few = ModelRun("m", "", {name: answered(found, 3) for name, found in asked.items()}, n_frames=2)
    many = ModelRun("m", "", {"gym-qa": answered(asked["gym-qa"], 9)}, n_frames=8)
    (one,) = main_runs([many, few])
    assert one.predictions["gym-qa"] == many.predictions["gym-qa"]
    assert one.predictions["gym-new"] == few.predictions["gym-new"]


def test_letters_bins_and_slices_add_up(tmp_path: Path) -> None:
    evidence, _, benchmarks = evidence_of(tmp_path)
    for one in evidence.letters:
        assert sum(right for _, _, right in one["letters"]) == pytest.approx(1, abs=1e-3)
    (bins,) = [
        one["bins"] for one in evidence.reliability if one["model"] == "sleeper" and one["benchmark"] == "gym-qa"
    ]
    assert sum(n for _, _, n in bins) == 95  # the last question is unanswered
    tier = next(one for one in evidence.slices if one["benchmark"] == "gym-qa" and one["facet"] == "element")
    assert sum(row["n"] for row in tier["rows"]) == len(benchmarks["gym-qa"])
    assert evidence.resolution.keys() == benchmarks.keys()


def test_confusions_of_answers_count_how_often_a_choice_was_offered() -> None:
    asked = questions("gym-qa", 12)
    matrix = choice_confusion("m", "gym-qa", asked, answered(asked, 8))
    assert matrix is not None
    assert matrix["names"] == [f"move {i}" for i in range(4)]
    cells = {(true, said): (count, of) for true, said, count, of in matrix["cells"]}
    assert cells[0, 0] == (2, 3) and cells[0, 1] == (1, 3)
    assert (
        choice_confusion("m", "decision", [replace(one, choice_labels=(), kind="shape") for one in asked], []) is None
    )


def test_a_large_matrix_keeps_the_classes_that_are_confused_most() -> None:
    counts = np.diag(np.full(60, 5))
    counts[50, 51] = 4
    matrix = matrix_data(ConfusionView("m", tuple(f"c{i}" for i in range(60)), counts), "recognition")
    assert matrix is not None and len(matrix["names"]) == 40 and matrix["left"] == 20
    assert {"c50", "c51"} <= set(matrix["names"])


def test_clips_are_copied_once_and_never_from_outside(tmp_path: Path) -> None:
    source, site = tmp_path / "release" / "subactions", tmp_path / "site"
    source.mkdir(parents=True)
    (source / "a.mp4").write_bytes(b"one")
    (tmp_path / "secret.mp4").write_bytes(b"no")
    wanted = ["a", "b", "../../secret", "a\0", str(tmp_path / "secret")]
    clips = copy_clips(tmp_path / "release", site, wanted)
    assert clips == Clips("clips/", frozenset({"a"}))
    assert [path.name for path in (site / "clips").iterdir()] == ["a.mp4"]
    before = (site / "clips" / "a.mp4").stat().st_ino
    assert copy_clips(source, site, wanted) == clips and (site / "clips" / "a.mp4").stat().st_ino == before
    assert clips_beside(tmp_path, "release/subactions/", wanted).found == {"a"}
    with pytest.raises(GymQAError, match=naming(source, "--clips")):
        copy_clips(source, site, ["b"])
    with pytest.raises(GymQAError, match=naming(tmp_path / "none", "--clips")):
        copy_clips(tmp_path / "none", site, ["a"])


@pytest.mark.slow
def test_the_command_writes_a_site_and_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, asked = write_site_inputs(tmp_path)
    out = tmp_path / "site"
    words = ["report", str(results), "--questions", str(asked), "--out", str(out), "--resamples", "50"]
    assert cli.main(words) == 0, capsys.readouterr().err
    assert str(out / "index.html") in capsys.readouterr().out
    names = {"index.html", *(f"leaderboard.{suffix}" for suffix in ("json", "csv", "md", "tex"))}
    assert {path.name for path in out.iterdir()} == names
    board = json.loads((out / "leaderboard.json").read_text())
    assert {row["control"] for row in board["rows"]} == {"none", "shuffled"}
    assert [one["second"] for one in board["comparisons"]] and set(board["detectable_difference"]) == {
        "gym-qa",
        "gym-new",
    }
    assert cli.main(["report", str(tmp_path / "none"), "--questions", str(asked), "--out", str(out)]) == 2
    assert does_name(capsys.readouterr().err, tmp_path / "none", "gymqa evaluate")
