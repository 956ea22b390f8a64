import os, signal, pytest, subprocess, sys, time
from tests.pipeline.conftest import *

EVENTS = {
    "offspring": lambda l: len(l.offspring()) > 1,
    "run folder": lambda l: l.folder,
    "supervisor log": lambda l: l.folder and (l.folder / "logs" / "supervisor.log").exists(),
    "plan.json": lambda l: l.folder and (l.folder / "plan.json").exists(),
    "coordinator log": lambda l: l.folder and (l.folder / "logs" / "coordinator.log").exists(),
    "status": lambda l: l.status(),
    "atonce": lambda l: True,
    "socket": lambda l: list(l.sockets.glob("*/command")),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("event", EVENTS)
def test_early(launch, configure, event, number, group):
    l = launch(configure(SLOW))
    l.wait_until(event, lambda: EVENTS[event](l))
    t = time.monotonic()
    if group:
        os.killpg(l.process.pid, number)
    else:
        l.interrupt(number)
    e = l.finish(30)
    took = time.monotonic() - t
    print(
        took,
        e.exit_code,
        e.stdout[-500:],
        "STDERR",
        e.stderr,
        e.folder and sorted(os.listdir(e.folder)),
        list(l.sockets.iterdir()),
    )
    assert e.exit_code == 130 and took < 8 and "Traceback" not in e.stderr
    assert not e.folder or (l.status()["state"] == "interrupted" and e.summary["status"] == "interrupted")
    assert not list(l.sockets.iterdir())
