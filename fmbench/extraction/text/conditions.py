"""Finds what says that a figure is of other images, of another training, or of another network.

Claims are about the test images as they are, in their ten classes, and a model trained on all
training images. With an attack, with two classes only, with wrong labels or fewer of them, after
pruning or quantisation, a figure says nothing about that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fmbench.extraction.data_set_names import FASHION_IN_HEADS

_IMAGES = re.compile(
    r"\b(?:(?<!generative )adversar\w+|attack(?:s|ed)?|fgsm|pgd|perturb\w+|corrupt(?:ed|ions?)"
    r"|noisy(?! labels?)"
    r"|(?:robust|certified) (?:(?:average|mean|test) )*(?:accurac(?:y|ies)|errors?)"
    r"|(?:concept|data|domain|distribution(?:al)?|covariate) (?:drift|shift)s?"
    r"|occlu(?:ded|sions?)|missing pixels|masked (?:pixels|images|patches)"
    r"|(?:pixels|images|patches) (?:is|are|was|were) (?:masked|missing|removed|hidden)"
    r"|eps(?:ilon)? ?[:=] ?(?!0(?:\.0+)?[\s,;|])[0-9./]+[\s,;|]+test accuracy"
    r"|(?:rotated|blurred|shifted|inverted|distorted|out-of-distribution|ood)"
    r"(?: test)? (?:images|inputs|set|data)"
    r"|(?<!random )(?:[0-9]-pixel|circular|(?:right|left|down|up)(?:ward)?|vertical)"
    r" (?:(?:right|left|down|up)ward )?shifts?|shifting (?:by |just |only )*[0-9]+ pixels"
    r"|(?:gaussian|salt[- ]and[- ]pepper|impulse|speckle|image|input|pixel|additive|white|test)"
    r" noise|under noise|noise (?:levels?|strength|of|at))\b",
    re.IGNORECASE,
)
_LABELS = re.compile(
    r"\b(?:(?:label|class|asymmetric|symmetric|pair|pairwise|training) noise"
    r"|noise (?:rates?|ratios?|types?)"
    r"|(?:noisy|flipped|wrong|corrupted|incorrect|missing|k-?means|cluster(?:ing)?)(?: training)?"
    r" labels?|label flip\w*"
    r"|label corruption|mislabell?ed|poison(?:ed|ing)|polluted)\b",
    re.IGNORECASE,
)
_PERCENT = r"[0-9.]+ ?(?:%|per ?cent)"
_LABELLED = r"(?:labels|labell?ed(?: (?:training )?(?:data|images|samples|examples))?)"
_TRAINING_DATA = r"(?:training|train) (?:data|set|images|samples|examples)"
_FEWER = re.compile(
    rf"{_PERCENT} (?:of )?(?:the |all |its |available )*(?:{_LABELLED}|{_TRAINING_DATA})\b"
    r"(?!,? (?:(?:is|are|was|were|set|kept|held|used|taken|reserved|aside|out|apart) )+(?:as|for)"
    r" (?:an? |the )*(?:validat|develop|tuning|early))"
    rf"|\b(?:train|learn|fit)\w* (?:it |them |the model )?(?:only )?(?:with|on|using|from)"
    rf" (?:only |just |about |a )*{_PERCENT} of (?:the |all )*(?:data(?: ?set)?|images|samples"
    r"|examples)\b(?!.{0,60}\b(?:test|validat))"
    r"|(?<![0-9.,])[0-9]{1,3} (?:labell?ed |training )?(?:images|samples|examples|labels|shots)"
    r" (?:per|for each|of each) class\b"
    r"|\b(?:with|on|using) (?:the )?only (?:the )?(?:pre-?)?labell?ed (?:data|images|samples)\b"
    rf"|\bonly [0-9][0-9,]* (?:{_LABELLED}|{_TRAINING_DATA})\b"
    r"|\b(?:(?:few|one|[0-9]{1,2})-shot|[0-9]{1,2}-way|semi-supervised|long-tailed|class imbalance"
    r"|imbalance (?:ratio|factor)|active learning|data ?set (?:distillation|condensation)"
    r"|core-?sets?|continual learning|lifelong learning|(?:class|task|domain)-incremental"
    r"|incremental learning|catastrophic forgetting|zero-shot)\b"
    r"|\b(?:with|using|from|of|on|for(?! 10 )) (?:only |the |these |same )*"
    r"(?!60[,' ]?000)[0-9][0-9,']{0,5}"
    r" labels\b"
    rf"|\b(?:subset|fraction|half|third|quarter|tenth) (?:of )?(?:the |all )*(?:{_LABELLED}"
    rf"|{_TRAINING_DATA})\b|\b(?:reduced|smaller|limited|fewer|few|less) (?:{_LABELLED}"
    rf"|{_TRAINING_DATA})\b",
    re.IGNORECASE,
)
_NUMBER = r"(?:[2-9]|two|three|four|five|six|seven|eight|nine)"
_CLASSES = re.compile(
    rf"\b(?:binary (?:(?:image )?classification|classifiers?|tasks?|problems?|subsets?|data|cases?"
    rf"|settings?|version|label(?:s|ling)?)|{_NUMBER}-class\b(?! (?:of|each))"
    rf"|(?:only|just|to|of|between|with|on|from) (?:the |these |those |its |only )*"
    rf"(?:first |last )?{_NUMBER} (?:\w+ )?classes\b(?! (?:of|each|per)\b)"
    r"|(?:super|coarse|meta)[- ]?(?:class(?:es)?|categor(?:y|ies)|labels?)"
    r"|(?:class|label|digit)(?:es|s)? [0-9] (?:vs\.?|versus|against|and) (?:(?:class|label) )?[0-9]"
    r"|(?:(?:sub)?sets? of|only|just|restricted to|train\w* on) (?:the )?classes"
    r" [0-9](?:(?:, ?| ?& ?|,? and )[0-9]){1,8}(?![0-9])"
    r"|subsets? of (?:the |its )?(?:ten |10 )?classes|one-(?:vs|versus|against)-(?:rest|all|one)"
    r" (?:accurac\w+|tasks?|problems?))",
    re.IGNORECASE,
)
_ALL_CLASSES = re.compile(
    r"\b(?:(?:all|full|ten|10)[ -](?:(?:of|the|ten|10|its) )*class(?:es)?|multi-?class"
    r"|(?:full|whole|complete|entire|original) (?:fashion|f-?mnist|data ?set|task|problem))\b",
    re.IGNORECASE,
)
_CLUSTERS = re.compile(
    r"\b(?:clustering|unsupervised (?:classification|accurac(?:y|ies)|models?|methods?)"
    r"|anomal(?:y|ies) detection|novelty detection(?! rates?))\b",
    re.IGNORECASE,
)
_FEATURES = re.compile(
    r"\b(?:linear (?:prob(?:e|es|ing)|evaluation)|(?:frozen|pre-?trained|learnt|learned|latent|deep"
    r"|self-supervised|cnn) (?:features?|encoders?|embeddings?|representations?|codes?))\b",
    re.IGNORECASE,
)
_FEDERATED = r"fed-?(?:avgm?|prox|sgd|adam|yogi|adagrad|nova|opt|per|rep|bn)"
_CLIENTS = re.compile(
    r"\b(?:federated|non-?i\.?i\.?d\.?|communication rounds?|differential(?:ly)? priva\w+"
    rf"|dp-?sgd|{_FEDERATED})\b",
    re.IGNORECASE,
)
_OTHER_TRAINING = re.compile(
    r"\btrain\w* (?:it |them |\w+ )?(?:only |just |solely )?on (?:the )?(?:generated|synthetic"
    r"|synthesi[sz]ed|reconstructed|artificial|fake)\b|\b(?:cross-data ?set|domain (?:adaptation"
    r"|generali[sz]ation))\b",
    re.IGNORECASE,
)
_OWN_DATA = re.compile(
    r"\b(?:on|for|with) (?:(?:our|my|their) (?:own |small |custom |private )+"
    r"|(?:an?|the|this) (?:custom |toy |private )+)(?:data ?set|data|images|photos)\b",
    re.IGNORECASE,
)
_NETWORK = re.compile(
    r"(?<!vector )\b(?:quanti[sz]\w+|binari[sz](?:ed|ing|ation)|int[48]\b|prun(?:ed|ing)|sparsity"
    r"|compress(?:ed|ion|ing)|[1-8]-bit (?:weights?|integers?|precision|networks?|models?"
    r"|activations?)|(?:binary|ternary|low-precision|fixed-point) (?:weights?|networks?"
    r"|activations?)|(?:to|with|at|in|using) (?:only )?[1-8][ -]bits?)\b",
    re.IGNORECASE,
)
_TREE = re.compile(r"\b(?:trees?|forests?)\b", re.IGNORECASE)  # pruning is a usual part of these
# A text that tells these apart speaks of two parts of the test images.
_PART = re.compile(r"\b(?:un-?)?labell?ed test(?: set| images| data| samples)?\b", re.IGNORECASE)
SOME_CLASSES = "some of the ten classes"
OF_CLUSTERS = "of clustering or of finding anomalies"
OF_CLIENTS = "of training that is spread over clients or private"
_CONDITIONS = (
    (_CLASSES, f"of {SOME_CLASSES}"),
    (_PART, "of a part of the test images"),
    (_CLUSTERS, OF_CLUSTERS),
    (_CLIENTS, OF_CLIENTS),
    (_FEATURES, "of a classifier on the features of another model"),
    (_OTHER_TRAINING, "of training with other images"),
    (_OWN_DATA, "of a data set of the author's own"),
    (_LABELS, "of training with wrong labels"),
    (_FEWER, "of training with fewer images or labels"),
    (_IMAGES, "of changed images"),
    (_NETWORK, "of a pruned or quantised network"),
)
_AUGMENTED = re.compile(
    r"\b(?:augment(?:ed|ation|ations|ing)?|random erasing|mix-?up|cut-?mix|cut-?out|label smoothing"
    r"|distill?(?:ed|ation|ing)|ensembl(?:es?|ing)|fused|fusion|self-training"
    r"|(?:with|using|by) (?:our|the proposed) (?:[\w-]+ )?(?:approach|method|loss|training|scheme"
    r"|technique|strategy|optimi[sz]er|regulari[sz]\w+|modifications?|changes?))\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:without|no|not|non|before|unlike|than|un)[ -](?:(?:any|the|an?|further|being|data|label"
    r"|input|its) )*$",
    re.IGNORECASE,
)
_PREPOSITION = (
    r"(?:(?:even|only|still|also|when) )*(?:with|under|after|at|when|once|despite|using|for|if"
    r"|given|in the presence of|in case of|on|by|through|trained|training|tested|evaluated)\b[^,;]*"
)
_BEFORE = re.compile(rf"(?:^|[,;] ){_PREPOSITION}", re.IGNORECASE)
_BEHIND = re.compile(
    rf"[,;]? (?:{_PREPOSITION}"
    r"|and (?:is|was|were|are) (?:only )?(?:trained|tested|pruned|quanti)[^,;]*)",
    re.IGNORECASE,
)


# The approach of clustering is strong, achieving an accuracy of 89 %.
_SUBJECT_IS_CLUSTERING = re.compile(
    r"^(?:(?:this|the|our|these) )?(?:[\w-]+ ){0,2}?(?:of |with |by |for )?clustering\b",
    re.IGNORECASE,
)
# Plain FedAvg forgets, its accuracy falls to 40 %.
_SUBJECT_IS_FEDERATED = re.compile(
    rf"^(?:(?:this|the|our|plain|vanilla|standard) )*{_FEDERATED}\b", re.IGNORECASE
)


def find_condition(clause: str, before: str = "", behind: str = "") -> str:
    """Say what is changed for the figures of a clause; empty if nothing is.

    ``before`` and ``behind`` are the clauses beside it that have no figure of their own. They count
    if they only state a condition: ``with label noise, LeNet-5 reaches 82.3 %``.
    """
    for part in (clause, *_find_phrases(before, behind)):
        for pattern, reason in _CONDITIONS:
            if pattern is _NETWORK and _TREE.search(part):
                continue
            if _is_stated(pattern, part):
                return reason
    if is_of_oracle(clause):
        return "of an oracle, which knows the labels"
    if _SUBJECT_IS_FEDERATED.match(before):
        return OF_CLIENTS
    return OF_CLUSTERS if _SUBJECT_IS_CLUSTERING.match(before) else ""


# Both kinds of figures stand in the table, so that its caption decides nothing.
_BOTH_KINDS = re.compile(
    r"\b(?:clean|natural|with(?: and |/| or )without|without(?: and |/| or )with"
    r"|(?:before|after)(?: and |/)(?:before|after)|full[- ]precision|unpruned|un-?compressed"
    r"|robust(?:ness)? (?:to|against))\b",
    re.IGNORECASE,
)
_NOT_ALL_PRUNED = re.compile(
    rf"{_TREE.pattern}|\bcompar\w+ (?:with|to)\b|\bversus\b|\bvs\b|\bfloating[- ]point\b|\bfp32\b",
    re.IGNORECASE,
)
_AUGMENTATION = re.compile(r"\baugment", re.IGNORECASE)
# Short forms that stand in the heads of columns only.
_IN_HEADS = re.compile(
    r"(?<![^\W_])(?:robust(?:ness)?|adv\.?|adversarial|auto-?attack|pgd[- ]?[0-9]*|fgsm|noise|noisy"
    r"|\u5bf9\u6297|(?:\u03b5|eps(?:ilon)?) ?= ?[0-9./]+"
    r"|(?:a?sym(?:m|metry|metric)?|pair(?:flip)?)[-. ]?[0-9]+ ?%?|[0-9]+ ?%? (?:noise|labels)"
    r"|(?:right|left|up|down|circular|horizontal|vertical|random)(?:ward)? shifts?|shifted|rotated"
    r"|blurred|occluded|int[48]|[1-8] ?-?bits?|pruned|coarse)(?![^\W_])",
    re.IGNORECASE,
)


def find_condition_of_table(*texts: str) -> str:
    """Say what is changed for all figures of a table, by its caption and what stands above it.

    The result is empty if nothing is changed, or if the table also has figures without the change.
    """
    for text in texts:
        if _BOTH_KINDS.search(text):
            continue
        for pattern, reason in _CONDITIONS:
            unclear = {_NETWORK: _NOT_ALL_PRUNED, _IMAGES: _AUGMENTATION}.get(pattern)
            is_unclear = unclear is not None and unclear.search(text)
            if not is_unclear and _is_stated(pattern, text):
                return reason
    return ""


def find_condition_of_head(head: str) -> str:
    """Say what is changed for the figures of one column: ``PGD accuracy``; empty if nothing is."""
    return find_condition(head) or ("of a changed task" if _is_stated(_IN_HEADS, head) else "")


_OVER_DATA_SETS = re.compile(
    r"\b(?:mean|averag(?:e[sd]?|ing)|avg|overall)\b[^.;]{0,60}?\b(?:over|across|of|on|for)"
    r" (?:all |the |these |those |both |our |a total of )*"
    r"(?:[0-9]{1,3} |two |three |four |five |six |seven |eight |nine |ten )?"
    r"(?:of the |different |benchmark |image |other |public )*(?:data ?sets|benchmarks)\b"
    r"|\b(?:over|across) (?:all |the |these |those |our )*"
    r"(?:[0-9]{1,3} |two |three |four |five |six )"
    r"(?:of the |different |benchmark |image |other |public )*(?:(?:data ?)?sets|benchmarks)\b"
    r"[^.;]{0,120}?\b(?:mean|averag(?:e[sd]?|ing)|avg|overall)\b",
    re.IGNORECASE,
)


def is_over_data_sets(text: str) -> bool:
    """Whether a text says that its figures are means over several data sets."""
    return _OVER_DATA_SETS.search(text) is not None


# An oracle knows the labels; its figure is the best that anything could reach.
_ORACLE = re.compile(r"\boracles?\b(?! (?:cloud|database|linux|vm|java)\b)", re.IGNORECASE)


def is_of_oracle(text: str) -> bool:
    """Whether a text names a model that knows the labels: ``Oracle``."""
    return _ORACLE.search(text) is not None


def restricts_classes(sentence: str) -> bool:
    """Whether a sentence says that only some of the ten classes are told apart."""
    return _is_stated(_CLASSES, sentence) and _ALL_CLASSES.search(sentence) is None


# This project holds binary classification tasks on Fashion-MNIST.
_DESCRIBES_BINARY = re.compile(
    r"\bbinary (?:image )?classification(?: (?:tasks?|problems?|project|models?))?\W+"
    rf"(?:\w+ ){{0,3}}?(?:using|on|of|with|from|for)\W+(?:the )?{FASHION_IN_HEADS.pattern}",
    re.IGNORECASE,
)


def describes_binary(sentence: str) -> bool:
    """Whether a sentence says of the whole text that it tells two kinds of images apart."""
    return _DESCRIBES_BINARY.search(re.sub(r"[*_`]", "", sentence)) is not None


def is_augmented(clause: str, before: str, behind: str) -> bool:
    """Whether a clause says that a model is trained with more than its own recipe."""
    return any(_is_stated(_AUGMENTED, part) for part in (clause, *_find_phrases(before, behind)))


def _find_phrases(before: str, behind: str) -> Iterator[str]:
    for match in _BEFORE.finditer(before):
        yield match[0]
    match_behind = _BEHIND.match(behind)
    if match_behind:
        yield match_behind[0]


def _is_stated(pattern: re.Pattern[str], part: str) -> bool:
    return any(
        not _NEGATED.search(part[max(0, match.start() - 40) : match.start()])
        for match in pattern.finditer(part)
    )


# ---- training images -----------------------------------------------------------------------------

_IMAGES_BEFORE = re.compile(
    r"(?<!epochs )\b(?:for|on|in|during) (?:the )?"
    r"(?P<stated>train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)"
    r"(?: set| data| images| samples)?(?:\s?[:,]|\s(?:of|is|was) (?:about |around |only |~)?$)"
    r"|\b(?P<beside>train(?:ing)?|(?<!cross[- ])val(?:id(?:ation)?)?|test(?:ing)?"
    r"|(?:oob|out-of-bag)(?: (?:score|estimate|accuracy))?)(?: set)?\s?[:=]?\s?$",
    re.IGNORECASE,
)


# "Train loss: 0.31, accuracy: 88.4 %", "Validation - Loss: 0.31 Accuracy: 0.884"
_IMAGES_OF_LOSS = re.compile(
    r"\b(?P<images>train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)"
    r"(?: set| data)?[\s:|-]{1,12}(?:avg\.? |average |mean )?loss\b",
    re.IGNORECASE,
)
_NAMES_TEST = re.compile(r"(?<![a-zA-Z])(?:test|eval)", re.IGNORECASE)


def find_images(before: str) -> str | None:
    """Read ``Scores for training: 95.12 %`` and ``train 99.1 %``: is it of ``test`` images?

    A loss before the figure tells the images of both, unless the figure has a word of its own.
    """
    found = [match["stated"] or match["beside"] for match in _IMAGES_BEFORE.finditer(before)]
    if not found:
        losses = list(_IMAGES_OF_LOSS.finditer(before))
        if not losses or _NAMES_TEST.search(before, losses[-1].start()):
            return None
        return "other"
    return "test" if found[-1].lower().startswith("test") else "other"


GOAL = "a goal, as the heading says"
_TITLE_OF_GOAL = re.compile(  # a heading: what is below it says what a result should be
    r"[\W_]*(?:[0-9]+\W+)?(?:the |our |my |main |project )*(?:goals?|aims?|objectives?|targets?"
    r"|task|assignment|requirements?)(?: of (?:the|this) project)?[\W_]*",
    re.IGNORECASE,
)


def is_title_of_goal(title: str) -> bool:
    """Whether a heading is ``Goal``, ``Task`` or the like."""
    return _TITLE_OF_GOAL.fullmatch(title) is not None


OTHER_WORKS = "other works, as the heading says"
_TITLE_OF_OTHER_WORKS = re.compile(
    r"[#*_\s]*(?:[IVX]{1,5}\.|[0-9]{1,2}(?:\.[0-9])?\.?)?\s*(?:background and )?"
    r"(?:review of (?:the )?literature|literature (?:review|survey)"
    r"|related (?:works?|research|literature)|(?:previous|prior) (?:works?|research|studies))"
    r"(?:[\W_]*$|\b)",
    re.IGNORECASE,
)


def is_title_of_other_works(block: str) -> bool:
    """Whether a block is a heading such as ``Related work``, or begins with one in capitals.

    A PDF may have the heading and the first sentence below it in one block.
    """
    match = _TITLE_OF_OTHER_WORKS.match(block)
    if match is None:
        return False
    return match.end() == len(block) or (match[0].isupper() and len(match[0].split()) > 1)


TRAINING_SECTION = "training or validation images"
# The figures below are evaluated on the validation set.
_MEASURED_ON_VALIDATION = re.compile(
    r"\b(?:evaluated|measured|computed|calculated|reported|validated|tested) on (?:the |a |our )?"
    r"validation (?:set|data|images|split)\b",
    re.IGNORECASE,
)


def is_measured_on_validation(sentence: str) -> bool:
    """Whether a sentence says that figures are of the validation images, and names no others."""
    return _MEASURED_ON_VALIDATION.search(sentence) is not None and not re.search(
        r"\btest (?:set|data|images|accuracy)\b", sentence, re.IGNORECASE
    )


_OF_TRAINING = r"(?:train(?:ing)?|val(?:id(?:ation)?)?)(?: set| data)?"
_TITLE_OF_TRAINING = re.compile(
    rf"\W*(?:[\w-]+ )?{_OF_TRAINING} (?:evaluation|results?|performance|scores?|metrics)\W*"
    r"|\W*(?:evaluat\w+|results?|performance|scores?|metrics) (?:on|for|of) (?:the )?"
    rf"{_OF_TRAINING}(?: images)?\W*",
    re.IGNORECASE,
)


def is_title_of_training(title: str) -> bool:
    """Whether a heading says that what is below it is of training or validation images."""
    return _TITLE_OF_TRAINING.fullmatch(title) is not None


# "[RESULTS - TRAIN SET]", "Start evaluating the test set ..."
_WORD_OF_EVALUATION = (
    r"(?:evaluat\w+|results?|performance|scores?|metrics|predict\w+|(?:classification )?reports?)"
)
_TITLE_OF_SET = re.compile(
    rf"(?=.*\b{_WORD_OF_EVALUATION})\W*(?:(?:{_WORD_OF_EVALUATION}|start\w*|begin\w*|now|model"
    r"|final|on|for|of|the)\W+)*(?P<images>train(?:ing)?|val(?:id(?:ation)?)?|dev|test(?:ing)?)"
    rf"[ _-]?(?:set|data(?: ?set)?|images|split)(?:\W+{_WORD_OF_EVALUATION})*\W*",
    re.IGNORECASE,
)
TITLED_SET = f"the {TRAINING_SECTION}"  # as a title of this form says, in words that are no slip


def find_set_of_title(line: str) -> str | None:
    """Return of which images the lines below a title are: ``test``, ``other``, or None: no title.

    A program prints such titles where it evaluates a model on several sets of images.
    """
    match = _TITLE_OF_SET.fullmatch(line[:_MAX_TITLE])
    if match is None:
        return None
    return "test" if match["images"].lower().startswith("test") else "other"


_MAX_TITLE = 120  # characters


def mentions_test_images(text: str) -> bool:
    """Whether a part of a sentence speaks of a test or an evaluation: ``on the test set``."""
    return _NAMES_TEST.search(text) is not None


_TEST_IMAGES = re.compile(
    r"\b(?:test|evaluat)(?:ing|ed|ion)?(?: is| was)? on (?:only |the first |just )?"
    r"(?P<count>[0-9]{1,3}(?:[, ]?[0-9]{3})?) (?:test )?(?:images|samples|examples)\b",
    re.IGNORECASE,
)


def count_test_images(line: str) -> int | None:
    """Read ``Testing on 20 images``; None if a line does not say on how many images is tested."""
    match = _TEST_IMAGES.search(line)
    return int(re.sub("[^0-9]", "", match["count"])) if match else None
