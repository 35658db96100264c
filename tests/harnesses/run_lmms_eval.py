"""Runs lmms-eval on exported tasks with a model of given replies; started by test_harnesses in lmms-eval's environment.

Arguments: the folder of the tasks, a task, a JSON file {question id: reply}, and the file for the results.
"""

import json
import sys
from pathlib import Path
from typing import Any

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager


class GivenReplies(lmms):
    """Answers each question with its given reply."""

    def __init__(self, replies: dict[str, str]) -> None:
        super().__init__()
        self.replies = replies
        self.prompts: list[str] = []

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """The reply to each question."""
        said = []
        for request in requests:
            prompt, _, _, doc_id, task, split = request.args
            self.prompts.append(prompt)
            said.append(self.replies[self.task_dict[task][split][doc_id]["id"]])
        return said

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not asked for."""
        raise NotImplementedError

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Not asked for."""
        raise NotImplementedError


def main(folder: str, task: str, replies: str, out: str) -> None:
    """Run the task and write what lmms-eval says of it."""
    model = GivenReplies(json.loads(Path(replies).read_text("utf-8")))
    manager = TaskManager(include_path=folder, include_defaults=False)
    found: Any = simple_evaluate(model=model, tasks=[task], task_manager=manager, batch_size=1, bootstrap_iters=0)
    samples = {one["doc"]["id"]: one["target"] for one in found["samples"][task]}
    kept = {
        "results": found["results"][task],
        "version": found["versions"][task],
        "targets": samples,
        "prompt": model.prompts[0],
    }
    Path(out).write_text(json.dumps(kept, default=str), "utf-8")


main(*sys.argv[1:])
