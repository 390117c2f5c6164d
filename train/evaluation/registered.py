"""What inspect_ai loads by the entry point `alttrain`: the provider `alttrain/…`, every suite's task, the scorers."""

from inspect_ai.model import ModelAPI, modelapi

from train.evaluation.tasks import TASKS as TASKS


@modelapi(name="alttrain")
def alttrain() -> type[ModelAPI]:
    from train.evaluation.provider import LocalAPI

    return LocalAPI
