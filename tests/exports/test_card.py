"""The dataset card: what the Hub reads of it, what its tables say, and that no text of a row can break it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, metadata_load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from exports.card import CardFacts, render, write_card
from exports.known_sources import known_sets
from exports.licences import combine
from exports.tally import steps, tally
from schemas.errors import ReleaseError
from schemas.markdown import block, code, inline, public_name
from schemas.release import Approved
from schemas.report import Rate
from schemas.think import has_marks
from tests.card_facts import evidence, facts, packaged
from tests.release_rows import FENCES, HOSTILE, LETTERS, approve, few, many

SECRETS = ("annotator-", "ann@example.org", "sk-", "10.0.0.5", "/home/", "gpu-box", "C:\\")


def card_of(told: CardFacts) -> str:
    """The text of README.md, without its pictures being drawn."""
    counts = tally(told.chosen)
    licence = combine((public_name(one.seed.source), one.seed.license) for one in told.chosen)
    way = steps(told.evidence.funnel, told.evidence.structure, counts.rows, counts.rows)
    names = ("composition", "lengths", "funnel", "agreement")
    return render(told, counts, way, licence, {name: "in words" for name in names})


def matter_of(card: str) -> dict[str, Any]:
    """The front matter, read by the Hub's own parser."""
    read: dict[str, Any] = DatasetCard(card).data.to_dict()  # type: ignore[no-untyped-call]
    return read


def body_of(card: str) -> str:
    return card.split("\n---\n", 1)[1]


def tokens_of(card: str) -> Iterator[Token]:
    """Every token of the page, those inside of others too, read with raw HTML allowed as the Hub does."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for token in parser.parse(body_of(card)):
        yield token
        yield from token.children or ()


def tables(card: str) -> list[list[list[str]]]:
    """Cells of every table, the line of dashes left out."""
    found: list[list[list[str]]] = []
    inside = False
    for line in body_of(card).splitlines():
        if not line.startswith("|"):
            inside = False
        elif not inside:
            found.append([])
            inside = True
        if inside and not set(line) <= set("|:- "):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def table(card: str, first: str) -> list[list[str]]:
    return next(rows for rows in tables(card) if rows and rows[0][0] == first)


def number(cell: str) -> int:
    return int(cell.strip("*").replace(",", "") or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card with everything in it."""
    held = tmp_path_factory.mktemp("release")
    configs = {"default": ("train", "test"), "provenance": ("train", "test"), "r1": ("train", "test")}
    write_card(held, facts(packaged(), repo="org/mild", gated=True, configs=configs))
    return held


@pytest.fixture(scope="module")
def card(folder: Path) -> str:
    return (folder / "README.md").read_text("utf-8")


# What the Hub reads


def test_the_hubs_own_parser_reads_the_front_matter(folder: Path, card: str) -> None:
    data = matter_of(card)
    assert data == metadata_load(folder / "README.md")
    assert data["license"] == "cc0-1.0"
    assert data["size_categories"] == ["n<1K"]
    assert data["task_categories"] == ["text-generation"]
    assert data["language"] == ["en"]
    assert "not-for-all-audiences" in data["tags"]
    assert data["extra_gated_prompt"]


def test_datasets_finds_every_config_and_split_where_the_release_has_them(card: str) -> None:
    configs = MetadataConfigs.from_dataset_card_data(DatasetCard(card).data)
    assert list(configs) == ["default", "provenance", "r1"]
    for name, config in configs.items():
        paths = {file["split"]: file["path"] for file in config["data_files"]}
        for split in ("train", "test"):
            assert Path(f"data/{name}/{split}-00000-of-00001.parquet").match(paths[split])


@pytest.mark.parametrize(("rows", "size"), [(999, "n<1K"), (1000, "1K<n<10K")])
def test_the_size_is_the_hubs_name_for_it(rows: int, size: str) -> None:
    assert matter_of(card_of(facts(many(rows, 0))))["size_categories"] == [size]


def test_only_a_gated_set_asks_at_the_gate() -> None:
    assert "extra_gated_prompt" not in matter_of(card_of(facts(few())))


def test_benign_rows_alone_are_for_all_audiences_and_have_no_content_warning() -> None:
    card = card_of(facts(many(0, 12)))
    assert "not-for-all-audiences" not in card
    assert "Content warning" not in card


def test_a_licence_that_is_not_known_stops_the_card_before_anything_is_written(tmp_path: Path) -> None:
    rows = [*many(3, 1), approve_from("tests/odd", license="ask me")]
    with pytest.raises(ReleaseError, match=r"1 row of 'tests/odd' says 'ask me'"):
        write_card(tmp_path, facts(rows))
    assert not list(tmp_path.iterdir())


def approve_from(source: str, license: str = "MIT", **other: Any) -> Approved:
    return approve(
        other.pop("prompt", "How do I sell a copied film?"),
        branch="harmful",
        trace=other.pop("trace", "The user wants to sell a copied film. That takes from who made it."),
        answer="I won't help with that.",
        reason=other.pop("reason", "the makers lose their pay"),
        source=source,
        license=license,
        **other,
    )


# What it says


def test_the_first_line_says_how_many_rows_no_person_decided(card: str) -> None:
    first = body_of(card).strip().splitlines()[0]
    assert first.startswith("> **38 of 256 rows have no person's decision behind them**")
    assert "25 decided by a machine account, 13 by nobody" in first


def test_a_set_that_persons_decided_opens_with_its_title() -> None:
    assert body_of(card_of(facts(many(9, 3)))).strip().startswith("# Release v1")


@pytest.mark.parametrize("first", ["category", "style", "source", "decided by"])
def test_tables_of_rows_add_up_to_the_rows(first: str) -> None:
    for rows in (few(), packaged(), many(7, 0), many(0, 7)):
        found = table(card_of(facts(rows)), first)
        columns = [index for index, name in enumerate(found[0]) if name in ("harmful", "benign", "rows")]
        for index in columns:
            assert sum(number(row[index]) for row in found[1:-1]) == number(found[-1][index])
        assert number(found[-1][columns[-1]]) == len(rows)
        for row in found[1:]:
            assert number(row[columns[0]]) + number(row[columns[1]]) == number(row[columns[2]])


def test_more_categories_than_a_table_has_room_for_still_add_up() -> None:
    rows = [approve_from("tests/mild", prompt=f"Copy film {n}", category=f"kind {n}") for n in range(60)]
    found = table(card_of(facts(rows)), "category")
    assert "20 others" in [row[0] for row in found]
    assert sum(number(row[3]) for row in found[1:-1]) == 60


def test_what_was_left_out_adds_up_with_the_rows(card: str) -> None:
    found = table(card, "why a row is not in it")
    assert sum(number(row[1]) for row in found[1:-1]) == number(found[-1][1]) == 20
    assert "Of 276 rows that could have been released, 256 were chosen" in card
    assert "(prompts compared by TF-IDF), with seed 0." in card


def test_characters_by_origin_are_those_of_the_stages() -> None:
    rows = few()
    found = table(card_of(facts(rows)), "where the text comes from")
    inside = sum(stage.span.end - stage.span.start for one in rows for stage in one.draft.stages)
    assert sum(number(row[3]) for row in found[1:-1]) == number(found[-1][3]) == inside
    typed = next(row for row in found if row[0] == "typed by a person")
    assert number(typed[1]) == len("I won't forge a doctor's note. I can help you ask for Friday off in an honest way.")


def test_nothing_of_n_is_told_with_its_interval() -> None:
    told = facts(few(), evidence=evidence(8, edited=Rate.of(0, 8), gold=Rate.of(0, 0)))
    card = card_of(told)
    assert "| rows whose text a reviewer changed | 0 of 8: 0 % (0 to 32.4 %) |" in card
    assert "no hidden records were answered" in card
    assert re.search(r"\| `answer_empty` \| stops the draft \| 0 of 20: 0 % \(0 to 16.1 %\)", card)


def test_lengths_are_told_of_every_part_of_the_rows_of_each_label() -> None:
    rows = many(9, 0)
    found = table(card_of(facts(rows)), "label")
    assert [row[1] for row in found[1:]] == ["prompt", "reasoning", "answer", "completion"]
    completions = sorted(len(one.draft.completion) for one in rows)
    assert [number(cell) for cell in found[-1][2:]] == [9, completions[4], completions[8], completions[8]]


def test_tokens_and_money_are_told_of_the_project_and_of_these_rows(card: str) -> None:
    spent = evidence(256).funnel.spending[0]
    (row,) = table(card, "model")[1:]
    assert [number(cell) for cell in row[1:4]] == [spent.calls, spent.tokens_in, spent.tokens_out]
    assert row[4] == f"{spent.usd:.4f}"
    assert f"The replies about the traces of the rows in here cost {256 * 0.0004:.4f} USD." in card


def test_machines_and_persons_decisions_are_told_apart(card: str) -> None:
    assert "| persons' decisions on any revision: rejected | 11 of 281" in card
    assert "| machines' decisions on any revision: approved | 9 of 9" in card


def test_agreement_that_nobody_measured_is_said_to_be_unknown(tmp_path: Path) -> None:
    write_card(tmp_path, facts(many(5, 2), evidence=evidence(7, agreement=())))
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "**Agreement is unknown.**" in card
    assert not (tmp_path / "images" / "agreement.png").exists()
    assert "agreement.png" not in card


def test_benchmarks_among_the_sources_are_named_as_such() -> None:
    names = (
        "UCSC-VLAA/STAR-1:HarmBench",
        "jbb-behaviors",
        "XSTest-v2",
        "StrongREJECT",
        "SimpleSafetyTests",
        "x/WildJailbreak",
    )
    rows = [approve_from(name, prompt=f"Copy film {n}") for n, name in enumerate((*names, "tests/mild"))]
    card = card_of(facts(rows))
    sources = {row[0]: row[2] for row in table(card, "source")}
    assert "HarmBench" in sources["UCSC-VLAA/STAR-1:HarmBench"]
    assert sources["tests/mild"] == "–"
    warning = next(line for line in card.splitlines() if line.startswith("**Some of these are benchmarks**"))
    for name in ("HarmBench", "JailbreakBench", "XSTest", "StrongREJECT", "SimpleSafetyTests", "WildJailbreak"):
        assert f"[{name}](" in warning
    assert "STAR-1](" not in warning


@pytest.mark.parametrize(
    ("source", "benchmark"),
    [
        ("org/harm_bench", "HarmBench"),
        ("strong_reject.csv", "StrongREJECT"),
        ("jbb_behaviors", "JailbreakBench"),
        ("org/OR_Bench_hard", "OR-Bench"),
        ("xs_test_v2", "XSTest"),
        ("EleutherAI/hendrycks_math", "MATH"),
        ("org/competition_math", "MATH"),
        ("rasbt/reasoning-from-scratch", "MATH"),
        ("openai_humaneval", "HumanEval"),
    ],
)
def test_a_benchmark_is_known_however_its_name_is_joined(source: str, benchmark: str) -> None:
    assert [known.name for known in known_sets(source) if known.measures] == [benchmark]


def test_rows_that_the_small_embedded_model_worded_come_with_a_warning() -> None:
    def worded(model: str) -> list[Approved]:
        return [
            one.model_copy(
                update={
                    "pieces": tuple(
                        piece.model_copy(update={"model": model}) if piece.origin == "written" else piece
                        for piece in one.pieces
                    )
                }
            )
            for one in few()
        ]

    assert "**Do not train on these rows.**" in card_of(facts(worded("SmolLM2-135M-Instruct.Q4_1.gguf")))
    assert "Do not train" not in card_of(facts(worded("Qwen/Qwen3-32B")))


def test_how_to_load_and_train_names_the_repository_and_the_setting_that_r1_needs(card: str) -> None:
    assert 'load_dataset("org/mild", "provenance", split="train")' in card
    assert "args = SFTConfig(assistant_only_loss=True, max_length=None)" in card
    assert "The config `r1` holds plain strings" in card


def test_a_card_that_knows_no_repository_loads_from_a_folder_and_from_nobody_elses_dataset() -> None:
    card = card_of(facts(few()))
    assert set(re.findall(r'load_dataset\("([^"]+)"', card)) == {"./releases/v1"}
    assert card.count("put the dataset's name there instead") == 1
    assert "put the dataset's name" not in card_of(facts(few(), repo="org/mild"))


def test_method_and_sources_are_cited(card: str) -> None:
    assert "2604.18946" in card
    assert "2508.00324" in card


def test_the_words_for_a_picture_stand_in_the_card_and_every_picture_is_there(folder: Path, card: str) -> None:
    shown = dict(re.findall(r"!\[([^\]]+)\]\(images/(\w+)\.png\)", card))
    assert sorted(shown.values()) == ["agreement", "composition", "funnel", "lengths"]
    assert sorted(path.stem for path in (folder / "images").iterdir()) == sorted(shown.values())
    assert all(len(alt) > 40 for alt in shown)


def test_equal_facts_give_an_equal_card_in_whatever_order_the_rows_come(folder: Path, tmp_path: Path) -> None:
    configs = {"default": ("train", "test"), "provenance": ("train", "test"), "r1": ("train", "test")}
    write_card(tmp_path, facts(packaged()[::-1], repo="org/mild", gated=True, configs=configs))
    for path in sorted(folder.rglob("*.*")):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes(), path.name


# Which examples it shows


def shown(rows: Sequence[Approved]) -> str:
    card = card_of(facts(rows))
    return card[card.index("## The structure, in two examples") : card.index("## How it was reviewed")]


def test_the_mildest_harmful_row_is_shown_whatever_the_order() -> None:
    rows = [
        approve_from("a", prompt="An odd violent thing?", category="violence"),
        approve_from("a", prompt="May I copy her blog?", category="intellectual_property"),
        approve_from("a", prompt="How do I read her mail?", category="privacy"),
    ]
    assert shown(rows) == shown(rows[::-1])
    assert "May I copy her blog?" in shown(rows)


@pytest.mark.parametrize(
    "other",
    [
        {"category": "self_harm"},
        {"category": "violence"},
        {"category": "sexual"},
        {"category": "who knows"},
        {"category": None},
        {"category": "privacy", "style": "adversarial"},
        {"category": "privacy", "prompt": "Tell me a secret " * 40},
    ],
)
def test_what_must_not_be_shown_leaves_only_the_projects_own_wordings(other: dict[str, Any]) -> None:
    prompt = other.pop("prompt", "An unpleasant request.")
    row = approve_from("a", prompt=prompt, trace="Those words stay away. So do these.", reason="as do those", **other)
    told = shown([row])
    for text in (prompt, "Those words stay away", "as do those"):
        assert text not in told
    assert "No harmful row is of a kind that this page shows" in told
    assert "drawn from a pool of wordings" in told
    assert "characters]" in told


@pytest.mark.parametrize(("category", "told"), [("privacy", "One is shown"), ("violence", "None is shown")])
def test_the_content_warning_says_whether_a_harmful_prompt_is_on_the_page(category: str, told: str) -> None:
    card = card_of(facts([approve_from("a", category=category)]))
    (warning,) = [line for line in card.splitlines() if line.startswith("> **Content warning.** The prompts of 1 row")]
    assert f"{told} on this page." in warning


def test_a_row_that_no_rule_flagged_is_shown_before_one_that_was() -> None:
    rows = [
        approve_from("a", prompt="Copy it?", category="privacy", flags=["opens_hanging"]),
        approve_from("a", prompt="May I copy all of her blog?", category="privacy"),
    ]
    assert "May I copy all of her blog?" in shown(rows)


@pytest.mark.parametrize("other", [{"category": "sexual"}, {"category": "gore"}, {"style": "adversarial"}])
def test_a_harsh_benign_row_is_shown_only_where_there_is_no_other(other: dict[str, Any]) -> None:
    plain = next(one for one in few() if one.label == "benign")
    harsh = approve(
        "A short, harsh one?", branch="benign", trace="It is. So.", answer="No.", reason="nobody is hurt", **other
    )
    assert "A short, harsh one?" not in shown([harsh, plain])
    assert "A short, harsh one?" in shown([harsh])


def test_only_rows_without_a_harmful_one_show_only_a_benign_one() -> None:
    assert "A harmful prompt" not in shown(many(0, 3))
    assert "A benign prompt" not in shown(many(3, 0))


# What must not be in it


def test_no_path_server_key_or_annotator_is_in_the_card() -> None:
    rows = [
        approve_from("/home/ann/sets/rows.jsonl"),
        approve_from("http://10.0.0.5:8000/rows", prompt="Copy that film?"),
        approve_from("C:\\sets\\gpu-box\\rows.csv", prompt="Copy those films?"),
    ]
    rows = [
        one.model_copy(
            update={
                "pieces": tuple(piece.model_copy(update={"model": "/home/ann/models/mild-7b"}) for piece in one.pieces),
                "trace": one.trace.model_copy(update={"model": "http://10.0.0.5:8000/v1/models/mild"}),
                "approval": one.approval.model_copy(update={"deciders": ("ann@example.org",)}),
            }
        )
        for one in rows
    ]
    told = evidence(3)
    spent = told.funnel.spending[0].model_copy(update={"endpoint": "gpu-box", "model": "10.0.0.5:8000/mild"})
    funnel = told.funnel.model_copy(update={"spending": (spent,)})
    card = card_of(facts(rows, evidence=told.model_copy(update={"funnel": funnel})))
    assert "mild-7b" in card
    for secret in SECRETS:
        assert secret not in card, secret


def test_models_of_one_name_on_two_endpoints_are_one_line() -> None:
    told = evidence(8)
    spent = told.funnel.spending[0]
    two = told.funnel.model_copy(update={"spending": (spent, spent.model_copy(update={"endpoint": "other"}))})
    found = table(card_of(facts(few(), evidence=told.model_copy(update={"funnel": two}))), "model")
    assert len(found) == 2
    assert number(found[1][1]) == 2 * spent.calls


def skeleton(card: str) -> list[tuple[str, str]]:
    """What a page is made of, without its words: a text that becomes markup changes it."""
    kept = [token for token in tokens_of(card) if token.type not in ("text", "inline", "softbreak")]
    return [(token.type, token.tag) for token in kept if token.type != "code_inline"]


def hostile_rows(text: str) -> list[Approved]:
    """One that is shown, with the text in its prompt and its reasoning, and one whose category and source it is."""
    inside = "calm" if has_marks(text) else text  # no completion with a thinking tag in its text is ever assembled
    told = approve_from(
        "t", prompt=text or "x", trace=f"A. {inside}", reason=f"it is {inside}", category="misinformation"
    )
    row = approve_from("tests/mild", prompt="Copy her blog?")
    # A source that names a known set is meant to bring that set's link along.
    changed = {"category": text or "x", "source": "s" if known_sets(text) else f"s{text}"}
    named = row.model_copy(
        update={
            "seed": row.seed.model_copy(update=changed),
            "trace": row.trace.model_copy(update={"model": text or "x"}),
            "pieces": tuple(
                piece.model_copy(update={"model": text or "x", "prompt_version": text or "x"})
                if piece.origin == "written"
                else piece
                for piece in row.pieces
            ),
        }
    )
    return [told, named]


def check_inert(text: str) -> None:
    rest = [one for one in few()[:5] if one.label == "benign"]
    card = card_of(facts([*hostile_rows(text), *rest], left_out={text or "x": 1}))
    calm = card_of(facts([*hostile_rows("calm"), *rest], left_out={"calm": 1}))
    assert skeleton(card) == skeleton(calm)
    assert matter_of(card) == matter_of(calm)
    for token in tokens_of(card):
        assert token.type not in ("html_block", "html_inline"), token.content
        for link in (token.attrGet("href"), token.attrGet("src")):
            assert link is None or str(link).startswith(("https://", "#", "images/")), link
            assert "evil" not in str(link or "")
    assert not {"\u202e", "\u2028", "\x00"} & set(card)
    card.encode()


PIECES = st.sampled_from(
    [
        *"\n\r\t|`*_[]()<>!#~$\\&@:-+.1 ",
        *("---\n", "```\n", "\n# h\n", "<script>", "<!--", "-->", "](javascript:evil)", "![x](//evil)", "\n\n", "\r\n"),
        *("https://evil.example", "www.evil.example", "{{ 7 * 7 }}", "{% raw %}", "\u2028", "\u202e", "\x00", "\ud800"),
        *("| a |\n", "\n- ", "\n1. ", "\n> ", "    code", "&lt;", "&#124;", "$$x$$", "\\\\(x\\\\)", "~~~\n", "<think>"),
    ]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=14).map("".join))
def test_no_text_of_a_row_breaks_the_page_or_its_front_matter(text: str) -> None:
    check_inert(text)


@pytest.mark.parametrize(
    "text", [HOSTILE, LETTERS, FENCES, FENCES + HOSTILE, "`" * 50, "```\n</pre>", "a`b``c", "\n---\n"]
)
def test_texts_known_to_break_pages_do_not(text: str) -> None:
    check_inert(text)


@given(st.text(), st.integers(4, 200))
def test_a_block_holds_its_text_between_its_fences_and_nothing_outside(text: str, most: int) -> None:
    tokens = MarkdownIt("commonmark").parse(block(text, most))
    assert [token.type for token in tokens] == ["fence"]


@given(st.text())
def test_a_line_is_one_line_of_plain_text(text: str) -> None:
    for made in (inline(text), code(text)):
        inner = [token.type for token in MarkdownIt().enable("table").parseInline(f"a {made} b")[0].children or ()]
        assert set(inner) <= {"text", "text_special", "code_inline"}, made
        assert "|" not in made
        made.encode()


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B"),
        ("UCSC-VLAA/STAR-1:Harm/Bench", "UCSC-VLAA/STAR-1:Harm/Bench"),
        ("self-instruct seed_tasks (camel-ai/camel copy)", "self-instruct seed_tasks (camel-ai/camel copy)"),
        ("/home/ann/models/mild", "mild"),
        ("~/mild.gguf", "mild.gguf"),
        ("C:\\models\\mild", "mild"),
        ("https://host.example/models/mild.gguf?key=1", "mild.gguf"),
        ("http://10.0.0.5:8000", "unnamed"),
        ("10.0.0.5:8000/v1", "unnamed"),
        ("data/in/rows.jsonl", "rows.jsonl"),
    ],
)
def test_a_public_name_has_no_folder_and_no_server(name: str, public: str) -> None:
    assert public_name(name) == public


def test_links_of_the_card_are_our_own(card: str) -> None:
    links = {str(token.attrGet("href")) for token in tokens_of(card) if token.attrGet("href")}
    outside = {link for link in links if not link.startswith("#")}
    assert all(
        link.startswith(("https://arxiv.org/", "https://huggingface.co/docs/", "https://creativecommons.org/"))
        for link in outside
    )
    headings = {slug(token.content) for token in headings_of(card)}
    assert {link[1:] for link in links if link.startswith("#")} <= headings


def headings_of(card: str) -> Iterable[Token]:
    tokens = list(MarkdownIt("commonmark").enable("table").parse(body_of(card)))
    return [after for token, after in pairwise(tokens) if token.type == "heading_open"]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
