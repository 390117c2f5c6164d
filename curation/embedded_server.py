"""The child process of embedded.py: serves one GGUF file on a free loopback port until its parent is gone.

python -P -m curation.embedded_server FILE SLOTS CONTEXT_TOKENS     says its address on standard output once it is ready
"""

import os
import sys
from pathlib import Path

MOST_THREADS = 4
"""A model this small gains little from more; two were measured."""


def main(path: str, slots: int, context_tokens: int) -> None:
    # The native code prints to standard output as it likes; the address must be the one thing on it.
    answer = os.dup(1)
    os.dup2(2, 1)
    # Threads that spin while they wait for each other stand still when anything else wants a core: seen 4 times slower.
    # The variable is read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {Path(path).name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = slots
    params.n_ctx = slots * context_tokens
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(MOST_THREADS, os.cpu_count() or 1)
    params.cache_ram_mib = 0
    params.fit_params = False
    params.warmup = False
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    server = xllamacpp.Server(params)
    os.write(answer, f"{server.listening_address}\n".encode())
    os.close(answer)
    # The other end of this pipe is the parent's, and closes with it, also when it is killed.
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
