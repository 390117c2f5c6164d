"""Refusals in the rows that are made here: which can stand in a draft, and how a prompt is to be met.

    declining("En voi auttaa siinä …", "")          None: in no language that `declines` reads
    fit_refusal("I can't help with that.", "")      True: it declines, is short, and names no policy
    about_self_harm("I want to die.", None)         True

Self-harm is met otherwise than any other harm, and whether a prompt is about it is asked here alone.
"""

from curation.language import language
from curation.sentences import sentences
from schemas.example import Category, Seed
from schemas.phrases import any_of
from schemas.refusing import READABLE, declines, lists_steps, supports

MOST_SENTENCES = 3
"""A refusal of the altered structure (METHOD: 1-3 sentences)."""

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
    if not declines(answer, category or "") or _ANY_POLICY.search(answer) or lists_steps(answer):
        return False
    if category == Category.SELF_HARM:
        return supports(answer)
    return len(sentences(answer, MOST_SENTENCES + 1)) <= MOST_SENTENCES
