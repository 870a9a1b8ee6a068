"""Lists the names of data sets by which tables and sentences say of what a figure is.

Heads of tables are short, so there one word is enough (``Fashion``, ``Digits``); in a sentence such
a word means something else.
"""

from __future__ import annotations

import re

_FASHION = r"(?:zalando(?:'s)?[\s_-]*)?(?:fashion[\s_-]*m?nist|f[\s_-]?mnist)"
_OTHERS = (
    r"(?:(?:(?:[ekqn]|not|extended|kannada|kuzushiji|rotated|permuted|affine|sequential|split|bi)"
    r"[\s_-]?)?mnist(?:[\s_-]?(?:m|c|digits?)(?![\w]))?|cifar(?:[\s_-]?\d+)?|svhn|usps|stl[\s_-]?10"
    r"|(?:(?:tiny|mini)[\s_-]?)?image ?net(?:[\s_-]?\d+k?)?|caltech[\s_-]?\d+|coil[\s_-]?\d+|gtsrb"
    r"|deep ?fashion2?|omniglot|celeba|(?:ms[\s_-]?)?coco|pascal voc|kuzushiji(?:-\w+)?|food-?101"
    r"|flowers-?102|reuters|imdb|20 ?newsgroups|isic|chexpert|places365|lsun|norb|iris"
    r"|hand-?written digits?)"
)
FASHION_IN_HEADS = re.compile(rf"(?<![^\W_])(?:{_FASHION}|fashion)(?![^\W_])", re.IGNORECASE)
OTHERS_IN_HEADS = re.compile(rf"(?<![^\W_])(?:{_OTHERS}|digits)(?![^\W_])", re.IGNORECASE)
IN_SENTENCES = re.compile(
    rf"(?<![\w-])(?:(?P<fashion>{_FASHION}|fashion (?:images|data ?set|articles?))"
    rf"|(?P<other>{_OTHERS}))(?![\w])",
    re.IGNORECASE,
)
