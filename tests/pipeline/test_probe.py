import os
import signal
import time

import pytest

from tests.pipeline.conftest import *

HANG = """
class Subject(Strategy):
    def on_bar(self, ctx, bar):
        if IS_ACTOR and ctx.now >= 1751463000_000000000 + 60*60*10**9:
            while True: pass
"""


def test_kill_supervisor_stopped_actor(launch, configure):
    launched = launch(configure(SLOW))
    launched.wait_streaming()
    os.kill(launched.pid("quality"), signal.SIGSTOP)
    launched.process.kill()
    launched.wait_gone()


def test_kill_supervisor_busy_strategy(launch, configure, write_strategy):
    launched = launch(
        configure(
            SLOW,
            {
                "session_data_config": {"strategies": [write_strategy("hang", HANG)]},
                "backtest_config": {"speed_multiplier": 0},
            },
        )
    )
    launched.wait_until("busy", lambda: (launched.status() or {}).get("phase") == 5)
    time.sleep(1)
    launched.process.kill()
    launched.wait_gone()


def test_long_tmp(run, configure, tmp_path):
    d = tmp_path / ("x" * 90)
    d.mkdir()
    e = run(configure(), env={"TMPDIR": str(d)})
    print(e.exit_code, e.stdout, e.stderr)
    assert e.exit_code == 2


def test_tmp_medium(run, configure, tmp_path):
    import tempfile

    d = Path(tempfile.mkdtemp())
    d = d / ("x" * (85 - len(str(d))))
    d.mkdir()
    e = run(configure(), env={"TMPDIR": str(d)})
    print(e.exit_code, e.stdout, e.stderr)
    assert e.exit_code == 2


@pytest.mark.parametrize(
    "name",
    [
        "actors/__init__.py",
        "actors.py",
        "protocol/__init__.py",
        "numpy.py",
        "signal.py",
        "random.py",
        "zmq/__init__.py",
    ],
)
def test_cwd_shadows(run, configure, tmp_path, name):
    d = tmp_path / "cwd"
    (d / name).parent.mkdir(parents=True)
    (d / name).write_text("raise SystemExit('shadow ' + __file__)")
    e = run(configure(), cwd=d)
    print(e.exit_code, e.stdout[-1000:], e.stderr)
    assert e.exit_code == 0 and not e.stderr


@pytest.mark.parametrize("opts", [[], ["--inline"]])
@pytest.mark.parametrize(
    "what", ["raise SystemExit(0)", "raise KeyboardInterrupt", "os._exit(0)", "print('noise')"]
)
def test_handler(run, configure, write_strategy, what, opts):
    s = write_strategy("bad", f"class Subject(Strategy):\n  def on_bar(self, ctx, bar):\n    {what}\n")
    e = run(configure({"session_data_config": {"strategies": [s]}}), "--json", *opts)
    print(e.exit_code, e.stdout[:1000], e.stderr, e.folder and e.summary["failure"])
    assert e.exit_code == 3


def test_import_noise(run, configure, write_strategy):
    s = write_strategy("bad", "print('noise')\nclass Subject(Strategy):\n  pass\n")
    e = run(configure({"session_data_config": {"strategies": [s]}}), "--json")
    print(e.exit_code, e.stdout[:300], e.stderr, e.folder and e.summary["failure"])
    assert e.stdout.startswith("{")


def test_ascii(run, configure):
    e = run(configure(), env={"PYTHONIOENCODING": "ascii"})
    print(e.exit_code, e.stdout[-1000:], e.stderr)
    assert e.exit_code == 0


def test_ascii_c(run, configure):
    e = run(configure(), env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": "C"})
    print(e.exit_code, e.stdout[-1000:], e.stderr)
    assert e.exit_code == 0


def test_latest_dir(run, configure, tmp_path):
    (tmp_path / "r" / "latest").mkdir(parents=True)
    e = run(configure(), "--runs", str(tmp_path / "r"))
    print(e.exit_code, e.stdout[-1000:], e.stderr)
    assert e.exit_code in (0, 2) and "Trace" not in e.stderr
