"""What an actor writes to its log files. The only module that configures loguru.

loguru is the face for warnings, errors and other libraries, the standard library's `logging` and `warnings`
among them; lines in bulk go straight to the files, because loguru takes 34 µs per line, a batch 2.
"""

import faulthandler
import io
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from loguru import logger

from actors.domain.local_time import local_stamp, local_stamps
from actors.domain.printing import printable
from actors.domain.session_plan import SessionPlan
from actors.runtime import clock
from actors.runtime.clock import now_utc
from actors.runtime.log_files import (
    Bulk,
    LogFile,
    LogLimits,
    LogRecord,
    RotatedFiles,
    encode_jsonl,
    encode_text,
    wall_stamp,
)
from actors.runtime.log_pages import Page, page

if TYPE_CHECKING:
    import loguru

LEVEL_NUMBERS: Final[dict[str, int]] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
STACK_SIGNAL: Final = signal.SIGUSR1
"""Has a process write the stacks of all its threads to its captured output, and go on."""
USUAL_LIMITS: Final = LogLimits()
LINES_NS: Final = 20_000_000
"""How long lines may wait: a hundred take as long as two to write, and others wait for this process
meanwhile. Many are best written as soon as there is nothing else to do."""
MANY_LINES: Final = 256
"""Of how many lines no more are waited for; writing one costs as much as writing a dozen."""
PAGE_LINES: Final = 64
"""From how many on they are looked up among those written before, and not put together with others."""
_STDERR_SINK: Final = 0
"""The sink that loguru opens by itself."""


class _Line(NamedTuple):
    """A message that waits to be written."""

    t: str
    level: str
    text: str
    sim_ts: int | None


class _Lines(NamedTuple):
    """INFO messages that wait to be written."""

    t: str
    texts: Sequence[str]
    sim_ts: Sequence[int]


NO_LINES: Final = _Lines("", (), ())


class ActorLog:
    """The log of one actor: `<folder>/<actor>.log` and `<folder>/<actor>.jsonl`.

    Several may be open in one process. A line that was not written through one of them, such as another
    library's, goes to the one that was opened first, or to that of the actor named in `logger.bind(actor=…)`.
    """

    def __init__(
        self, folder: Path, actor: str, level: str, timezone: str, limits: LogLimits = USUAL_LIMITS
    ) -> None:
        """Open the files; simulated time is written in `timezone`.

        Raises OSError where the folder cannot be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.actor: Final = actor
        self._threshold = LEVEL_NUMBERS[level]
        self.due_ns: int | None = None
        """When what is gathered should be written, on the monotonic clock."""
        self.is_urgent = False
        """Whether there are warnings or errors among it, which wait for what is being sent alone."""
        self._gathered: deque[_Line | _Lines] = deque()
        self._lines_gathered = 0
        self._timezone = timezone
        self._files = (
            (LogFile(RotatedFiles(folder, actor, "log"), limits), encode_text),
            (LogFile(RotatedFiles(folder, actor, "jsonl"), limits), encode_jsonl),
        )
        self._logger = logger.bind(log=self)
        self._sink = _take_sink(self._threshold)
        self._sink.log = self
        _SHARED.join(self)

    def write(self, level: str, text: str, sim_ts: int | None = None) -> None:
        """Write one message; `sim_ts` is the simulated instant that it is about, ns UTC."""
        self.gather_one(level, text, sim_ts)
        self.flush()

    def write_lines(self, texts: Sequence[str], sim_ts: Sequence[int]) -> None:
        """Write many INFO messages, each with its simulated instant, in one go."""
        self.gather(texts, sim_ts)
        self.flush()

    def gather_one(self, level: str, text: str, sim_ts: int | None = None) -> None:
        """Keep one message until `flush`."""
        if LEVEL_NUMBERS[level] >= self._threshold:
            self._keep(_Line(wall_stamp(now_utc()), level, text, sim_ts), 1)
            self.is_urgent = self.is_urgent or level != "INFO"

    def gather(self, texts: Sequence[str], sim_ts: Sequence[int]) -> None:
        """Keep INFO messages, each with its simulated instant, until `flush`."""
        if self._threshold <= LEVEL_NUMBERS["INFO"]:
            self._keep(_Lines(wall_stamp(now_utc()), texts, sim_ts), len(texts))

    def _keep(self, lines: "_Line | _Lines", count: int) -> None:
        self._gathered.append(lines)
        self._lines_gathered += count
        if self.due_ns is None:
            self.due_ns = clock.monotonic_ns() + LINES_NS

    @property
    def has_many(self) -> bool:
        """Whether so many lines are gathered that waiting for more saves nothing."""
        return self._lines_gathered >= MANY_LINES

    def flush(self) -> None:
        """Write what has been gathered, in its order."""
        count, self._lines_gathered, self.due_ns, self.is_urgent = self._lines_gathered, 0, None, False
        pages = list(self._pages())
        for (file, encode), parts in zip(self._files, zip(*pages, strict=True), strict=False):
            notice = encode([self._lost_lines(file)]) if file.lost else b""
            file.write(notice + b"".join(parts), count)

    def _pages(self) -> Iterator[Page]:
        few = NO_LINES
        while self._gathered:  # another thread may be flushing it too
            lines = self._gathered.popleft()
            if isinstance(lines, _Lines) and len(lines.texts) < PAGE_LINES:
                few = _Lines(lines.t, [*few.texts, *lines.texts], [*few.sim_ts, *lines.sim_ts])
                continue
            if few.texts:
                yield self._encoded(few)
                few = NO_LINES
            if isinstance(lines, _Lines):
                known = page(lines.t, self.actor, lines.texts, lines.sim_ts, self._timezone)
                yield known or self._encoded(lines)
            else:
                yield _both([self._record(lines)])
        if few.texts:
            yield self._encoded(few)

    def _encoded(self, lines: "_Lines") -> Page:
        bulk = Bulk(lines.t, self.actor, local_stamps(lines.sim_ts, self._timezone), lines.texts)
        if bulk.is_plain:
            return Page(bulk.text(), bulk.jsonl())
        return _both(bulk._replace(messages=[printable(text) for text in lines.texts]).records())

    def _record(self, line: "_Line") -> LogRecord:
        sim = None if line.sim_ts is None else local_stamp(line.sim_ts, self._timezone)
        return LogRecord(line.t, line.level, self.actor, sim, printable(line.text))

    def _lost_lines(self, file: LogFile) -> LogRecord:
        text = f"{file.lost} log lines before this one could not be written: {file.reason}"
        return LogRecord(wall_stamp(now_utc()), "WARNING", self.actor, None, text)

    def exception(self, text: str) -> None:
        """Write an error with the traceback of the exception that is being handled."""
        self._logger.opt(exception=True).error(text)

    def close(self) -> None:
        """Close the files; a second time does nothing."""
        self.flush()
        with suppress(ValueError):
            logger.remove(self._sink.number)
        _SHARED.leave(self)
        for file, _ in self._files:
            file.close()

    def __enter__(self) -> Self:
        """Give the log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the files."""
        self.close()

    def accepts(self, record: "loguru.Record") -> bool:
        """Whether what was said to loguru is for this log."""
        extra = record["extra"]
        if "log" in extra:
            return extra["log"] is self
        if "actor" in extra:
            return bool(extra["actor"] == self.actor)
        return _SHARED.first() is self

    def receive(self, message: "loguru.Message") -> None:
        """Write what was said to loguru."""
        self.write(_level_of(message.record["level"].no), str(message).rstrip("\n"))


def _both(records: list[LogRecord]) -> Page:
    return Page(encode_text(records), encode_jsonl(records))


class _Sink:
    """A sink of loguru's, for a log that may be opened later."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.log: ActorLog | None = None
        self.number = logger.add(
            self._receive,
            level=level,
            format="{message}",
            filter=self._accepts,
            backtrace=False,
            diagnose=False,
        )

    def _accepts(self, record: "loguru.Record") -> bool:
        return self.log is not None and self.log.accepts(record)

    def _receive(self, message: "loguru.Message") -> None:
        if self.log is not None:
            self.log.receive(message)


_PREPARED: Final[list[_Sink]] = []


def prepare_sink() -> None:
    """Make a sink for the next log of the usual level: loguru takes 6 ms, which forked processes save."""
    _PREPARED.append(_Sink(LEVEL_NUMBERS["INFO"]))


def _take_sink(level: int) -> _Sink:
    while _PREPARED:
        sink = _PREPARED.pop()
        if sink.level == level:
            return sink
        logger.remove(sink.number)
    return _Sink(level)


def open_log(folder: Path, actor: str, plan: SessionPlan) -> ActorLog:
    """Open the log of an actor of a run, with the level and the limits of its plan.

    Raises OSError where the folder cannot be written to.
    """
    limits = LogLimits(plan.log_file_bytes, plan.log_keep)
    return ActorLog(folder, actor, plan.log_level, plan.timezone, limits)


def _level_of(number: int) -> str:
    reached = [level for level, lowest in LEVEL_NUMBERS.items() if number >= lowest]
    return reached[-1] if reached else "DEBUG"


class _StandardLibrary(logging.Handler):
    """Hand what `logging` and `warnings` say on to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record on; one whose arguments do not fit its text is reported on standard error."""
        try:
            text = f"{record.name}: {record.getMessage()}"
        except (TypeError, ValueError):
            self.handleError(record)
        else:
            logger.opt(exception=record.exc_info).log(record.levelno, text)


class _OpenLogs:
    """The logs that are open in this process, and what they share."""

    def __init__(self) -> None:
        self._logs: list[ActorLog] = []
        self._handler = _StandardLibrary()

    def first(self) -> ActorLog | None:
        return self._logs[0] if self._logs else None

    def join(self, log: ActorLog) -> None:
        if not self._logs:
            with suppress(ValueError):
                logger.remove(_STDERR_SINK)
            logging.getLogger().addHandler(self._handler)
            logging.captureWarnings(capture=True)
        self._logs.append(log)

    def leave(self, log: ActorLog) -> None:
        if log not in self._logs:
            return
        self._logs.remove(log)
        if not self._logs:
            logging.captureWarnings(capture=False)
            logging.getLogger().removeHandler(self._handler)


_SHARED: Final = _OpenLogs()


class CapturedOutput:
    """A file for this process's standard output and error, what C code writes and crashes included."""

    def __init__(self, path: Path, limit_bytes: int = USUAL_LIMITS.file_bytes) -> None:
        """Send both there from now on, and have the stacks of all threads written there on `STACK_SIGNAL`."""
        self._path = path
        self._limit_bytes = limit_bytes
        _redirect_to(path)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(line_buffering=True, errors="backslashreplace")
        faulthandler.enable()
        faulthandler.register(STACK_SIGNAL, all_threads=True)

    def keep_short(self) -> None:
        """Begin a new file if this one has passed its limit; only the last full one is kept."""
        with suppress(OSError):
            if os.fstat(1).st_size > self._limit_bytes:
                self._path.replace(self._path.with_name(f"{self._path.stem}.1{self._path.suffix}"))
                _redirect_to(self._path)


def _redirect_to(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    if fd > 2:  # noqa: PLR2004 - it is one of the two where they were closed before
        os.close(fd)
