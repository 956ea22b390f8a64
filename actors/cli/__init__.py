"""The `sessionflow` command. A verb's module is imported when it is called, so that help comes at once."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import click


class Verb(NamedTuple):
    """A line of the table of verbs."""

    target: str
    """`module:command`."""
    summary: str


VERBS: Final = {
    "run": Verb("actors.cli.run:run", "Replay the sessions of a configuration."),
    "plan": Verb("actors.cli.plan:plan", "Show what a run would do: sessions, streams, data."),
    "validate": Verb("actors.cli.validate:validate", "Check a configuration."),
    "data": Verb("actors.cli.data:data", "Make and inspect stored bars."),
    "status": Verb("actors.cli.status:status", "Show where a run is, while it runs and after."),
    "pause": Verb("actors.cli.control:pause", "Let the clock of a run stand still."),
    "resume": Verb("actors.cli.resume:resume", "Let it go on; or take up a run that has ended early."),
    "step": Verb("actors.cli.control:step", "Let it go some steps."),
    "until": Verb("actors.cli.control:until", "Let it go until a simulated time."),
    "speed": Verb("actors.cli.control:speed", "Let it go faster or slower."),
    "stop": Verb("actors.cli.control:stop", "End a run in order, as Ctrl-C would."),
    "attach": Verb("actors.cli.attach:attach", "Attach another strategy to a run that is running."),
    "replay": Verb("actors.cli.attach:replay", "Send a run that is over through another strategy."),
    "logs": Verb("actors.cli.logs:logs", "Show a run's logs, merged, filtered, followed."),
    "runs": Verb("actors.cli.results:runs_", "List the runs there are."),
    "show": Verb("actors.cli.results:show", "Show what a run came to."),
    "diff": Verb("actors.cli.results:diff", "Show where two runs part."),
    "report": Verb("actors.cli.report:report", "Make the report of a run: one HTML file."),
    "check-lookahead": Verb("actors.cli.lookahead:check", "Check that no strategy knows later bars."),
    "keys": Verb("actors.cli.keys:keys", "Make keys for observers on other machines."),
    "listen": Verb("actors.cli.listen:listen", "Count what a run on another machine publishes."),
    "new-strategy": Verb("actors.cli.new_strategy:new_strategy", "Write a strategy to begin with."),
    "schema": Verb("actors.cli.validate:schema", "Write the JSON Schema of configurations."),
}


class VerbGroup(click.Group):
    """A group that knows its commands from a table."""

    def __init__(self, *args: Any, verbs: Mapping[str, Verb], **kwargs: Any) -> None:  # noqa: ANN401  click's own
        """Keep the table."""
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """List the verbs in the order of the table."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  likewise
        """Import a verb; None where there is none of that name."""
        if cmd_name not in self._verbs:
            return None
        module, _, name = self._verbs[cmd_name].target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  likewise
        """Write the summaries without importing a verb."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in self._verbs.items()])


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="sessionflow")
def main() -> None:
    """Replay market bars, session by session, through a pipeline of processes."""
