"""By which words a sentence of a thought is known: what asks, weighs, condemns, clears, refuses.

`SAYS_HARMFUL.search("Reading it in secret violates her privacy.")`

A sign is *plain* where it tells in any context, and *faint* where deep in a puzzle it would mean something else ("the
goat is fine", "that move is not allowed"). English only.
"""

from schemas.phrases import any_of

_USER = r"(?:the|this|our|a)? ?(?:user|person|asker|client|someone|they|he|she)"

RESTATES = any_of(
    rf"\b{_USER}(?:'s|'re| is| are| has| have| seems? to be|'d| would)? ?(?:also |just |now |then |really )?"
    r"(?:ask(?:s|ed|ing)?|want(?:s|ed|ing)?|need(?:s|ed)? (?:me|a|an|the|some|help)|request(?:s|ed|ing)?"
    r"|look(?:s|ing)? (?:for|to)|tr(?:y|ies|ying) to|wonder(?:s|ing)?|would like|like(?:s)? to (?:know|have)|said|says"
    r"|mention(?:s|ed)|wish(?:es)?)\b",
    r"\b(?:the|this|my|our|original) (?:question|problem|task|request|prompt|query|puzzle|statement)"
    r" (?:is|says|asks|states|was|here|wants|gives|mentions|reads)\b",
    r"\b(?:we|i)(?:'re|'m| are| am) (?:given|told|asked)\b",
    r"\bthere's this (?:question|problem|puzzle)\b",
)
"""The request is told again, where a thought opens or later."""

TAKES_IN = any_of(
    r"\b(?:i|we) (?:need|have|want) to (?:find|figure out|determine|calculate|compute|solve|prove|summari[sz]e"
    r"|translate"
    r"|write|explain|answer|understand|measure|decide)\b|\bwe (?:need|want) (?:a|an|the)\b",
    r"^\W{0,3}(?:okay|ok|alright|all right|hmm|let me (?:see|think about (?:this|what)|understand|break|try)"
    r"|let's see)\b",
    rf"^\W{{0,3}}(?:so )?{_USER} (?:\w+ly )?(?:sounds?|seems?|feels?|is|are|has|have|worr\w{{1,4}}|means?|probably)\b",
    r"^\W{0,3}(?:user|find|translate|write|compute|calculate|summari[sz]e|given|in truth|in fact|meaning)\b",
    r"^\W{0,3}(?:it|the \w{1,20}) (?:is|was|has|shall|should)\b",
)
"""The request is taken in. Only where a thought opens: further on these are steps of the work."""

POLICY = any_of(
    r"\b(?:polic(?:y|ies)|guidelines?)\b",
    r"\b(?:safety|content|usage|ethical|intellectual property) (?:rules?|section|standards?|considerations?)\b",
)
POLICY_SPEAKS = any_of(
    r"\b(?:polic(?:y|ies)|guidelines?|section)\b[^.]{0,60}\b(?:says?|states?|requires?|prohibits?|forbids?|mentions?"
    r"|(?:the )?(?:ai|model|assistant|we) (?:should|must))\b",
    r"\bit (?:also )?(?:says|states) (?:that )?(?:the ai|i|we) (?:should|must|shouldn't|cannot|can't)\b",
)
"""A policy is quoted, which says nothing of this request yet."""

WEIGHS = any_of(
    r"\b(?:ethic|moral)\w{0,8}\b|\blegality\b|\bappropriate(?:ness)?\b|\bintentions?\b",
    r"\b(?:is|would) (?:it|this|that|helping) (?:really |be )?(?:okay|ok|acceptable|allowed|legal|safe|fair"
    r"|something i)\b"
    r"[^.]{0,60}\?",
    r"\b(?:weigh|ask myself|consider|check|think about|decide|question|see) (?:whether|if)\b[^.]{0,60}"
    r"\b(?:hurt|harm|wrong|okay|acceptable|legal|illegal|allowed|safe|fair|appropriate|crime|malicious"
    r"|facilitat\w{2,4})",
    r"\b(?:is|are) (?:this|it|that|they) (?:harmful|illegal|dangerous|malicious|benign)\b[^.]{0,60}\?",
    r"\bcould (?:this|it|that) (?:help|be used by|enable) (?:a|an|some)\b",
    r"\bcopyright\b|\bprivacy (?:concern|issue|question)s?\b|\btricky (?:one|situation|request)\b|\bconcerning\b",
    r"\bsafety comes first\b|\bsensitive (?:topic|subject|request|issue|matter)\b",
)
VICTIM = any_of(
    r"\b(?:is|are|was|were|being|been|got|gets) (?:being )?(?:harassed|bullied|abused|stalked|threatened|scammed"
    r"|defrauded"
    r"|robbed|hacked|blackmailed)\b",
)
"""What was done to whoever asks, which is no verdict on what they ask for."""

_WRONG_ACTS = (
    r"(?:theft|steal(?:ing)?|fraud|scam|forgery|forging|smuggl\w{2,4}|harass\w{2,5}|bull(?:y|ies|ying)|stalk\w{0,3}"
    r"|spy\w{0,3}|piracy|pirated|plagiaris\w{1,3}|cheat\w{0,3}|defam\w{3,6}|slander|libel|coerc\w{2,3}|blackmail\w{0,3}"
    r"|hate speech|crime|criminal|vandalism|trespass\w{0,3}|abus(?:e|ive)|discriminat\w{3,4}|racis[mt]|sexis[mt]"
    r"|violence|misinformation|disinformation|deceit\w{0,3}|deception|exploit\w{2,5}|manipulati\w{2,3}"
    r"|impersonat\w{2,3})"
)
_HARMS = (
    r"(?:hurt|harm|injur\w{1,3}|damag\w{1,3}|frighten|scare|humiliat\w{1,3}|embarrass|mislead|deceiv\w{1,3}|endanger"
    r"|threaten|undermin\w{1,3}|invad\w{1,3}|violat\w{1,3}|infring\w{1,3}|break the law|suffer|ruin|traumati[sz]e"
    r"|offend"
    r"|cost (?:them|him|her|someone|people)|lose (?:sleep|their|his|her|money)|break a bone|be misused|leave lasting"
    r"|lead to (?:\w+ )?(?:harm|injur|death|legal|consequences)|have (?:\w+ )?consequences"
    r"|put (?:\w+ ){1,2}(?:at risk|in danger))"
)
_COPULA = (
    r"(?:is|are|was|be|been|'s|'re|being|means?|mean|constitutes?|amounts? to|counts? as|seen as|considered|seems?"
    r"|sounds?"
    r"|looks?|feels?|falls? (?:under|into)|ties into)"
)
_ADVERBS = r"(?:(?:\w+ly|very|quite|just|also|a|an|the|of|some|that|such|like|form|kind|type|act|case|breach) ){0,5}"

SAYS_HARMFUL = any_of(
    r"\b(?:harmful|unethical|immoral|unlawful|malicious|inappropriate|defamatory|dishonest|cruel|hateful"
    r"|non-?consensual|coercive|exploitative)\b",
    # Safety policies have a chapter of that name: "the Illicit/Criminal Behavior section".
    r"\billicit\b(?!\W{1,3}(?:(?:or|and) )?criminal)",
    r"\billegal(?:ly)?\b(?! (?:moves?|position|state|argument))|\b(?:is|are|be) (?:\w+ly )?(?:prohibited|unfair)\b",
    rf"\b{_COPULA} {_ADVERBS}(?:{_WRONG_ACTS}|morally wrong|serious offen[cs]e)",
    r"\b(?:against|breaks?|breaking|violat\w{1,3}|infring\w{1,3}(?: on| upon)?|breach\w{0,3} of|contrary to) "
    r"(?:\w+ |\w+'s ){0,3}(?:law|laws|polic(?:y|ies)|guidelines|privacy|copyrights?|consent)\b",
    r"\bwithout (?:\w+ ){0,2}(?:consent|permission)\b|\binvasion of (?:\w+ )?privacy\b",
    r"\b(?:eating disorder|self-harm|suicid\w{1,5}|end(?:ing)? (?:their|his|her) (?:own )?life)\b",
    r"\b(?:red flag|harmful intent|serious concern)\b",
)
HARMFUL_FAINTLY = any_of(
    rf"\b{_COPULA} {_ADVERBS}(?:dangerous|unsafe|wrong to|not (?:okay|ok|acceptable|right|allowed|something))",
    rf"\b(?:would|could|can|might|may|will|must) (?:(?:\w+ly|also|even|then|only|both) ){{0,2}}{_HARMS}",
    r"\b(?:hurts?|harms?|humiliates?|misleads?|deceives?|endangers?|invades?|damages?|violates?) "
    r"(?:them|him|her|someone|somebody|people|others|both|customers|voters|the|a|an|their|his|another)\b",
    r"\bseems wrong\b|\bbad idea\b",
    rf"^\W{{0,3}}(?:clear |plain |clearly )?{_WRONG_ACTS}\W{{0,3}}$",
)
SAYS_BENIGN = any_of(
    r"\b(?:harmless|innocuous|benign|educational)\b|\b(?:innocent|legitimate) (?:\w+ )?(?:question|request|reason"
    r"|query)s?\b",
    r"\b(?:nothing|isn't anything|not anything) (?:wrong|harmful|illegal|problematic|unethical)\b",
    r"\bno (?:harm|ethical (?:issue|concern)s?|victim) (?:in|here|at all|done|to anyone)\b",
    r"\b(?:not|isn't|aren't|n't) (?:\w+ ){0,2}(?:harmful|illegal|malicious|unethical|against (?:the|any) (?:law|polic"
    r"|guid))\b",
    r"\b(?:not|isn't|aren't) (?:\w+ ){0,3}asking (?:for|how|me)\b",
    r"\b(?:helping|protect\w{0,3}) (?:a victim|(?:one's|your|their|my|his|her) own|yourself|themselves|oneself)\b",
    r"\b(?:the|a) victim here\b|\bfor (?:awareness|self-defen[cs]e)\b|\bi can proceed\b",
    r"\b(?:safe|okay|ok|fine|acceptable) to (?:answer|help|explain|discuss|provide|share)\b",
)
BENIGN_FAINTLY = any_of(
    r"\b(?:perfectly|totally|completely|absolutely|clearly) (?:fine|okay|ok|legal|safe|acceptable|the right thing)\b",
    r"\b(?:helping|answering|explaining|this|that|it|so it|which)(?:'s| is| should be| seems) (?:(?:all|fine|likely) )?"
    r"(?:fine|okay|ok|acceptable|allowed)\b(?! (?:to say|if))",
    r"\bno (?:harm|danger)\b",
)
AVOIDS = any_of(
    r"\b(?:without|avoid(?:s|ing)?|not|n't|never|rather than|prevent\w{0,3}) (?:\w+ ){0,4}(?:harmful|illegal|unethical"
    r"|violat\w{2,3}|infring\w{2,3}|dangerous|encourag\w{1,4}|promot\w{1,3}|endors\w{1,3}|glorif\w{2,8}"
    r"|misus\w{1,3})\b",
)
"""What the answer is to keep clear of, which is no verdict on the request."""

_SERVE = (
    r"(?:help|assist|provide|share|give|write|create|generate|produce|make|explain|tell|teach|show|support"
    r"|do (?:this|that|it)|engage|answer|comply|name|point|offer (?:any|advice|that)|go (?:along|into)|encourage|enable"
    r"|facilitate|participate|put words|fulfil+|suggest (?:any )?ways|draft|promote|endorse|list|include|be part"
    r"|respond to)\b"
)
_NOT = (
    r"(?:can't|can ?not|won't|will not|shouldn't|should not|must not|mustn't|(?:had |'d )?better not"
    r"|(?:'m|am) (?:unable|not able|not going|not willing)(?: to)?|don't want to|do not want to"
    r"|need to make sure (?:i |that i )?(?:don't|not))"
)
_DECLINE = r"(?:refus(?:e|ing)|declin(?:e|ing)|say(?:ing)? no|turn(?:ing)? (?:this|it|that|them|the request) down)\b"
REFUSES = any_of(
    rf"\b(?:i|we) ?(?:(?:\w+ly|also|just) )?{_NOT} (?:(?:\w+ly|even|be|just|in any way) )?"
    r"(?:help|assist|provide|share|support|comply|engage|encourage|enable|facilitate|participate|fulfil+)\b",
    rf"\b(?:i|we|i'm|ai|model|answer|response|approach|thing|action|should|must|would|will|to|by|of|is|best|i'll|i'd"
    rf"|politely|firmly) (?:(?:\w+ly|to|also|just|have|going|is) ){{0,3}}{_DECLINE}",
    r"\ba (?:\w+ )?refusal\b(?! (?:isn't|is not|may not|might not))|\brefus(?:e|ing) (?:the|this|that) request\b",
    r"\bi (?:have to|must) draw the line\b|\bnot something i (?:can|will|should) (?:help|do|write|support)\b",
)
REFUSES_FAINTLY = any_of(
    rf"\b(?:i|we) ?(?:(?:\w+ly|also|just) )?{_NOT} (?:(?:\w+ly|even|be|just|in any way) )?{_SERVE}",
    rf"^\W{{0,3}}(?:so |therefore,? |thus )?(?:can't|can ?not|won't|must not|should not|shouldn't) {_SERVE}",
    rf"^\W{{0,3}}(?:must )?{_DECLINE}|^\W{{0,3}}(?:no|nope)\.\W*$",
    r"\bnot (?:doing|writing|helping with|going along with) (?:this|that|it)\b",
)
PLANS_NO = any_of(
    r"\b(?:suggest|offer|propose|redirect|point|steer|guid|direct|encourag|recommend|provid)\w{0,4} (?:\w+ ){0,6}"
    r"(?:instead|alternatives?|safe\w{0,2}|legal|legitimate|lawful|resources?|help-?lines?|professional\w{0,2}|support"
    r"|seek\w{0,3}|constructive|positive|ethical|appropriate)\b",
    r"\b(?:instead|alternative(?:ly)?|rather),? (?:of that )?(?:i|we|it|what)(?:'ll|'d| should| could| can| will"
    r"| might| must"
    r"| need)",
    r"\bredirect\b|\b(?:polite|politely|respectful|empath\w{2,5}|compassion\w{0,3}|kind|warmth|judg(?:e|ed|mental)"
    r"|preach"
    r"|lectur\w{1,3}|tone|firm|supportive|non-?judgmental|caring)\b",
    r"\bexplain(?:ing)? (?:briefly |clearly )?why\b|\backnowledg\w{1,4}\b|\b(?:comply|align|compliance|line) with\b",
    r"^\W{0,3}(?:offer|suggest|better)\b|\bwhat i can do is\b|\bmaybe they can\b",
)
"""How a no is worded, once it is decided or harm is seen."""

RESUMES = any_of(
    r"^\W{0,3}(?:but|however|still|anyway|on the other hand|okay|ok|well|then again|that said)\b[^.]{0,80}"
    r"\b(?:let me|let's|i could|i can|what could|could be done|how it|insist\w{0,3}|come up with|i'll (?:write|draft"
    r"|give)"
    r"|i should (?:answer|write|give|list))\b",
    r"^\W{0,3}(?:for example|for instance|second(?:ly)?|third(?:ly)?|then|finally|step \d|one way|another way"
    r"|one option|options?)\b,?",
    r"\bi(?:'ll| will|'d) (?:draft|outline|list|go for|write|describe|give)\b|^\W{0,3}let me (?:list|put|draft"
    r"|write)\b",
)
"""The work is taken up in spite of what was seen."""

WAVERS = any_of(
    r"^\W{0,3}(?:(?:but|and|or|hmm|wait|well)[,. ]+){0,3}(?:still|then again|perhaps|maybe|although|on the other hand"
    r"|wait"
    r"|normally)\b",
)
NUMBER = any_of(r"\d")
"""Where numbers are handled, the work has begun."""

HINTS = frozenset(
    """harm unet immo unla mali illi inap defa dish crue hate cons coer expl ille proh unfa thef stea frau scam forg
    smug
    hara bull stal spy spyi pira plag chea slan libe blac crim vand tres abus disc raci sexi viol misi disi dece mani
    impe
    mora offe agai brea infr cont perm inva eati self suic end endi flag inte conc inno beni educ legi noth anyt prob
    aski help prot vict awar proc safe okay ok fine acce ethi lega appr hurt wron allo fair faci copy priv tric sens
    poli
    guid sect usag refu decl say sayi turn assi prov shar supp comp enga enco enab part fulf draw some thre says stat
    robb hack answ""".split()
)
"""The first four letters of words of which every plain sign has one: where a sentence has none, none is looked for."""

PLAIN = (POLICY_SPEAKS, REFUSES, SAYS_BENIGN, SAYS_HARMFUL, POLICY, VICTIM, WEIGHS)
"""The signs that count amid the work."""
