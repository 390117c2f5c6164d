"""What this machine can train with, and the refusal where a recipe asks for more.

device = find_device()
require(device, recipe, preset, "it would take about 50 GB of each", gpus=2)
"""

import importlib.util
import os
import platform
from typing import NamedTuple

from schemas.errors import TrainError
from schemas.training import Preset, Recipe


class Device(NamedTuple):
    name: str
    kind: str
    """cuda or cpu."""
    bf16: bool
    """Whether it reckons in bf16; a CPU always does, fast or slow."""
    memory_bytes: int
    """Of one GPU; of the machine on a CPU."""
    capability: tuple[int, int] = (0, 0)
    """NVIDIA's compute capability; (0, 0) on a CPU."""
    gpus: int = 0
    """How many there are."""


class Attention(NamedTuple):
    implementation: str
    """As Transformers names it."""
    why: str
    """A line for people."""


def find_device() -> Device:
    """The first GPU, else the CPU."""
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        capability = (int(properties.major), int(properties.minor))
        # is_bf16_supported() also counts emulation, which is slower than fp32.
        return Device(
            str(properties.name),
            "cuda",
            capability >= (8, 0),
            int(properties.total_memory),
            capability,
            torch.cuda.device_count(),
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device(f"CPU ({platform.machine()}, {os.cpu_count()} cores)", "cpu", True, memory)


def require(device: Device, recipe: Recipe, preset: Preset, needs: str, gpus: int = 1) -> None:
    """Raises TrainError where the device cannot do what the recipe asks. `needs`: the memory that it would take, in
    words. `gpus`: on this machine; where there are none, as many processes share its CPUs."""
    if recipe.method == "qlora" and device.kind != "cuda":
        raise TrainError(
            f"method qlora: 4-bit weights need an NVIDIA GPU, and this machine has {device.name}: use lora"
        )
    if recipe.method == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        raise TrainError("method qlora: 4-bit weights need bitsandbytes: pip install bitsandbytes, or use lora")
    if preset.gpus and device.kind != "cuda":
        raise TrainError(
            f"preset {preset.name} is for a GPU, and this machine has {device.name}: {needs}; "
            "`--estimate` tells more, `--preset smollm2-cpu` runs here"
        )
    if device.kind == "cuda" and gpus > device.gpus:
        raise TrainError(
            f"{gpus} GPUs are asked for, and this machine has {device.gpus} ({device.name}): {needs}; --gpus asks for "
            "another number, --machines shares a run, and `--estimate` tells what fits"
        )
    if recipe.precision == "bf16" and not device.bf16:
        raise TrainError(f"precision bf16: {device.name} cannot reckon in it: use --precision fp32")


def choose_attention(device: Device) -> Attention:
    """The fastest attention that is installed and that the device has. SDPA is exact too, packed rows included."""
    if device.kind != "cuda":
        return Attention("sdpa", "attention: PyTorch's own (FlashAttention needs a GPU)")
    if device.capability < (8, 0):
        return Attention("sdpa", f"attention: PyTorch's own ({device.name} is too old for FlashAttention)")
    if importlib.util.find_spec("flash_attn") is not None:
        return Attention("flash_attention_2", "attention: FlashAttention 2")
    if importlib.util.find_spec("kernels") is not None:
        return Attention("kernels-community/flash-attn2", "attention: FlashAttention 2, a kernel from the Hub")
    return Attention("sdpa", "attention: PyTorch's own (pip install kernels brings FlashAttention)")


def choose_kernels(device: Device) -> bool:
    """Whether layers run on kernels from the Hub, Liger's among them: where there is a GPU and `kernels` for them."""
    return device.kind == "cuda" and importlib.util.find_spec("kernels") is not None
