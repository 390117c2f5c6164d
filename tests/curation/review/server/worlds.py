"""Datasets with all that the page can ask about, made at random and stored on a real server."""

import html
import random
from datetime import datetime
from typing import Any

from tests.curation.review.server.reference import Answered, Status, Stored, Suggested, World
from tests.review_server import Person, ReviewServer

WORDS = "calm weather rain x y b think script div 5 naïve 天 气 π don".split()
"""What texts are made of, signs aside."""

SIGNS = [
    "<",
    ">",
    "&",
    "</script>",
    "$&",
    "$'",
    "&&",
    "<think>",
    "&lt;",
    "'",
    "\u2028",
    "🌧",
    "\\frac{",
    "`",
    '"',
    "#RECORD_OBJECT#",
]
LABELS = ["yes", "no", "Ünsure"]
TAGS = ["a", "B", "c d", "é"]
AGENTS = ["gpt-4o", "human:1", None]
TERMS = ["red", "Green", "blue green", "ß"]

QUESTIONS: dict[str, dict[str, Any]] = {
    "verdict": {"type": "label_selection", "options": [{"value": label, "text": label} for label in LABELS]},
    "problems": {"type": "multi_label_selection", "options": [{"value": tag, "text": tag} for tag in TAGS]},
    "grade": {"type": "rating", "options": [{"value": value} for value in range(6)]},
    "edit": {"type": "text", "use_markdown": False},
}
STATUSES: list[Status] = ["draft", "submitted", "discarded"]


def make(server: ReviewServer, seed: int, *, shared_out: bool, count: int) -> tuple[World, str, dict[str, Person]]:
    """A dataset of `count` records: the world that it makes up, its id, and its people by username.

    `shared_out`: whether records have a position and annotators of their own.
    """
    draw = random.Random(seed)
    workspace = server.new_workspace()
    annotators = [server.new_annotator(workspace) for _ in range(3)]
    people = {person.username: person for person in (server.owner, *annotators)}
    admin = server.new_annotator(workspace, role="admin")
    people[admin.username] = admin

    types = {"hue": "terms", "rank": "integer", "weight": "float", 'naïve "name"': "terms"}
    if shared_out:
        types |= {"position": "integer", "assigned": "terms"}
    dataset = _dataset(server.owner, workspace, types)
    records = [_record(draw, number, shared_out, [person.username for person in annotators]) for number in range(count)]
    world = World(records, {name: each["type"] for name, each in QUESTIONS.items()}, types, min_submitted=2)
    _store(server.owner, dataset, world, people)
    for record in records:
        for person in annotators:
            if draw.random() < 0.4:
                answer(person, record, _answer(draw))
    refresh(server.owner, dataset, world)
    return world, dataset, people


def answer(person: Person, record: Stored, given: Answered) -> None:
    """As the page sends it."""
    values = {name: {"value": value} for name, value in given.values.items()} or None
    person.post(f"/api/v1/records/{record.id}/responses", json={"status": given.status, "values": values})
    record.answers[person.username] = given


def refresh(owner: Person, dataset: str, world: World) -> None:
    """Learns from the server what only it knows: ids and times."""
    path = f"/api/v1/datasets/{dataset}/records"
    stored = {item["external_id"]: item for item in owner.get(path, params={"limit": 1000})["items"]}
    for record in world.records:
        item = stored[record.external_id]
        record.id = item["id"]
        record.inserted_at = datetime.fromisoformat(item["inserted_at"])
        record.updated_at = datetime.fromisoformat(item["updated_at"])


def _dataset(owner: Person, workspace: str, types: dict[str, str]) -> str:
    settings = {
        "workspace_id": workspace,
        "name": "random",
        "distribution": {"strategy": "overlap", "min_submitted": 2},
    }
    dataset = str(owner.post("/api/v1/datasets", json={**settings, "allow_extra_metadata": True})["id"])
    fields = {"prompt": {"type": "text", "use_markdown": False}, "page": {"type": "text", "use_markdown": False}}
    fields |= {"talk": {"type": "chat"}, "parts": {"type": "custom", "template": "", "advanced_mode": False}}
    for name, field in fields.items():
        body = {"name": name, "title": name, "required": name == "prompt", "settings": field}
        owner.post(f"/api/v1/datasets/{dataset}/fields", json=body)
    for name, question in QUESTIONS.items():
        body = {"name": name, "title": name, "required": name == "verdict", "settings": question}
        owner.post(f"/api/v1/datasets/{dataset}/questions", json=body)
    for name, kind in types.items():
        body = {"name": name, "title": name, "settings": {"type": kind}, "visible_for_annotators": True}
        owner.post(f"/api/v1/datasets/{dataset}/metadata-properties", json=body)
    body = {"name": "meaning", "title": "meaning", "dimensions": 3}
    owner.post(f"/api/v1/datasets/{dataset}/vectors-settings", json=body)
    owner.put(f"/api/v1/datasets/{dataset}/publish")
    return dataset


def _record(draw: random.Random, number: int, shared_out: bool, names: list[str]) -> Stored:
    seen = {"prompt": _text(draw)}
    sent: dict[str, Any] = {"prompt": escaped(seen["prompt"])}
    if draw.random() < 0.6:
        seen["page"], sent["page"] = _markup(draw)
    if draw.random() < 0.4:
        said = [_text(draw) for _ in range(draw.randint(1, 3))]
        seen["talk"] = " ".join(said)
        sent["talk"] = [{"role": draw.choice(["user", "weather"]), "content": escaped(text)} for text in said]
    if draw.random() < 0.3:
        seen["parts"] = text = _text(draw)
        sent["parts"] = {"rain": {"deep": [escaped(text)]}, "number": None}
    metadata: dict[str, Any] = {}
    if draw.random() < 0.8:
        metadata["hue"] = draw.choice([*TERMS, draw.sample(TERMS, 2), draw.sample(TERMS, 3)])
    if draw.random() < 0.5:
        metadata['naïve "name"'] = draw.choice([*TERMS, draw.sample(TERMS, 2)])
    if draw.random() < 0.8:
        metadata["rank"] = draw.randint(-3, 3)
    if draw.random() < 0.8:
        metadata["weight"] = draw.choice([0.0, -0.5, 0.1, 0.30000000000000004, 1e6])
    if draw.random() < 0.2:
        metadata["extra"] = {"nobody": ["asks"]}
    if shared_out:
        if draw.random() < 0.9:
            metadata["position"] = draw.randint(0, 40)
        metadata["assigned"] = draw.choice([names[0], names[:2], names[1:], names, [], None])
        if draw.random() < 0.1:
            del metadata["assigned"]
    vector = draw.choice([None, [draw.choice([-1.0, 0.0, 0.5, 2.0]) for _ in range(3)], [1.0, 2.0, 3.0]])
    return Stored(f"record-{number:03}-{draw.choice('äB_')}", sent, seen, metadata, _suggestions(draw), vector)


def _text(draw: random.Random) -> str:
    return " ".join(
        draw.choice(WORDS) if draw.random() < 0.7 else draw.choice(SIGNS) for _ in range(draw.randint(1, 12))
    )


def escaped(text: str) -> str:
    """As text has to be sent for the page to show it as it is."""
    return html.escape(text).replace("$", "&#36;")


def _markup(draw: random.Random) -> tuple[str, str]:
    """What a person sees, and the HTML that shows it."""
    seen, sent = [], []
    for _ in range(draw.randint(1, 4)):
        text = _text(draw)
        kind = draw.choice(["<div class='stage' style=\"color:#123\">{}</div>", "<p>{}<br/></p>", "<h3>{}</h3>", "w{}"])
        if kind == "w{}":  # a mark inside a word leaves the word whole
            seen.append("weather")
            sent.append('<p>wea<mark class="new">ther</mark></p><!-- rain --><style>.calm { color: red }</style>')
        else:
            seen.append(text)
            sent.append(kind.format(escaped(text)))
    return " ".join(seen), "".join(sent)


def _suggestions(draw: random.Random) -> dict[str, Suggested]:
    values = _values(draw)
    found = {}
    for name, value in values.items():
        score: float | list[float] | None = draw.choice([None, 0.0, 0.25, 1.0])
        if name == "problems":
            score = draw.choice([None, [draw.choice([0.1, 0.9]) for _ in value]])
        found[name] = Suggested(value, score, draw.choice(AGENTS), draw.choice(["model", "human", None]))
    return found


def _answer(draw: random.Random) -> Answered:
    status = draw.choice(STATUSES)
    values = _values(draw)
    if status == "submitted":
        values.setdefault("verdict", draw.choice(LABELS))
    elif draw.random() < 0.3:
        values = {}
    return Answered(status, values)


def _values(draw: random.Random) -> dict[str, Any]:
    given: dict[str, Any] = {
        "verdict": draw.choice(LABELS),
        "problems": draw.sample(TAGS, draw.randint(1, 3)),
        "grade": draw.randint(0, 5),
        "edit": _text(draw),
    }
    return {name: value for name, value in given.items() if draw.random() < 0.6}


def _store(owner: Person, dataset: str, world: World, people: dict[str, Person]) -> None:
    listed = owner.get(f"/api/v1/datasets/{dataset}/questions")["items"]
    ids = {question["name"]: question["id"] for question in listed}
    items = []
    for record in world.records:
        suggestions = [
            {"question_id": ids[name], **suggested._asdict()} for name, suggested in record.suggestions.items()
        ]
        item: dict[str, Any] = {"external_id": record.external_id, "fields": record.sent, "metadata": record.metadata}
        item |= {"suggestions": suggestions, "vectors": {"meaning": record.vector} if record.vector else None}
        items.append(item)
    owner.put(f"/api/v1/datasets/{dataset}/records/bulk", json={"items": items})
    refresh(owner, dataset, world)
