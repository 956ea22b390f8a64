import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.domain.session_plan import SessionPlan
from actors.supervisor.output import open_output
from actors.supervisor.status import RunStatus

Plans = Callable[..., SessionPlan]
Statuses = Callable[..., RunStatus]


def test_json_is_the_summary_and_nothing_else(
    make_plan: Plans, make_status: Statuses, capsys: pytest.CaptureFixture[str]
) -> None:
    written = io.StringIO()
    output = open_output(written)
    output.note("taken up")
    output.start(make_plan())
    output.update(make_status())
    output.stop()
    output.end({"status": "done"}, Path("runs"))
    assert json.loads(written.getvalue()) == {"status": "done"}
    assert capsys.readouterr() == ("", "")


def test_screens_show_notes_plan_and_progress(
    make_plan: Plans, make_status: Statuses, capsys: pytest.CaptureFixture[str]
) -> None:
    output = open_output(None)
    output.note("taken up")
    output.start(make_plan())
    output.update(make_status())
    output.stop()
    written = capsys.readouterr().out
    assert written.index("taken up") < written.index(make_plan().name) < written.index("bars/s")


def test_what_launches_does_without_the_screens_library() -> None:
    code = "import sys, actors.supervisor.launch; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
