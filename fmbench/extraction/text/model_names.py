"""Recognises the names of models in running text, and where a name ends."""

from __future__ import annotations

import re

from fmbench.extraction.metric_names import begins_with_metric

# Capital letters before the kind of a model belong to its name: an XYZ MLP is no plain MLP.
_UNKNOWN_CAPITALS = (
    r"(?-i:(?!(?:THE|AND|FOR|WITH|USING|OUR|NOT|THAN|OVER|FROM|[EK]?F?-?MNIST|[CGT]PU|CUDA|JAX|SOTA"
    r"|BEST|TEST|TRAIN|FINAL|RESULTS?|ACC|ACCURACY|MODEL|SIMPLE|BASIC|DEEP|KERAS|VANILLA)\b)"
    r"[A-Z]{3,8} )"
)
_NAMED_NETWORK = (
    r"(?-i:(?!Image ?Net)(?:[A-Z][A-Za-z]*Nets?(?![a-z])|(?:Alex|Google|Dense|Res|Le|VGG) Net"
    r"|VGG(?:Net)?|WRN|ViT|WideResNet|CapsNet|Inception|Xception|LeNet)"
    r"(?:[- ]?[vV]?[0-9]+(?![0-9]*[.,][0-9])(?:[-x/][0-9]+)*)?(?:[-/][A-Z][\w]*(?:/[0-9]+)?)*)"
)
_KIND_OF_MODEL = (
    r"(?:linear ?svc|svc|(?:(?:linear|rbf|gaussian|poly(?:nomial)?|kernel)[- ](?:kernel )?)?svms?"
    r"|(?:linear )?support[- ]vector (?:machines?|classifiers?)"
    r"|k-?nn|k-?nearest[- ]neighbou?rs?|kneighborsclassifier|random ?forests?(?: ?classifiers?)?"
    r"|decision ?trees?(?: ?classifiers?)?|extra ?trees?(?: ?classifiers?)?|logistic ?regression"
    r"|softmax regression|(?:gaussian |multinomial |bernoulli )?na[iï]ve bayes"
    r"|(?:gaussian|multinomial|bernoulli|complement) ?nb"
    r"|gradient ?boosting(?: ?classifier)?|xgboost|lightgbm|catboost|adaboost|sgd ?classifier"
    r"|multi-?layer perceptrons?|perceptrons?|mlp(?: ?classifier)?|d?cnns?[0-9]?"
    r"|conv(?:olutional)?(?: neural)? ?net(?:work)?s?"
    r"|(?:bi-?)?lstms?|grus?|rnns?|capsule networks?|auto-?encoders?|(?:vision )?transformers?"
    r"|(?:[a-z]+-layer |deep |artificial |spiking |fully[- ]connected |feed-?forward |simple "
    r"|shallow )*neural net(?:work)?s?|neural ?network ?classifiers?|dnns?|anns?|snns?|bnns?"
    r"|eden|evolutionary deep learning(?: framework)?|auto-?sklearn|tpot"
    r"|autogluon|ensembles?|humans?|crowd workers?)"
)
# Features that a classifier gets in place of the pixels: HOG features with a linear SVM.
_FEATURES = (
    r"(?:(?:hog|histograms? of oriented gradients|sift|surf|lbp|gabor|haar|pca)"
    r"(?:[- ](?:features?|descriptors?|vectors?|transform))?"
    r"(?: ?[+/&] ?|-| (?:and|with|plus|followed by|fed (?:in)?to) (?:an? |the )?))"
)
MODEL = re.compile(
    rf"(?<![\w]){_UNKNOWN_CAPITALS}?{_FEATURES}?(?:(?:(?-i:[A-Z0-9][\w]{{0,20}})[-+/] ?){{0,4}}"
    rf"(?:{_NAMED_NETWORK}|{_KIND_OF_MODEL}(?![\w])))"
    rf"(?:-[\w]+)*(?: classifiers?)?(?: ?\+ ?[A-Za-z][\w-]*(?: (?-i:[A-Z])[\w-]*)*)*"
    rf"(?: ?\((?![^()]*(?:[0-9]\.[0-9]|%|accura|error))[^()]{{1,40}}\))?",
    re.IGNORECASE,
)
_MAX_QUALIFIER = 8  # words
_ARTICLE = re.compile(r"^(?:an? |the |our )", re.IGNORECASE)
_QUALIFIER = re.compile(r"\s(?:with|using|without)\s(?:an?\s|the\s)?", re.IGNORECASE)
_STOP_WORD = re.compile(
    r"(?:achiev\w*|reach\w*|obtain\w*|attain\w*|scor\w*|gets?|got|give[sn]?|gave|yield\w*|ha[sd]"
    r"|have|exceed\w*|surpass\w*|perform\w*|outperform\w*|show\w*|is|was|are"
    r"|were|on|for|at|by|to|from|in|of|that|which"
    r"|compared|trained|classif\w*|record\w*|report\w*|result\w*|improv\w*|can|could|we|it|as|than"
    r"|over|about|above|around|accuracy|acc|an?|the|objective|aim|goal|purpose)$",
    re.IGNORECASE,
)
_WORD = re.compile(r"([^\W\d_][\w/-]*(?: (?<=degree )[0-9](?![\w.,%]))?)(\s|$|[,.;:()|])")


def find_end_of_name(sentence: str, end: int) -> int:
    """Return the end of a model's name with the phrase that qualifies it (``with RBF kernel``)."""
    qualifier = _QUALIFIER.match(sentence, end)
    if qualifier is None:
        return end
    position = qualifier.end()
    words = _WORD.finditer(sentence[position:][:120])
    gap = position  # where the next word must begin
    for i, match in enumerate(words):
        start, word = position + match.start(), match[1]
        if start != gap or (i and not sentence[start - 1].isspace()):
            break
        gap = position + match.end()
        if i == _MAX_QUALIFIER or _STOP_WORD.match(word) or begins_with_metric(sentence[start:]):
            break
        if word.lower() != "and":
            end = start + len(word)
        elif MODEL.match(_ARTICLE.sub("", sentence[position + match.end() :])):
            break
        if match[2] != " ":
            break
    return end
