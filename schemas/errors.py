"""Every exception that a user may meet. Each message is one line: where, what, how to mend.

    CurateError                    exit code
    ├── UsageError                     2   an option or argument that cannot work
    │   ├── SettingsError              2   curate.toml, with the line and the nearest right key
    │   ├── StructureError             2   a structure or a pool of wordings that cannot be used
    │   └── SourceError                2   a file or dataset that cannot be read at all
    ├── BudgetReached                  3   the next call could pass the budget
    ├── LedgerError                    4   the SQLite file: full disk, locked, from a newer version
    ├── EndpointError                  5   a model server: down, unknown model, wrong reply for ever
    │   ├── KeyRefused                 5   401 or 403, or a key that is not set: no row's fault
    │   └── ProviderRefuses            5   many refusals in a row: the provider's own policy is the likely cause
    ├── ReviewError                    6   Argilla: its environment, its server, what it refuses
    ├── ReleaseError                   7   a release that cannot be made, written or read
    └── TrainError                     8   a model, device or row that a training run cannot work with

A row that fails is not here: it is data (`Failure` in example.py).
"""


class CurateError(Exception):
    """A broken world, told in one line. `exit_code` is what the `curate` command leaves with."""

    exit_code = 1


class UsageError(CurateError):
    exit_code = 2


class SettingsError(UsageError):
    pass


class StructureError(UsageError):
    pass


class SourceError(UsageError):
    pass


class BudgetReached(CurateError):
    exit_code = 3


class LedgerError(CurateError):
    exit_code = 4


class EndpointError(CurateError):
    exit_code = 5


class KeyRefused(EndpointError):
    pass


class ProviderRefuses(EndpointError):
    pass


class ReviewError(CurateError):
    exit_code = 6


class ReleaseError(CurateError):
    exit_code = 7


class TrainError(CurateError):
    exit_code = 8
