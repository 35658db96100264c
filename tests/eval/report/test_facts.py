"""Facts of the models on the page are those of their results and answers; what no result records is called so."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from eval.leaderboard.entries import as_runs, read_entries, read_question_files
from eval.report.facts import UNKNOWN, facts_of
from eval.run.results import load_result, save_result
from gymqa.cli.main import main
from gymqa.questions.schema import Detail
from tests.helpers.leaderboard_example import answered
from tests.helpers.site_example import put, write_questions, write_site_inputs


def test_every_value_of_a_models_results_is_shown(tmp_path: Path) -> None:
    asked = write_questions(tmp_path)
    for n_frames, commit in ((4, "c0ffee"), (8, "c0ffee"), (8, "decade")):
        (path, questions) = asked["gym-qa" if commit == "c0ffee" else "gym-new"]
        out = put(tmp_path / "r" / f"{n_frames}{commit}", path, answered(questions, 5), "m", "e", n_frames=n_frames)
        result = load_result(out)
        model = result.model.model_copy(update={"adapter": "hf-vlm", "revision": commit})
        parameters = 7_241_732_096 if commit == "c0ffee" else 1_040
        save_result(out, result.model_copy(update={"model": model, "scoring": "letters", "parameters": parameters}))
        os.utime(out, (1_700_000_000, 1_700_000_000))  # 2023-11-14
    files = read_question_files([tmp_path / "questions"])
    (found,) = facts_of(as_runs(read_entries([tmp_path / "r"], files)))
    assert (found.model, found.adapter, found.scoring) == ("m · e", "hf-vlm", "letters")
    assert sorted(found.revision.split(", ")) == ["c0ffee", "decade"] and found.frames == "4, 8"
    assert sorted(found.parameters.split(", ")) == ["1.04 k", "7.24 B"] and found.written == "2023-11-14"


def test_frames_and_weights_are_taken_from_the_answers_where_the_result_has_none(tmp_path: Path) -> None:
    asked = write_questions(tmp_path)
    path, questions = asked["gym-qa"]
    detail = Detail("", (0, 5, 9), "0123456789ab")
    plain = answered(questions, 5)
    put(tmp_path / "r" / "told", path, [replace(one, detail=detail) for one in plain], "told")
    put(tmp_path / "r" / "silent", path, plain, "silent")
    files = read_question_files([tmp_path / "questions"])
    silent, told = sorted(facts_of(as_runs(read_entries([tmp_path / "r"], files))), key=lambda one: one.model)
    assert (told.revision, told.frames, told.scoring) == ("0123456789ab", "3", UNKNOWN)
    assert {silent.adapter, silent.revision, silent.frames, silent.scoring, silent.parameters} == {UNKNOWN}


@pytest.mark.slow
def test_the_page_shows_the_facts_and_links_files_that_are_there(tmp_path: Path) -> None:
    results, asked = write_site_inputs(tmp_path)
    words = ["report", str(results), "--questions", str(asked), "--out", str(tmp_path / "site"), "--resamples", "10"]
    assert main(words) == 0
    html = (tmp_path / "site" / "index.html").read_text()
    table = html.split('class="plain facts"')[1].split("</table>")[0]
    assert re.findall(r'<th scope="row">([^<]+)</th>', table) == ["watcher · SeFAR", "sleeper"]
    assert ">2, 4, 8<" in table
    links = re.findall(r'<a href="(leaderboard[^"]+)"', html)
    assert {link.rpartition(".")[2] for link in links} == {"csv", "json", "tex", "md"}
    assert all((tmp_path / "site" / link).is_file() for link in links)
