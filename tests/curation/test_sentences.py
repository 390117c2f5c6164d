"""Sentences: nothing lost, nothing cut open, in many languages. Every case was written for this project."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.enclosures import find_enclosed
from curation.sentences import sentences

# A case is named by what it tries; its sentences are joined by a blank where no other joint is given.
CASES: dict[str, tuple[str, ...]] = {
    "plain": (
        "Okay, let's see.",
        "The user asks about a boat.",
        "Hmm, where is it?",
        "Wow!",
    ),
    "initials": (
        "The user wants a quote from J.D. Salinger's novel.",
        "It is under copyright.",
    ),
    "initials apart": (
        "The line is by J. R. R. Tolkien himself.",
        "Good.",
    ),
    "U.S. President": (
        "They ask who the U.S. President was in 1990.",
        "That is easy.",
    ),
    "U.S. ends a sentence": (
        "She moved to the U.S. in May.",
        "He stayed.",
    ),
    "titles": (
        "Dr. Weber met Mrs. Okafor and Prof. Lind at St. Mary's.",
        "They talked.",
    ),
    "e.g. and i.e.": (
        "Use a fruit, e.g. an apple, i.e. something round.",
        "Then cut it.",
    ),
    "vs. and etc.": (
        "It is cats vs. dogs, birds, etc. and nothing else.",
        "Fine.",
    ),
    "etc. ends a sentence": (
        "We need flour, eggs, etc.",
        "The oven comes next.",
    ),
    "decimals": (
        "The rope is 3.14 m long and costs $2.50.",
        "It burns for 60 min. at most.",
        "So what?",
    ),
    "version and file": (
        "Open main.py with Python 3.11.7 first.",
        "Then run it.",
    ),
    "url": (
        "See https://example.org/a.b?c=d.",
        "It lists them.",
    ),
    "number sign": (
        "He lives at No. 7, see Fig. 3 and Eq. 4.",
        "Right.",
    ),
    "am and pm": (
        "The train leaves at 5 p.m. from Kyoto.",
        "Be early.",
    ),
    "question in quotes": (
        'The question is: "What am I?"',
        "Hmm, a riddle.",
    ),
    "question in quotes goes on": (
        '"Is it raining?" she asked.',
        "Nobody knew.",
    ),
    "several sentences in quotes": (
        'The text says, "I never shave. My beard stays the same. What am I?"',
        "Let me think.",
    ),
    "quote ends inside": (
        'He wrote "stop." and left.',
        "We went on.",
    ),
    "smart quotes": (
        "They said “Go now. Run.” to us.",
        "We ran.",
    ),
    "full stop after quote": (
        'It mentions "the red door".',
        "There are three doors.",
    ),
    "single quotes": (
        "The clerk says 'One may be broken. I check one.' and opens a box.",
        "It works.",
    ),
    "apostrophes": (
        "It's the girls' tea and the '90s weren't kind.",
        "Don't ask.",
    ),
    "unclosed quote": (
        'The user wrote "tell me more.',
        "It has no end.",
    ),
    "brackets": (
        "One door has a car (this is good. The others do not.) and we pick it.",
        "Now switch.",
    ),
    "sentence in brackets": (
        "We pick a door.",
        "(It has a car.)",
        "Then we switch.",
    ),
    "ellipsis lower": (
        "Hmm... let me think about the boat.",
        "Yes.",
    ),
    "ellipsis upper": (
        "I wonder...",
        "The boat has room for two.",
    ),
    "ellipsis sign": (
        "Well… maybe.",
        "Let me check…",
        "Now I see.",
    ),
    "interrobang": (
        "What?!",
        "They are already dead!!",
        "Really.",
    ),
    "yahoo": (
        "She works at Yahoo! as an editor.",
        "He does not.",
    ),
    "numbered list": (
        "Here is the plan:",
        "1. Cut the rope.",
        "2. Light both ends.",
        "3. Wait.",
    ),
    "bullets without stops": (
        "There are three parts:",
        "- for x > 2, it is ax + 3",
        "- for x < -2, it is 2x - b",
        "We want both equal.",
    ),
    "list with brackets": (
        "Options:",
        "a) swim",
        "b) row",
        "Pick one.",
    ),
    "paragraphs without stop": (
        "First thoughts",
        "The user has two ropes.",
    ),
    "wrapped lines": (
        "The user has two ropes, each of\nwhich burns for an hour, and wants\nto measure 45 minutes.",
        "How?",
    ),
    "wrapped before a name": (
        "The user lives in the north of\nNorway and likes snow.",
        "Fine.",
    ),
    "inline maths": (
        "Find $x$ where $f(x) = 2.5 x. $ holds.",
        "Then add.",
    ),
    "paren maths": (
        "Let \\( a. B \\) be given.",
        "Solve it.",
    ),
    "display maths": (
        "We have\n\\[\nx = 1. \\quad Y = 2.\n\\]\nso that is it.",
        "Done.",
    ),
    "maths then capital": (
        "The answer is $x = 4$.",
        "The rest is zero.",
    ),
    "sentence opens with maths": (
        "So it is even.",
        "$n$ must be 4.",
    ),
    "currency": (
        "He pays $5.",
        "She pays $10 more.",
    ),
    "inline code": (
        "Call `print(a. B)` or `os.path.join` here.",
        "It prints.",
    ),
    "fence": (
        "Look at this:\n```python\nx = 1. # Yes. No.\n\nprint(x)\n```",
        "It prints one.",
    ),
    "bold and headings": (
        "**Step 1.**",
        "Read the question.",
        "It is about ropes.",
    ),
    "lower-case start": (
        "i think it is fine.",
        "the rope burns.",
        "ok?",
        "yes.",
    ),
    "name with stop": (
        "I asked Node.js and A.I. people.",
        "They agreed.",
    ),
    "hyphen and dash": (
        "Wait, no—the host opens one.",
        "– That changes things.",
    ),
    "letter ends a sentence": (
        "Say that the first door is A.",
        "The second one is B.",
        "Behind B is nothing.",
    ),
    "pronoun I": (
        "So do I.",
        "Next question.",
    ),
    "roman and pages": (
        "See vol. II, pp. 3-4, of the book.",
        "Good.",
    ),
    "chinese": (
        "好的，用户想知道怎么过河。",
        "船只能载两个人。",
        "我该怎么办？",
        "让我想想！",
    ),
    "chinese quotes": (
        "题目是：“我从不刮胡子。我是谁？”",
        "这是一个谜语。",
    ),
    "japanese": (
        "まず、問題を読みます。",
        "「船に乗れますか？」と聞いています。",
        "二人しか乗れない！",
    ),
    "korean": (
        "사용자는 배에 대해 묻고 있습니다.",
        "두 사람만 탈 수 있어요.",
        "어떻게 할까요?",
    ),
    "arabic": (
        "يسأل المستخدم عن القارب.",
        "كم شخصًا يمكنه الركوب؟",
        "اثنان فقط.",
    ),
    "urdu": (
        "صارف کشتی کے بارے میں پوچھتا ہے۔",
        "کتنے لوگ؟",
        "صرف دو۔",
    ),
    "hindi": (
        "उपयोगकर्ता नाव के बारे में पूछ रहा है।",
        "कितने लोग बैठ सकते हैं?",
        "केवल दो।",
    ),
    "spanish": (
        "El usuario pregunta por el Sr. García y la Sra. Ruiz.",
        "¿Cuántos caben?",
        "¡Solo dos!",
    ),
    "french": (
        "L'utilisateur demande : « Où est M. Dupont ? Il est parti. »",
        "Voyons un peu.",
        "C'est simple !",
    ),
    "german": (
        "Der Nutzer fragt, z. B. nach dem 3. Oktober bzw. nach Dr. Weber.",
        "„Wo ist er?“",
        "Das ist leicht.",
    ),
    "russian": (
        "Пользователь спрашивает про лодку, т.е. о реке.",
        "Сколько людей?",
        "Двое.",
    ),
    "russian initials": (
        "Это роман А. С. Пушкина.",
        "Он известен.",
    ),
    "portuguese": (
        "O usuário pergunta pelo Sr. Silva.",
        "Quantos cabem?",
        "Dois.",
    ),
    "turkish": (
        "Kullanıcı Dr. Yılmaz'ı soruyor.",
        "Kaç kişi?",
        "İki.",
    ),
    "thai by paragraph": (
        "ผู้ใช้ถามเรื่องเรือ",
        "มีที่นั่งสองที่",
    ),
    "greek": (
        "Ο χρήστης ρωτά για τη βάρκα.",
        "Πόσοι χωράνε;",
        "Δύο.",
    ),
}
JOINTS = {
    "numbered list": "\n",
    "bullets without stops": "\n",
    "list with brackets": "\n",
    "paragraphs without stop": "\n\n",
    "fence": "\n\n",
    "chinese": "",
    "chinese quotes": "",
    "japanese": "",
    "thai by paragraph": "\n\n",
}

PIECES = st.sampled_from(
    [
        *"aB1 .!?\"'“”‘’()[]$`\\\n…。？「」é😀;:-*,",
        "\n\n",
        "Dr. ",
        "e.g. ",
        "J.D. ",
        "1. ",
        "\n- ",
        "```",
        "\\(",
        "\\)",
        " The ",
        "word ",
    ]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=200)


def texts_of(text: str, limit: int | None = None) -> tuple[str, ...]:
    return tuple(span.of(text) for span in sentences(text, limit))


@pytest.mark.parametrize("name", CASES)
def test_a_sentence_ends_where_a_reader_would_end_it(name: str) -> None:
    assert texts_of(JOINTS.get(name, " ").join(CASES[name])) == CASES[name]


@given(TEXTS)
@settings(deadline=None)
def test_sentences_hold_every_character_but_the_white_space_between_them(text: str) -> None:
    at = 0
    for span in sentences(text):
        assert span.start >= at
        assert not text[at : span.start].strip()
        assert span.of(text) == span.of(text).strip() != ""
        at = span.end
    assert not text[at:].strip()


@given(TEXTS)
@settings(deadline=None)
def test_no_sentence_ends_inside_a_quotation_a_formula_code_or_brackets(text: str) -> None:
    ends = [span.end for span in sentences(text)]
    for run in find_enclosed(text):
        assert not any(run.start() < end < run.end() for end in ends if text[end : run.end()].strip())


@given(st.lists(st.sampled_from(list(CASES)), min_size=3, max_size=40), st.integers(0, 6))
@settings(deadline=None)
def test_the_first_sentences_are_the_same_whether_the_rest_is_read_or_not(names: list[str], limit: int) -> None:
    text = "\n\n".join(JOINTS.get(name, " ").join(CASES[name]) for name in names)
    assert sentences(text, limit) == sentences(text)[:limit]


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_a_blank_text_has_no_sentence(text: str) -> None:
    assert sentences(text) == ()


def test_a_quotation_with_a_blank_line_in_it_is_one_sentence() -> None:
    text = 'They wrote: "Dear all,\n\nthe boat leaves. Be there." Now what?'
    assert texts_of(text) == ('They wrote: "Dear all,\n\nthe boat leaves. Be there."', "Now what?")


def test_an_unclosed_bracket_or_fence_does_not_swallow_the_paragraphs_after_it() -> None:
    assert texts_of("It opens (and never closes. Well.\n\nThe next one stands.") == (
        "It opens (and never closes.",
        "Well.",
        "The next one stands.",
    )


def test_a_line_without_letters_belongs_to_the_sentence_before_it() -> None:
    assert texts_of("That is all.\n\n---\n\nThe end.") == ("That is all.\n\n---", "The end.")


@pytest.mark.parametrize("unit", ["é.", "“", "`", "\\[", "(", '"', "\n", "$", "1. "])
def test_a_hostile_run_of_marks_is_still_split_without_loss(unit: str) -> None:
    text = unit * 5_000
    assert "".join("".join(texts_of(text)).split()) == "".join(text.split())


def test_code_that_is_never_closed_reaches_to_the_end() -> None:
    assert texts_of("Run this:\n```\nx = 1. Y = 2. \n\nz \n") == ("Run this:\n```\nx = 1. Y = 2. \n\nz",)


def test_marks_that_close_stay_with_the_sentence_that_they_close() -> None:
    assert texts_of('She left. Then.) He stayed.") Well.') == ("She left.", "Then.)", 'He stayed.")', "Well.")


def test_the_last_sentence_asked_for_is_whole_where_only_part_of_the_text_is_read() -> None:
    text = "It is short. " * 3 + "It is " + "very " * 2_000 + "long. And this. And that. And more. And all."
    for limit in range(1, 8):
        assert sentences(text, limit) == sentences(text)[:limit]
    for length in range(1_480, 2_020, 7):
        text = ("word " * length)[:length] + ". Yes. No. Maybe."
        assert sentences(text, 2) == sentences(text)[:2]
