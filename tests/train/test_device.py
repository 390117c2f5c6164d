"""What a device cannot do is refused before anything is loaded, in a line that says what can be done."""

import pytest

from schemas.errors import TrainError
from train.device import Device, require
from train.preset import load_preset

GB = 10**9
OLD = Device("Tesla T4", "cuda", False, 16 * GB, (7, 5), gpus=1)
NEW = Device("NVIDIA H100", "cuda", True, 80 * GB, (9, 0), gpus=1)
CPU = Device("CPU (2 cores)", "cpu", True, 8 * GB)


@pytest.mark.parametrize(
    ("device", "preset", "changes", "gpus", "said"),
    [
        (OLD, "r1-distill-qwen-1.5b", {}, 1, "precision bf16: Tesla T4 cannot reckon in it: use --precision fp32"),
        (CPU, "smollm2-cpu", {"method": "qlora"}, 1, "4-bit weights need an NVIDIA GPU"),
        (CPU, "r1-distill-qwen-7b", {}, 1, "it would take 21 GB; `--estimate` tells more, `--preset smollm2-cpu` runs"),
        (NEW, "r1-distill-qwen-32b", {}, 2, "2 GPUs are asked for, and this machine has 1 (NVIDIA H100): it would"),
    ],
)
def test_what_a_device_cannot_do_is_told_with_what_can(
    device: Device, preset: str, changes: dict[str, object], gpus: int, said: str
) -> None:
    chosen = load_preset(preset)
    with pytest.raises(TrainError) as refused:
        require(device, chosen.recipe.model_copy(update=changes), chosen, "it would take 21 GB", gpus)
    assert said in str(refused.value)


def test_what_a_device_can_do_is_let_through() -> None:
    for device, preset in ((NEW, "r1-distill-qwen-7b"), (CPU, "smollm2-cpu")):
        chosen = load_preset(preset)
        require(device, chosen.recipe, chosen, "")
    chosen = load_preset("r1-distill-qwen-1.5b")
    require(OLD, chosen.recipe.model_copy(update={"precision": "fp32"}), chosen, "")
