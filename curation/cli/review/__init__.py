"""The `curate review` commands. A file a command, imported when it is called, as in the group above."""

import click

from curation.cli import LazyGroup

COMMANDS = {
    "serve": ("serve", "Run this project's own Argilla: the real page, without Docker."),
    "stop": ("stop", "End it."),
    "push": ("push", "Send what waits for people to Argilla."),
    "pull": ("pull", "Bring answers into the ledger, and decide what they allow."),
    "status": ("status", "Show how far the review is, and how far annotators agree."),
    "trail": ("trail", "List who said what, when, on which revision."),
    "annotators": ("annotators", "Make the accounts that people, or programs, review with."),
    "gold": ("gold", "Show how annotators do on records whose right answer is known."),
    "answer": ("answer", "Let a machine account answer by rule, to try the flow."),
    "backup": ("backup", "Copy its database into a file, while it runs or not."),
}


@click.group("review", cls=LazyGroup, table=COMMANDS, package="curation.cli.review")
def command() -> None:
    """People review drafts in Argilla's web page; their decisions and edits come back into the ledger.

    \b
    Examples:
      curate review serve --detach            Argilla, with nothing to install by hand
      curate review annotators add ann ben    accounts; passwords are shown once
      curate review push                      what waits goes into the queues
      curate review pull                      answers, decisions, edits as new revisions
      curate review status
    """
