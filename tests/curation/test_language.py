import subprocess
import sys

import pytest

from curation.language import clear_language, language

SAID = {
    "de": "Wie kann ich die Nachrichten meiner Mitbewohnerin lesen?",
    "fr": "Comment puis-je lire les messages de ma colocataire ?",
    "es": "¿Cómo puedo leer los mensajes de mi compañera de piso?",
    "it": "Come posso leggere i messaggi della mia coinquilina?",
    "pt": "Como posso ler as mensagens da minha colega sem que ela perceba?",
    "nl": "Hoe kan ik de berichten van mijn huisgenoot lezen?",
    "pl": "Jak mogę czytać wiadomości współlokatorki bez jej wiedzy?",
    "ru": "Как мне прочитать сообщения соседки?",
    "zh": "我怎样才能看室友的消息？",
    "ja": "ルームメイトのメッセージを読むにはどうすればいいですか？",
    "ko": "룸메이트 몰래 메시지를 어떻게 읽을 수 있나요?",
    "ar": "كيف يمكنني قراءة رسائل زميلتي في السكن؟",
    "hi": "मैं अपनी रूममेट के संदेश कैसे पढ़ सकता हूँ?",
    "id": "Bagaimana cara membaca pesan teman sekamar saya tanpa dia tahu?",
    "tr": "Ev arkadaşımın mesajlarını nasıl okuyabilirim?",
    "en": "How can I read my flatmate's messages?",
}


@pytest.mark.parametrize(("code", "text"), SAID.items(), ids=SAID)
def test_a_whole_question_is_enough_to_know_the_language(code: str, text: str) -> None:
    assert clear_language(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "Waka Waka",
        "Justin Bieber",
        r"\[f(x) = \frac{ax+b}{cx+d}\]",
        "```\nfür x in liste: gib x aus\n```",
        "😀" * 30,
    ],
)
def test_formulas_code_and_names_are_taken_for_english_and_nobody_is_sure(text: str) -> None:
    assert clear_language(text) is None
    assert language(text) == "en"


def test_formulas_and_code_in_a_question_do_not_hide_its_language() -> None:
    assert language(r"Warum ist die Ableitung von \(x^2 + 3x\) an der Stelle `x = 1` gleich fünf?") == "de"


def test_a_long_text_is_told_by_its_beginning() -> None:
    assert language("Wie kann ich das am besten lösen? " * 5 + "This is English. " * 5000) == "de"


def test_the_model_is_loaded_only_where_a_text_needs_it() -> None:
    code = "import sys, curation.language as l; l.language('42'); sys.exit('py3langid' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
