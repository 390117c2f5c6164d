"""Where a model's boundary lies (issue 6, item 9), beside a probe of surface words, and how long that takes.

python -m benchmarks.boundary --file xstest=../shared/suites/xstest.jsonl --limit 40
python -m benchmarks.boundary runs/first --suite heldout --release releases/v1 --out evals/first

MODEL: a folder or a Hub id; by default the small model, untrained. The suite comes from `--file NAME=PATH` or the Hub;
the probe trains on a release's prompts, without one on the packaged examples. `--out` gets boundary.json (figures),
leans.jsonl (one line a prompt, no text of it) and boundary.png.
"""

import argparse
import json
import time
from pathlib import Path

from curation.embedded import cache_folder, fetch
from curation.structures import load_pools
from schemas.boundary import Boundary
from schemas.evaluation import Asked
from schemas.example import Branch
from train.evaluation.boundary import boundary, understanding_of, wordings_of
from train.evaluation.boundary_picture import draw, rows_of
from train.evaluation.local_model import open_model, prompt_of, say
from train.evaluation.separation import difference, separate
from train.evaluation.suites import HELD_OUT, load, load_held_out
from train.evaluation.surface_probe import probe_leans, train_probe
from train.student import from_gguf

EXAMPLES = Path(__file__).parent.parent / "curation" / "examples"
UNDERSTANDING_TOKENS = 64
"""An understanding has 30 to 40, and the verdict that ends it has to be seen to begin."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--suite", default="xstest")
    parser.add_argument("--file", type=Path, help="NAME=PATH names the suite too")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--release", type=Path)
    parser.add_argument("--batch", type=int, default=8, help="prompts; four times as many answer at once")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--bf16", action="store_true", help="twice as fast on a CPU that has it; fp32 by default there")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    name, _, path = str(options.file or "").rpartition("=")
    suite = name or options.suite
    asked = (
        load_held_out(limit=options.limit)
        if suite == HELD_OUT
        else load(suite, Path(path) if path else None, options.limit)
    )
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    folder = options.model or str(from_gguf(fetch(None), cache_folder()))
    local = open_model(folder)
    if options.bf16:
        local.model.to(torch.bfloat16)
    pools = load_pools()
    verdicts = pools["verdict_harmful"], pools["verdict_benign"]
    clock = Clock()
    prompts = [prompt_of(local, [{"role": "user", "content": one.prompt}]) for one in asked]
    said = say(local, prompts, UNDERSTANDING_TOKENS, 4 * options.batch)
    understandings = [understanding_of(one.completion, verdicts) for one in said]
    clock.tell(f"{len(asked)} understandings")
    wordings = wordings_of(*verdicts)
    leans = boundary(local, asked, understandings, wordings, options.batch)
    clock.tell(f"{len(asked)} prompts weighed by {len(wordings.harmful)} + {len(wordings.benign)} wordings")
    probe = train_probe(trained_prompts(options.release, asked))
    by_words = probe_leans(probe, asked)
    clock.tell(f"the probe, {probe.rows} prompts")
    found = Boundary(
        model=Path(folder).name if Path(folder).exists() else folder,
        suite=suite,
        wordings=(len(wordings.harmful), len(wordings.benign)),
        student=separate(leans),
        probe=separate(by_words),
        probe_rows=probe.rows,
        difference=difference(leans, by_words),
    )
    for row in rows_of(found):
        print(f"{row.what:<38} {row.model:<34} {row.probe}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "boundary.json").write_text(found.model_dump_json(indent=2) + "\n", "utf-8")
        (options.out / "leans.jsonl").write_text("".join(f"{one.model_dump_json()}\n" for one in leans), "utf-8")
        (options.out / "boundary.png").write_bytes(draw(found, leans, by_words))


def trained_prompts(release: Path | None, asked: list[Asked]) -> list[tuple[str, Branch]]:
    """Prompts and labels of a release, or of the packaged examples; none that is asked, word for word."""
    if release:
        import polars

        paths = sorted((release / "data" / "default").glob("train-*.parquet"))
        rows = polars.read_parquet(paths, columns=["instruction", "label"]).rows()
    else:
        lines = [line for path in sorted(EXAMPLES.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
        rows = [(row["prompt"], row["label"]) for row in map(json.loads, lines)]
    known = {one.prompt for one in asked}
    return [(prompt, label) for prompt, label in rows if prompt not in known]


class Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def tell(self, what: str) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        print(f"{what}: {wall - self.wall:.1f} s, {cpu - self.cpu:.1f} s of CPU")
        self.wall, self.cpu = wall, cpu


if __name__ == "__main__":
    main()
