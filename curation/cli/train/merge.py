"""`curate train merge`: a run's adapter becomes part of its model's weights."""

from pathlib import Path

import click

from curation.cli.console import visible
from curation.cli.extras import require
from curation.cli.train.push import check, push_after
from schemas.ablation import ABLATION
from schemas.errors import UsageError


@click.command("merge")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The model's folder.  [default: RUN/merged]")
@click.option("--push-to", metavar="ORG/NAME", help="Then bring it to the Hub, as `curate train push` does.")
@click.option("--public", is_flag=True, help="With --push-to: make it public; it is private otherwise.")
@click.pass_obj
def command(project: Path, /, run: Path, out: Path | None, push_to: str | None, public: bool) -> None:
    """Add a run's adapter to its model's weights: a model folder like any other.

    \b
    Examples:
      curate train merge runs/smollm2-cpu-0
      curate train merge runs/smollm2-cpu-0 --out models/mine
      curate train merge runs/smollm2-cpu-0 --push-to org/model
    """
    require("train")
    from train.merge import merge

    folder = run if run.is_dir() else project / run
    if (folder / ABLATION).exists():
        raise UsageError(f"{folder}: holds the runs of an ablation; name one of them, {folder / '…'}")
    made = out or folder / "merged"
    if push_to:
        check(push_to, public=public)
    merge(folder, made)
    click.echo(visible(f"{made}: the merged model", one_line=True))
    if push_to:
        push_after(project, folder, push_to, public=public, merged=made)
