"""The `curate` command. A file a command; what a command needs is imported when it is called, so `--help` is quick."""

import difflib
import errno
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from curation.cli.console import visible
from schemas.errors import CurateError

COMMANDS = {
    "init": ("init", "Make a project folder."),
    "add": ("add", "Add prompts and reasoning traces to the ledger."),
    "trace": ("trace", "Ask a reasoning model for original traces."),
    "generate": ("generate", "Rewrite traces into the altered structure."),
    "status": ("status", "Show what there is and what it cost: the counts add up."),
    "show": ("show", "Show a draft beside the trace it was made from."),
    "failures": ("failures", "List the rows that could not be made, each with its reason."),
    "review": ("review", "Review in Argilla: serve its page, send it drafts, bring the answers back."),
    "export": ("export", "Choose exactly N approved rows and write a release."),
    "push": ("push", "Bring a release to the Hugging Face Hub, and read it back."),
    "diff": ("diff", "Show what changed from one release to another."),
    "verify": ("verify", "Check a release, a folder or one on the Hub."),
    "train": ("train", "Train a model on a release; merge and push what was trained."),
    "eval": ("eval", "Evaluate a model, before and after: harm, over-refusal, reasoning, structure."),
    "boundary": ("boundary", "Where a model draws the line between harmful and benign, beside surface words."),
    "audit": ("audit", "Say how thoughts are put together: what is recognised and yet solved."),
    "check-endpoint": ("check_endpoint", "Try an endpoint: reply form, speed, how often wrapped prompts flip it."),
}


class LazyGroup(click.Group):
    """Knows every command's name and first line, and imports a command's module only when it is called.

    `table`: name -> (module in `package`, first line). A module holds its command as `command`.
    """

    def __init__(self, *arguments: Any, table: Mapping[str, tuple[str, str]], package: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.table = table
        self.package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            if ctx.resilient_parsing:  # the shell asks what could come next
                return None
            near = difflib.get_close_matches(cmd_name, self.table, 1)
            listed = f"see `{ctx.command_path} --help`"
            ctx.fail(f"no command {cmd_name!r}; {f'did you mean {near[0]!r}?' if near else listed}")
        command = getattr(import_module(f"{self.package}.{self.table[cmd_name][0]}"), "command")  # noqa: B009
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    package="curation.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done, 1 something is off, 2 wrong use, 3 budget reached, 4 ledger, 5 endpoint, 6 review,"
        " 7 release, 8 training, 130 stopped."
    ),
)
@click.option(
    "-C",
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default="this folder",
    envvar="CURATE_PROJECT",
    help="Project folder: the one that holds curate.toml and curate.db.",
)
@click.version_option(package_name="alttrain", prog_name="curate")
@click.pass_context
def curate(ctx: click.Context, project: Path) -> None:
    """From reasoning traces to a reviewed dataset in an altered reasoning structure.

    \b
    A first round, with the small model that needs no key:
      curate init demo && cd demo
      curate add packaged
      curate generate
      curate status
    """
    ctx.obj = project


def main() -> None:
    """The command's entry point: a broken world is one line on standard error, never a traceback."""
    # No telemetry: huggingface_hub reads this when it is imported, and would report its use to the Hub otherwise.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # One thread for numpy's matrices, which are small: two wait for each other by spinning. That takes twice the
    # processor and is hardly faster; on cores that others use too it takes several times as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        code = curate.main(prog_name="curate", standalone_mode=False)
    except CurateError as error:
        click.echo(f"curate: {visible(str(error), one_line=True)}", err=True)
        code = error.exit_code
    except click.exceptions.Abort:
        click.echo("curate: stopped", err=True)
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        click.echo(f"curate: {visible(_in_one_line(error), one_line=True)}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        _drop_output()  # `curate failures | head`: the reader has gone, which is no error
        code = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        click.echo("curate: the disk that the output goes to is full: free some space and run it again", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _in_one_line(error: click.ClickException) -> str:
    """What click has to say of a wrong option or argument, and where the right ones are listed."""
    said = error.format_message().removesuffix(".")
    said = said[:1].lower() + said[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{said} (see `{context.command_path} --help`)" if context and "--help" not in said else said


def _drop_output() -> None:
    """Sends what is left of the output nowhere: Python would write once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
