"""The `curate train` commands. A file a command, imported when it is called."""

import click

from curation.cli import LazyGroup

COMMANDS = {
    "run": ("run", "Train on a release; `curate train RELEASE` is the same."),
    "merge": ("merge", "Add a run's adapter to its model's weights."),
    "push": ("push", "Bring a run's model to the Hub."),
}


class _Train(LazyGroup):
    """`curate train RELEASE …` is `curate train run RELEASE …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = not args or args[0] in self.table or args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if named else ["run", *args])


@click.group("train", cls=_Train, table=COMMANDS, package="curation.cli.train")
def command() -> None:
    """Train a model on a release, and prove first what will be trained. `curate train run --help` lists all options.

    \b
    Examples:
      curate train releases/v1 --preset smollm2-cpu
      curate train releases/v1 --preset smollm2-cpu --resume
      curate train releases/v1 --preset smollm2-cpu --structures alttrain,no_ha,plain_answer_only --seeds 3
      curate train org/name@v1 --preset r1-distill-llama-8b --estimate
      curate train merge runs/smollm2-cpu-0
      curate train push runs/smollm2-cpu-0 org/model
    """
