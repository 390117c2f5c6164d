"""The structure that adherence is measured against, with its pools: one value that a log can keep.

    Measured.of(load_structure("alttrain"), load_pools()).model_dump_json()

Whoever reads structures and wordings from their files hands them in: train/ knows no folder of them.
"""

from collections.abc import Mapping
from typing import Self

from schemas.example import Frozen
from schemas.structure import BRANCHES, Pool, Pools, Structure, TakePool, TakeRefusal, TakeRemainder, require_pools


class Measured(Frozen):
    """A structure and all pools that it draws from, by name."""

    structure: Structure
    pools: Mapping[str, Pool]

    @classmethod
    def of(cls, structure: Structure, pools: Pools) -> Self:
        """With those of the pools that it draws from. Raises StructureError where one is missing."""
        require_pools(structure, pools)
        takes = [take for branch in BRANCHES for _, take in structure.takes(branch)]
        named = {take.pool for take in takes if isinstance(take, TakePool | TakeRefusal)}
        named |= {take.bridge for take in takes if isinstance(take, TakeRemainder) and take.bridge}
        return cls(structure=structure, pools={name: pools[name] for name in sorted(named)})
