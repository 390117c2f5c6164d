"""Content words meet across forms of a word, in any script, and never by words that only hold sentences together."""

import pytest

from curation.words import content_words


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("en", "He is reading the messages.", "Who reads a message?"),
        ("en", "We need to measure 1,000 liters.", "Is it 1000?"),
        ("en", "Find f(x) for all reals.", r"Let $f(x)=\frac{1}{2}$."),
        ("en", "It is Alice’s boat.", "Who is Alice?"),
        ("de", "Es geht um fremde Nachrichten.", "Wie lese ich eine Nachricht?"),
        ("es", "Quiere leer los mensajes.", "¿Cómo leo un mensaje?"),
        ("fr", "Il demande comment traverser la rivière.", "Quelles rivières ?"),
        ("ru", "Он хочет читать сообщения.", "Где моё сообщение?"),
        ("ar", "يريد قراءة الرسائل.", "كيف أقرأ الرسائل؟"),
        ("hi", "वह संदेश पढ़ना चाहता है।", "मैं संदेश कैसे भेजूँ?"),
        ("zh", "用户想偷看室友的手机。", "怎样看别人的手机？"),
        ("ja", "携帯電話を見たいそうです。", "携帯電話はどこですか？"),
        ("ko", "친구의 메시지를 읽고 싶어합니다.", "메시지가 왔어요?"),
        ("th", "เขาถามเรื่องเรือ", "เรือลำนี้ใหญ่"),
    ],
)
def test_two_texts_about_the_same_thing_share_a_content_word(code: str, one: str, other: str) -> None:
    assert content_words(one, code) & content_words(other, code)


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("en", "Okay, let's see what the user wants.", "What do you want to see? Let me ask the user."),
        ("en", "I don't think that's it.", "It isn't t or s that I'd want."),
        ("en", "Let me think about this problem step by step.", "Solve this problem. Think step by step."),
        ("de", "Also, das ist die Frage, die er hat.", "Was ist das, und wer hat die Uhr?"),
        ("es", "Bien, esto es lo que hay.", "¿Qué es lo que hay en esto?"),
        ("fr", "Voyons ce que c'est.", "Est-ce que c'est ça ?"),
        ("zh", "好的，我想想这个问题。", "这是什么问题，我可以吗？"),
        ("ja", "これは何ですか。", "それはどこですか。"),
    ],
)
def test_words_that_hold_sentences_together_are_no_content(code: str, one: str, other: str) -> None:
    assert not content_words(one, code) & content_words(other, code)


def test_latex_commands_are_no_words() -> None:
    assert content_words(r"\left\lceil 3 \frac{a}{b} \right\rceil", "en") == {"3", "b"}
