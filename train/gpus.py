"""GPUs that a run is reckoned for: memory and dense matrix speed, as their vendor's data sheets give them.

find_gpu("A100-80")      also "a100 80gb" and "NVIDIA A100-80GB"

Memory is in data-sheet gigabytes, read as 10^9 bytes: each card has up to 7 % more. Speeds are without sparsity, with
sums in fp32; where a data sheet gives the sparse figure alone, half of it.
"""

import difflib
import re
from types import MappingProxyType
from typing import NamedTuple

from schemas.errors import UsageError


class Gpu(NamedTuple):
    name: str
    memory_gb: float
    bf16_tflops: float | None
    """None: it cannot reckon in bf16."""
    fp32_tflops: float


_TABLE = (
    # NVIDIA T4 data sheet (DS-09184): 65 TFLOP/s in fp16, no bf16 (compute capability 7.5).
    Gpu("T4", 16, None, 8.1),
    # NVIDIA L4 data sheet: bf16 242 TFLOP/s with sparsity.
    Gpu("L4", 24, 121, 30.3),
    # NVIDIA Ampere GA102 whitepaper, appendix: bf16 with fp32 sums 71 TFLOP/s.
    Gpu("RTX-3090", 24, 71, 35.6),
    # NVIDIA Ada whitepaper, appendix: bf16 with fp32 sums 165.2 TFLOP/s.
    Gpu("RTX-4090", 24, 165.2, 82.6),
    # NVIDIA A100 data sheet (1758950).
    Gpu("A100-40", 40, 312, 19.5),
    # NVIDIA RTX A6000 data sheet: 309.7 TFLOP/s with sparsity.
    Gpu("A6000", 48, 154.8, 38.7),
    # NVIDIA L40S data sheet: bf16 733 TFLOP/s with sparsity.
    Gpu("L40S", 48, 362, 91.6),
    Gpu("A100-80", 80, 312, 19.5),
    # NVIDIA H100 data sheet, SXM: bf16 1,979 TFLOP/s with sparsity.
    Gpu("H100", 80, 989, 67),
    # NVIDIA H200 data sheet, SXM: bf16 1,979 TFLOP/s with sparsity.
    Gpu("H200", 141, 989, 67),
    # NVIDIA DGX B200 data sheet, an eighth of it: 1,440 GB, training at 72 PFLOP/s in dense fp8, so half of an eighth
    # in bf16; HGX B200 page: bf16 2.25 PFLOP/s dense, fp32 75 TFLOP/s.
    Gpu("B200", 180, 2250, 75),
)
GPUS = MappingProxyType({gpu.name: gpu for gpu in _TABLE})
"""By name, those with less memory first."""


def find_gpu(name: str) -> Gpu:
    """The GPU of that name; case, blanks, "NVIDIA" and "GB" do not matter. Raises UsageError with the nearest name."""
    plain = {_plain(known): gpu for known, gpu in GPUS.items()}
    if found := plain.get(_plain(name)):
        return found
    near = difflib.get_close_matches(_plain(name), plain, 1)
    hint = f"did you mean {plain[near[0]].name!r}? " if near else ""
    raise UsageError(f"no GPU {name!r} is known here; {hint}There are: {', '.join(GPUS)}")


def _plain(name: str) -> str:
    return re.sub(r"nvidia|geforce|[\s_-]|gb$", "", name.casefold().strip())
