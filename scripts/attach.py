"""Attach a strategy to a run, or replay one: `python scripts/attach.py --help`."""

from actors.cli.attach import attach

if __name__ == "__main__":
    attach()
