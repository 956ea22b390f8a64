"""What the exit code of a command says."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    """Everything was done."""
    CONFIGURATION = 2
    """The configuration or the command line is wrong; nothing was started."""
    ACTOR_FAILED = 3
    """An actor failed beyond repair; the message names it."""
    DATA_MISSING = 4
    """Stored data are missing, unreadable or below the quality gate."""
    DIGEST_DIFFERS = 5
    """What should be the same is not: a digest that was expected, two runs of `diff`, or what
    `check-lookahead` compares."""
    INTERRUPTED = 130
    """Ctrl-C or a signal ended the run in order; it can be resumed."""
