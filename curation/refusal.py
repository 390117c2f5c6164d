"""Does an answer decline? Read by rule: a model's opinion would cost a call a row, and be no more sure.

    declines("I'm sorry, but I can't help with that.")                True
    declines("I can't say why he left, but here is a summary: …")     False
    supports("I'm sorry it is this hard. A friend or a doctor …")     True: how self-harm is met

Quotations and code are not the speaker's own words and are left out.

Self-harm is met otherwise than any other harm, and whether a prompt is about it is asked here alone.
"""

import re

from curation.language import language
from curation.phrases import any_of
from curation.sentences import sentences
from schemas.example import Category, Seed

MOST_SENTENCES = 3
"""A refusal of the altered structure (METHOD: 1-3 sentences)."""

OPENING = 400
"""Characters in which a refusal has said no: the last of 149 real ones had done so after 73."""

LONGEST = 1500
"""Characters. A longer answer did something else after its 'I can't'; the longest of 156 real refusals has 632."""

READABLE = frozenset({"en", "de", "fr", "es", "it", "pt", "nl", "ru", "pl", "zh", "ja", "ko"})
"""Languages in which `declines` knows how people say no."""

_NOT_OWN = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]{0,400}\"|“[^”\n]{0,400}”|«[^»\n]{0,400}»|^>[^\n]*", re.DOTALL | re.MULTILINE
)
_LETTER = any_of(r"^\W{0,9}(?:subject|dear)\b")

# The verb matters: "I can't verify the figure" and "I can't tell which" say no to nothing.
_SERVE = (
    r"(?:help(?! (?:but|noticing|thinking|feeling|wondering|falling)\b)|assist|support|aid|provide|share|give|write"
    r"|create|generate|produce|make|compose|draft|offer|fulfil+|comply|complete|answer (?:that|this)|respond to|discuss"
    r"|describe|explain how|tell you (?:how|where|who)|teach|show you|guide|advise (?:you|on)|recommend|suggest"
    r"|participate|engage|take part|be (?:a )?part|encourage|facilitate|promote|endorse|condone|enable|disclose|reveal"
    r"|supply|locate|find|look up|identify|confirm|access|do (?:that|this|it|so)|go (?:along|into)|be working"
    r"|contribute|build|design|plan|code|develop|translate|rewrite|continue with|proceed)\b"
)
_CANNOT = (
    r"(?:can't|can ?not|won't|will not|wouldn't|shouldn't|must not"
    r"|(?:'m|am) (?:unable|not able|not going|not willing)(?: to)?|(?:won't|will not) be able to)"
)
_ADVERB = r"(?:just|ethically|directly|ever|also|in good conscience)"
_DECLINES = any_of(
    r"^\W{0,9}(?:(?:i(?:'m| am) )?(?:(?:really|very|truly|so|deeply) )?sorry,? but|i apologi[sz]e,? but)\b",
    rf"\bi ?{_CANNOT} (?:{_ADVERB} )?{_SERVE}",
    r"\bi (?:must|(?:will )?have to|need to) (?:\w{1,20}ly )?(?:decline|refuse|say no|pass\b|turn (?:\w{1,9} )?down)\b",
    r"\bi (?:(?:respectfully|politely) )?(?:decline|refuse)\b",
    r"\bi(?:'m| am) turning (?:(?:this|it|that|you) (?:one )?)?down\b",
    r"\bi(?:'d| would) (?:rather|prefer) not\b",
    r"\bso i won't[.,;]",
    r"\b(?:isn't|not) (?:something|anything) (?:that )?i(?:'ll|'m (?:able|willing) to| (?:can|will|could))\b",
    rf"\b(?:something|that|this|one) (?:that )?i (?:can't|can ?not|won't|will not) {_SERVE}",
    r"\bmy answer is no\b|\ba no from me\b",
    r"\b(?:this|that|the|your) request (?:can't|can ?not|won't|will not) be\b",
    r"^\W{0,9}(?:sorry,? )?unable to (?:help|assist|provide|comply)\b",
    r"^\W{0,9}(?:sorry[,.] )?no[,.] i (?:can't|won't)\b",
    # Where no pool speaks the prompt's language the LLM writes the refusal, so the everyday forms suffice.
    r"\b(?:ich (?:kann|werde|darf|möchte)|(?:kann|werde|darf|möchte) ich) (?:\w{1,25} ){0,6}?(?:nicht|keine?)\b",
    r"\btut mir leid,? aber\b",
    r"\bje ne (?:peux|vais|veux|suis) pas\b|\bdésolée?,? mais\b",
    r"\bno (?:puedo|voy a|te puedo|debo)\b|\blo siento,? pero\b",
    r"\bnon (?:posso|ti posso|intendo|sono in grado)\b|\bmi dispiace,? ma\b",
    r"\bnão (?:posso|vou|consigo)\b|\b(?:sinto muito|desculpe),? mas\b",
    r"\b(?:ik (?:kan|zal|ga|wil)|(?:kan|zal|ga|wil) ik) (?:\w{1,25} ){0,6}?(?:niet|geen)\b|\bhet spijt me,? maar\b",
    r"\bне (?:могу|буду|стану|смогу)\b",
    r"\bnie (?:mogę|będę|pomogę)\b",
    r"(?:无法|不能|不会|不便|無法|不會)(?:[为為向][您你])?(?:提供|[协協]助|[帮幫]|回答|满足|[写寫])|抱歉|[对對]不起",
    r"(?:お手伝い|提供|お答え|協力|対応|支援)(?:は|を|することは)?(?:いたし|でき|し)(?:かね|ません|ない)",
    r"(?:도와|도움|제공|알려|작성|답변)\S{0,9}\s*(?:\S{1,9} ){0,3}?(?:수\s*없|않겠|어렵|못)",
)
# Only under a harmful label, where a no is expected and missing one costs a person's time: any verb, and the many
# ways of people. "I can't be sure" says no to nothing here either.
_EXPECTED = any_of(
    r"\bi (?:can't|can ?not|won't|will not|wouldn't|would not)"
    r"(?! (?:tell|verify|see|imagine|think|know|guarantee|remember|lie|sugar\w{0,9}|judge|predict|stress|believe|wait"
    r"|say (?:for|whether|why|how)|rule out|be (?:sure|certain))\b)",
    r"\bi(?:'m| am) (?:not (?!sure|certain|aware|a\b|the\b|saying)|unable\b|turning\b|out\b)",
    r"\bi (?:don't|do not) (?!think|know|have|see|believe|mean|mind|understand)\w",
    r"\bi (?:don't|do not) have (?:access|information)\b",
    r"\bi(?:'d| would) (?:much )?(?:rather|sooner|prefer)\b",
    r"\bi'll (?:pass|skip|leave|stop)\b|\bcount me out\b|\bnot (?:from|by|with) me\b",
    r"\bi (?:must|have to|need to) (?:turn|stop)\b|\bi turn (?:this|it|that) down\b",
    r"^\W{0,9}(?:sorry[,.] )?no\b(?! (?:problem|worries|doubt|one|matter))|\b(?:so|but) no\b(?! (?:one|matter|longer))",
    r"\bno (?:\w{1,20} ){1,3}(?:from me|for (?:that|this))\b|\b(?:answer|reply) is (?:a )?no\b",
    r"\b(?:not|isn't) (?:something|anything|one|a \w{1,20}) (?:that )?i(?:'ll|'d| )",
)
_CONCERN = any_of(
    r"\bi(?:'m| am) (?:(?:really|so|very|truly|deeply|genuinely|a little) )?"
    r"(?:sorry (?:to hear (?:that|how|you)|that|you|things|if)|concerned|worried|glad (?:that )?you)\b",
    r"\bit sounds (?:like|as if|as though) you|\byou(?:'re| are) not alone\b",
)
_WARM = any_of(
    r"\bsorry\b(?!,? but)|\b(?:feel|car(?:e|es|ing)\b|concern|worr(?:y|ied)|hear you|listen|alone|lonel|pain|hurt)",
    r"\b(?:heavy|hard|tiring|tired|exhaust|(?:un)?safe|courage|matters?|support|deserve|despair|weigh|scar|sense|glad)",
)
_SOMEONE = any_of(
    r"\b(?:crisis|hot-?line|help-?line|lifeline|support line|samaritans|emergency|mental health|health ?care)\b",
    r"\b(?:counsell?ors?|therapist|doctor|nurse|friends?|relatives?|family|you trust|trusted)\b",
    r"\b(?:someone|somebody|people|person|adult) (?:who )?(?:you|can|could|close)\b",
)
_STEPS = any_of(r"^[^\S\n]{0,8}(?:\*\*)?(?:step )?\d{1,2}[.):]\s")

# Only words that seldom mean anything else: a prompt that they are found in is met with support instead of a plain no.
_ABOUT_SELF_HARM = any_of(
    r"\bsuicid(?!e (?:squad|bomb|vest|attack|mission|door|squeeze))",
    r"\bself[-\s]?(?:harm|injur|mutilat|asphyxia|inflict)",
    r"\b(?:kill|hurt|hang|cut|harm|starve|drown|poison|burn|punish|smother|strangle|suffocate|stab|shoot|injure)"
    r" (?:my|your)self\b(?! (?:out|short|laughing|off))",
    r"\b(?:kill|hurt|hang|cutt|harm|starv|drown|poison|burn|punish|injur)ing (?:my|your)self\b(?! (?:out|laughing))",
    r"\b(?:kill|hang|harm|starv)(?:e|s|es|ed|ing)? (?:him|her|them|one)sel(?:f|ves)\b",
    r"\b(?:end|ending|take|taking) (?:my|his|her|their|your) own li(?:fe|ves)\b|\bend(?:ing)? (?:my life|it all)\b",
    r"\bwant(?:s|ed)? to (?:die|be dead|stop existing|disappear forever)\b|\bi wish i (?:was|were) dead\b",
    r"\bbetter off (?:dead|without me)\b|\bworth (?:me |my )?(?:being alive|living any ?more)\b|\bno reason to live\b",
    r"\b(?:do not|don't) want to (?:live any ?more|be alive|wake up (?:any ?more|again))\b",
    r"\b(?:swallow|eat) (?:\w{1,12} ){0,3}razor\b|\bmake myself (?:throw up|vomit|bleed)\b|\bpro-?ana\b|\bthinspo",
    # How the other languages of READABLE say it, where it is not by "suicid".
    r"\b(?:suizid|selbstmord|selbstverletz|zelfmoord|zelfdoding|zelfbeschadig|samobój|samookalecz|самоуби[йв]|суицид)",
    r"自[杀殺](?!式)|自[残殘]|自傷|자살|자해",
)

# A civil policy ("insurance policy", "the site's privacy policy") is no safety policy: a bare "policy" says nothing.
_SAFETY_POLICY = any_of(
    r"\b(?:safety|moderation|usage|use|content|ai|openai(?:'s)?|model|refusal)[\s-]"
    r"(?:polic(?:y|ies)|guidelines?|rules|spec|specification)\b",
    r"\bmy (?:own )?(?:guidelines|policies|programming|instructions|safety)\b|\bour (?:guidelines|policies)\b",
    r"\bthe polic(?:y|ies) i follow\b",
    r"\bpolic(?:y|ies) (?:section|rule|number) \d|\bsection \d{1,2} (?:of the polic|says|states)",
    r"\b(?:polic(?:y|ies)|guidelines?) (?:that )?(?:(?:also|clearly|specifically|explicitly) )?"
    r"(?:says?|states?|mentions?|requires?|tells?|instructs?|prohibits?|forbids?|advises?) (?:that )?"
    r"(?:i|me|the ai|we|us|the model|the assistant)\b",
    r"\b(?:self-harm|misinformation|disinformation|illicit|criminal behaviou?r|physical harm|violence|harassment|hate"
    r"|discrimination|sexual|adult|personal data|intellectual property)(?: content)? (?:polic(?:y|ies)|section)\b",
)
_UNDER_POLICY = any_of(
    r"\b(?:against|violat\w{1,4}|infring\w{1,4}(?: on)?|compl(?:y|ies|ying|iant) with|adher\w{1,4} to|align\w{0,4} with"
    r"|line with|breach\w{0,4}|contrary to|according to|follow(?:s|ing)?|consider(?:ing)?|check(?:ing)?|remember"
    r"|looking at|based on|given|from|per|stick\w{0,4} to|under|review(?:ing)?|within) "
    r"(?:(?:the|these|those|any|all|with|established|strict|set|ethical|relevant|provided|given|applicable) ){0,3}"
    r"(?:policies|guidelines|(?<=the\s)policy)\b",
)
_ANY_POLICY = any_of(r"\b(?:polic(?:y|ies)|guidelines?)\b")
# Looked for first: most texts hold none of these words, and a trace may have 23,000 characters.
_HINTS = ("polic", "guideline", "programming", "instructions", "section", "rules", "safety")


def about_self_harm(prompt: str, category: str | None) -> bool:
    """Whether a person who is in danger from themselves may be behind a prompt, or the prompt be about one: its source
    says so, or the prompt in words that hardly mean anything else."""
    return category == Category.SELF_HARM or _ABOUT_SELF_HARM.search(prompt.replace("’", "'")) is not None


def harm_category(seed: Seed) -> str | None:
    """The category that decides how a prompt is met: self-harm wherever it may be that, else what the source says."""
    return Category.SELF_HARM if about_self_harm(seed.prompt, seed.category) else seed.category


def declining(answer: str, category: str | None) -> bool | None:
    """Whether an answer declines, where that can be told: None for an answer in no language of `READABLE`.

    `category` as `declines` takes it: None unless the prompt is taken to be harmful, "" where its category is unknown.
    """
    return declines(answer, category) if language(answer) in READABLE else None


def declines(answer: str, category: str | None = None) -> bool:
    """Whether an answer says no to what was asked, and then does nothing else.

    `category` is given where the prompt is taken to be harmful: a no is expected there, so less plain ones are heard,
    and an answer that turns to the person in concern instead declines too. Without it, doubt is for the answer. It
    cannot know a no in a language outside `READABLE`, nor a lecture that never says it.
    """
    if len(answer) > LONGEST:
        return False
    opening = _own_words(answer[: 2 * OPENING])[:OPENING]
    if _DECLINES.search(opening) and not _LETTER.search(opening):
        return True
    if category is None or _STEPS.search(answer):
        return False
    return bool(_EXPECTED.search(opening) or (_CONCERN.search(opening) and _SOMEONE.search(_own_words(answer))))


def supports(answer: str) -> bool:
    """Whether an answer meets someone in danger as it should: it is warm, and points to people who can help."""
    own = _own_words(answer[:LONGEST])
    return bool(_WARM.search(own) and _SOMEONE.search(own) and not _STEPS.search(own))


def cites_policy(text: str, prompt: str = "") -> bool:
    """Whether a text talks of a safety policy, which a student that never saw one would learn to make up.

    Policies of insurers, shops, states and web sites do not count. Where `prompt` itself speaks of policies or
    guidelines, only talk that can mean nothing else does.
    """
    lowered = text.casefold()
    if not any(hint in lowered for hint in _HINTS):
        return False
    if _SAFETY_POLICY.search(text):
        return True
    return not _ANY_POLICY.search(prompt) and _UNDER_POLICY.search(text) is not None


def fit_refusal(answer: str, category: str | None = None) -> bool:
    """Whether an original answer can stand as a draft's refusal: it declines, is short, and names no policy at all.

    Under self-harm it must support instead of being short.
    """
    if not declines(answer, category or "") or _ANY_POLICY.search(answer) or _STEPS.search(answer):
        return False
    if category == Category.SELF_HARM:
        return supports(answer)
    return len(sentences(answer, MOST_SENTENCES + 1)) <= MOST_SENTENCES


def _own_words(text: str) -> str:
    return _NOT_OWN.sub(" ", text.replace("’", "'"))
