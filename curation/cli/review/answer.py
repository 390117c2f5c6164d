"""`curate review answer`: a machine account answers its queue by rule."""

import os
from pathlib import Path
from typing import Any

import click

from curation.cli.project import load_settings, open_ledger
from curation.cli.review.pull import reviewed_structures
from curation.review.accounts import find_annotator
from curation.review.connect import address
from curation.review.datasets import dataset_name
from curation.review.machine import Answer, answer_queue, by_checks, datasets_of, log_in
from curation.review.records import find_records
from curation.review.shown import show
from schemas.errors import UsageError
from schemas.review import QUEUES


@click.command("answer")
@click.argument("name")
@click.option(
    "--password-env",
    default="CURATE_PASSWORD",
    show_default=True,
    metavar="VARIABLE",
    help="Environment variable that holds the account's password.",
)
@click.pass_obj
def command(project: Path, name: str, password_env: str) -> None:
    """Let the machine account NAME answer its queues by rule, to try the flow without people.

    It approves drafts that no check flags, is unsure about the others, and repeats the labels that prompts have. It
    judges nothing: whatever it decides is a machine's decision for ever, and persons' answers always go before it.

    \b
    Examples:
      curate review answer bot
    """
    settings = load_settings(project)
    with open_ledger(project) as ledger:
        account = find_annotator(ledger, name)
        if account is None or account.kind != "machine":
            mend = f"`curate review annotators add {name} --machine` makes one"
            raise UsageError(f"{name!r} is no machine account of this project; {mend}")
        password = os.environ.get(password_env)
        if not password:
            raise UsageError(f"{password_env} is not set; put the password into it that `annotators add` showed")
        names = {
            dataset_name(queue, structure.name): queue
            for structure in reviewed_structures(ledger, project, settings)
            for queue in QUEUES
        }
        with log_in(address(project, settings.review).url, name, password) as page:
            for found, dataset in datasets_of(page).items():
                if found not in names:
                    continue

                def say(record: dict[str, Any]) -> Answer:
                    ours = find_records(ledger, [str(record["external_id"])])
                    return by_checks(show(ledger, list(ours.values()))[0])

                click.echo(f"{found}: {answer_queue(page, dataset, say):,} records answered")
