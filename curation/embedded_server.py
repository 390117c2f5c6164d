"""The child process of embedded.py: serves one GGUF file on a free loopback port until its parent is gone.

python -P -m curation.embedded_server FILE SLOTS CONTEXT_TOKENS     says its address on standard output once it is ready

A slot is a server of its own with one thread, and all share the port. One server with several threads is as fast on an
idle machine, but its threads wait for each other at every step: with other work on the machine it was 5 times slower.
"""

import os
import sys
from pathlib import Path


def main(path: str, slots: int, context_tokens: int) -> None:
    # The native code prints to standard output as it likes; the address must be the one thing on it.
    answer = os.dup(1)
    os.dup2(2, 1)
    import xllamacpp

    # Only Linux spreads the connections of a shared port; elsewhere threads share one server. Not run there.
    servers, threads = (slots, 1) if sys.platform == "linux" else (1, slots)
    address, running = "127.0.0.1:0", []
    for _ in range(servers):
        params = xllamacpp.CommonParams()
        params.model.path = path
        params.model_alias = {Path(path).name}
        params.hostnames = ["127.0.0.1"]
        params.port = int(address.rpartition(":")[2])
        params.reuse_port = servers > 1
        params.n_parallel = 1
        params.n_ctx = context_tokens
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.cache_ram_mib = 0
        params.fit_params = False
        params.warmup = False
        params.ui = False
        params.endpoint_slots = False
        params.verbosity = 1
        running.append(xllamacpp.Server(params))
        address = running[-1].listening_address
    os.write(answer, f"{address}\n".encode())
    os.close(answer)
    # The other end of this pipe is the parent's, and closes with it, also when it is killed.
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
