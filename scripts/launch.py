"""Replay the sessions of a configuration: `python scripts/launch.py configs/example_session.json`."""

from actors.cli.run import run

if __name__ == "__main__":
    run()
