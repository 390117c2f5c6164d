"""`curate train merge`: a run's adapter becomes part of its model's weights."""

from pathlib import Path

import click


@click.command("merge")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The model's folder.  [default: RUN/merged]")
@click.pass_obj
def command(project: Path, /, run: Path, out: Path | None) -> None:
    """Add a run's adapter to its model's weights: a model folder like any other.

    \b
    Examples:
      curate train merge runs/smollm2-cpu-0
      curate train merge runs/smollm2-cpu-0 --out models/mine
    """
    from train.merge import merge

    folder = run if run.is_dir() else project / run
    made = out or folder / "merged"
    merge(folder, made)
    click.echo(f"{made}: the merged model")
