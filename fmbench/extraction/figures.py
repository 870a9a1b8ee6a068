"""Reads one printed number as people write it, with everything that stands beside it.

``98.80 %``, ``98,80``, ``.988``, ``92.16 ± 0.21``, ``92.16(21)``, ``> 98`` and ``58591/60000`` are
figures. A range (``98.2-98.8``), a difference (``+0.3``) and a word are not. Every printed decimal
is kept, except those of a binary number that was written out in full: see :func:`round_binary`.

Two spellings are ambiguous, and are read like this unless the caller knows better:

- ``89,700``: a comma before exactly three digits separates thousands. It is a decimal comma if the
  number would begin with a zero (``0,897``) or is a percentage (``89,700 %``).
- ``10.000``: a point is a decimal point. Several points (``1.234.567``) separate thousands.

:func:`find_decimal_comma` and :func:`choose_percent` look at a whole column to know better.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, localcontext

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.extraction.found import Bound, FoundClaim, PrintedFigure
from fmbench.suites.rounding import parse_figure
from fmbench.utils.printable import write_on_one_line

MAX_LENGTH = 120  # of a printed figure, in characters

# Blanks that stand between the digits of one number: no-break, figure, thin, hair and narrow blank.
_GROUP_BLANKS = "\u00a0\u2007\u2009\u200a\u202f"
_SIGNS = str.maketrans({
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-"),  # minus signs, dashes
    **dict.fromkeys("\u066c\u2019\u02bc", "'"),  # these separate thousands
    **dict.fromkeys("\u066b\u2e33", "."),
    **dict.fromkeys("\u066a\uff05\ufe6a", "%"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", None),  # without width
    **dict.fromkeys("\u2215\u2044", "/"),
    **dict.fromkeys("\u2265\u2a7e\u2267", ">="),
    **dict.fromkeys("\u2264\u2a7d\u2266", "<="),
    **dict.fromkeys("\u223c\u2248\u2243\u2245", "~"),
    "\u00b1": "+-",
})  # fmt: skip
_SUPERSCRIPTS = "\u00b9\u00b2\u00b3\u2070\u2074\u2075\u2076\u2077\u2078\u2079\u1d43\u1d47\u1d9c"

_DIGITS = r"(?:[0-9]+(?:[.,'][0-9]+)*[.,]?|[.,][0-9]+)"
_NUMBER = rf"{_DIGITS}(?:[eE][+-]?[0-9]{{1,2}})?"
_PERCENT = r"(?:%|per ?cent\b|pct\b\.?|prozent\b|pour ?cent\b|por ?ciento\b|por ?cento\b)"
AT_LEAST = (
    r"(?:>=?|(?:over|above|beyond|exceed(?:s|ed|ing)?|at least|(?:more|greater|higher|better) than"
    r"|(?:no|not) less than)\b)"
)
AT_MOST = r"(?:<=?|(?:below|under|at most|(?:less|lower|fewer) than|(?:no|not) more than)\b)"
ABOUT = (
    r"(?:~|=|ca\.|approx\.|(?:about|around|approximately|circa|ca|nearly|almost|roughly|exactly"
    r"|up to)\b)"
)
_PREFIX = re.compile(rf"(?:(?P<least>{AT_LEAST})|(?P<most>{AT_MOST})|{ABOUT}) ?", re.IGNORECASE)
_FIGURE = re.compile(
    rf"(?P<opening>\()?(?P<first_percent>%)? ?(?P<value>-?{_NUMBER})(?: ?(?P<percent>{_PERCENT}))?"
    rf"(?: ?(?:\( ?)?(?:\+ ?/? ?-|\\pm) ?(?P<sd>{_NUMBER}) ?(?P<sd_percent>{_PERCENT})? ?\)?"
    rf"|\((?P<last_digits>[0-9]{{1,3}})\)"
    rf"| ?\( ?(?P<bracket>{_NUMBER}) ?(?P<bracket_percent>{_PERCENT})? ?\)"
    rf"| ?[(\[](?P<interval>[^()\[\]]*)[)\]])?"
    rf"(?(opening) ?\)?) ?(?P<last_percent>{_PERCENT})?(?P<plus>\+)?",
    re.IGNORECASE,
)
_GROUPED = r"(?:[1-9][0-9]{0,2}(?:[,'. ][0-9]{3})+|[0-9]+)"
_QUOTIENT = re.compile(
    rf"(?P<part>{_GROUPED}) ?(?:/|out of|of) ?(?:the )?(?P<whole>{_GROUPED})"
    rf"(?: ?[(\[=]? ?(?P<share>{_NUMBER}) ?(?P<percent>{_PERCENT})? ?[)\]]?)?",
    re.IGNORECASE,
)
_INTERVAL = re.compile(
    rf"(?:95 ?% ?)?(?:CI:?)? ?(?P<low>{_NUMBER}) ?%? ?(?:-|,|;|to) ?(?P<high>{_NUMBER}) ?%?",
    re.IGNORECASE,
)
_FOOTNOTE_MARKS = re.compile(
    "(?:[*\u2020\u2021\u00a7\u00b6#\u2191\u2193]|(?<=[0-9% ])\\[[0-9]{1,3}\\])+$"
)
_MAX_EXPONENT = 9
# In the messages of check_range and of the readers.
OUT_OF_RANGE = re.compile(r"\bis (?:outside|out of range|above|not a share)\b")
_DIGITS_32_BITS = 7  # significant digits that a number of 32 bits always keeps
_MAX_DECIMALS = 12
_LEAST_ERROR = Decimal("0.0001")  # the mean of one error of one class among 10,000 images
_DECIMALS_OF_SHARE = len(str(FASHION_MNIST.n_test)) - 1  # 0.9000 is 9,000 of 10,000 images
_FULL_LENGTH = re.compile(r"[.,][0-9]{10}")  # a binary number that is written out in full
_MIN_OUT_OF = 100  # images; 1/2 and 24/7 are not shares of a test set


def parse_printed_figure(
    text: str,
    *,
    error_rate: bool = False,
    percent: bool | None = None,
    decimal_comma: bool | None = None,
) -> PrintedFigure | None:
    """Read one printed figure; ``None`` if the text is not one figure and nothing else.

    Args:
        text: for example the text of a table's cell, without markup.
        error_rate: the figure is an error rate; the result is the accuracy, 1 - error rate.
        percent: whether the figure is a percentage; ``None``: it is one if it has a percent sign.
        decimal_comma: whether a comma is the decimal sign; ``None``: see the module's text.

    The range is not checked: see :func:`check_range`.
    """
    plain = _normalise(text) if len(text) <= MAX_LENGTH else None
    if plain is None:
        return None
    with localcontext(prec=2 * MAX_LENGTH):  # enough for every digit
        return _read_figure(text, plain, error_rate, percent, decimal_comma)


def _read_figure(
    text: str, plain: str, error_rate: bool, percent: bool | None, decimal_comma: bool | None
) -> PrintedFigure | None:
    printed = write_on_one_line(text).lstrip("= ")
    bound, rest = _split_bound(plain)
    quotient = _read_quotient(rest, printed, bound, decimal_comma, error_rate=error_rate)
    if quotient is not None:
        return quotient
    match = _FIGURE.fullmatch(rest)
    if match is None:
        return None
    is_percent = percent is True or any(
        match[name] for name in ("first_percent", "percent", "last_percent")
    )
    read = _read_value_and_spread(match, decimal_comma, is_percent=is_percent)
    if read is None:
        return None
    value, sd, is_percent = read
    value = round_binary(value)
    sd = None if sd is None else round_binary(sd)
    if match["plus"]:
        bound = bound or "at least"
    if error_rate:
        is_percent = is_percent or (percent is None and value > 1)
        value = (100 if is_percent else 1) - value
        bound = _flip(bound)
    sign = "%" if is_percent else ""
    return PrintedFigure(
        printed=printed,
        value=f"{value:f}{sign}",
        sd=None if sd is None else f"{sd:f}{sign}",
        bound=bound,
        is_error_rate=error_rate,
    )


def check_range(figure: PrintedFigure, metric: str) -> None:
    """Check that a figure can be a value of the metric.

    Raises:
        ValueError: it is outside the metric's range, or has too many digits; one line.
    """
    if figure.out_of is not None:
        if not 0 <= int(figure.value) <= figure.out_of:
            raise ValueError(f"{figure.printed} is not a share of {figure.out_of}")
        return
    parse_figure(figure.value, metric)
    largest = FASHION_MNIST.n_classes - 1
    highest = {"mae": largest, "mse": largest**2}.get(metric)
    if highest is not None and Decimal(figure.value.rstrip("%")) > highest:
        raise ValueError(f"{metric} {figure.value} is outside [0, {highest}]")
    if highest is not None and 0 < Decimal(figure.value.rstrip("%")) < _LEAST_ERROR:
        raise ValueError(f"{metric} {figure.value} is too small for errors in the class numbers")
    if figure.sd is not None:
        parse_figure(figure.sd, metric)


def round_binary(number: Decimal) -> Decimal:
    """Round a binary number that was written out in full to the decimals that it stands for.

    Keras and PyTorch print 0.8659 as ``0.8658999800682068``: the nearest number of 32 bits. If a
    number with more than 7 significant digits is one of 32 bits, or 100 times such a number, the
    shortest decimal number with the same 32 bits is returned, of at most 7 digits. Other numbers
    are rounded to 12 decimals, since the last ones of a number of 64 bits are not those of the
    quotient that it stands for; ``0.8886999999999999`` is 0.8887.
    """
    if len(number.as_tuple().digits) <= _DIGITS_32_BITS or _count_decimals(number) < 1:
        return number
    for scale in (1, 100):
        short = _find_short_32_bits(number, scale)
        if short is not None:
            return short
    if _count_decimals(number) <= _MAX_DECIMALS:
        return number
    rounded = number.quantize(Decimal(1).scaleb(-_MAX_DECIMALS))
    short = _drop_zeros(rounded)
    return short if _count_decimals(short) <= _MAX_DECIMALS - 4 else rounded


def _find_short_32_bits(number: Decimal, scale: int) -> Decimal | None:
    """Return the short decimal number of which this is ``scale`` times the nearest 32-bit one."""
    nearest = _round_to_32_bits(float(number / scale))
    exact = Decimal(nearest) * scale
    # The product is rounded to 64 bits before it is printed.
    is_same = round(exact, _count_decimals(number)) == number or (
        abs(exact - number) <= abs(number) * Decimal("4e-16")
    )
    if not number or not is_same:
        return None
    # A number of 8 or 9 digits is often one of 32 bits by chance, unless it is near a short one.
    is_long = len(number.as_tuple().digits) > _DIGITS_32_BITS + 2
    short = Decimal(f"{nearest:.{_DIGITS_32_BITS - 2}e}")  # for quotients such as 59240/60000
    for digits in range(1, (_DIGITS_32_BITS if is_long else 4) + 1):
        rounded = Decimal(f"{nearest:.{digits - 1}e}")
        if _round_to_32_bits(float(rounded)) == nearest:
            short = rounded
            break
    else:
        if not is_long:
            return None
    if short * scale == number:
        return number  # its last zeros are printed
    return _drop_zeros(short * scale)


def _round_to_32_bits(number: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return 0.0


def _drop_zeros(number: Decimal) -> Decimal:
    """Return the number without zeros at its end, but with those of a share of 10,000 images."""
    return _pad(number.normalize())


def _pad(number: Decimal) -> Decimal:
    """Write a fraction with at least 4 decimals, and a percentage with 2."""
    least = _DECIMALS_OF_SHARE if abs(number) <= 1 else _DECIMALS_OF_SHARE - 2
    if _count_decimals(number) >= least:
        return number
    return number.quantize(Decimal(1).scaleb(-least))


def keep_zeros(figure: PrintedFigure, others: Iterable[str]) -> PrintedFigure:
    """Return a figure with the zeros that a program drops: ``0.9`` beside ``0.8984645864289252``.

    ``others`` are the figures of the same table or file, as it prints them.
    """
    number = figure.value.removesuffix("%")
    if "." not in number or not any(_FULL_LENGTH.search(text) for text in others):
        return figure
    value = f"{_pad(Decimal(number)):f}{'%' * figure.value.endswith('%')}"
    return replace(figure, value=value)


def describe_rounded(claims: Iterable[FoundClaim]) -> list[str]:
    """Return a note if figures were rounded by :func:`round_binary`, with the first of them."""
    for claim in claims:
        figure = claim.figure
        longest = max((len(d) for d in re.findall("[0-9]+", figure.printed)), default=0)
        if longest >= _DIGITS_32_BITS and longest > len(figure.value.partition(".")[2].strip("%")):
            what = "1 - " * figure.is_error_rate + figure.printed
            return [
                "figures with many decimals are binary numbers written out in full, and are "
                f"rounded: {what} is read as {figure.value}"
            ]
    return []


def describe_error_rate(figure: PrintedFigure, remark: str) -> str:
    """Return a metric's remark, with what is printed if that is an error rate."""
    if not figure.is_error_rate:
        return remark
    printed = figure.printed
    if figure.value.endswith("%") and "%" not in printed:
        printed += " %"
    return f"printed as {printed}; {remark}" if remark else f"printed as an error rate of {printed}"


def find_decimal_comma(texts: Iterable[str]) -> bool | None:
    """Tell whether the figures of one column have decimal commas; ``None`` if none shows it.

    ``89,7`` and ``0,897`` show a decimal comma, ``89.7`` and ``1,234.5`` a decimal point. A column
    with both also gives ``None``.
    """
    seen: set[bool] = set()
    for text in texts:
        plain = _normalise(text[:MAX_LENGTH]) or ""
        for number in re.findall(_DIGITS, plain):
            body = number.rstrip(".,")
            last = max(body.rfind("."), body.rfind(","))
            if last < 0:
                continue
            sign, decimals = body[last], body[last + 1 :]
            is_alone = body.count(".") + body.count(",") == 1
            if body.count(sign) > 1:
                seen.add(sign == ".")  # 1.234.567: the points separate thousands
            elif len(decimals) != 3 or not is_alone or body[:last].strip("0") == "":
                seen.add(sign == ",")
    return seen.pop() if len(seen) == 1 else None


def choose_percent(texts: Iterable[str], stated: bool | None) -> bool | None:
    """Decide whether the figures of one column are percentages.

    ``stated`` is what the column's head says. Where it says percent and every figure is at most 1
    and has no percent sign (``0.988`` below ``accuracy (%)``), they are fractions after all. Where
    it says nothing and every figure is above 1, they are percentages.
    """
    values = []
    for text in texts:
        figure = parse_printed_figure(text)
        if figure is None or figure.out_of is not None or figure.value.endswith("%"):
            continue
        values.append(Decimal(figure.value))
    if values and stated is not False:
        if all(value <= 1 for value in values):
            return False
        if stated is None and all(value > 1 for value in values):
            return True
    return stated


def normalise_signs(text: str) -> str:
    """Write digits, minus signs, percent signs and blanks in ASCII; the text is one line.

    Blanks between the digits of one number become ``'``. Superscripts stay what they are.
    """
    text = re.sub(rf"(?<=[0-9])[{_GROUP_BLANKS}](?=[0-9]{{3}}(?![0-9]))", "'", text)
    if text.isascii():
        return write_on_one_line(text)
    text = re.sub("(?<=[0-9])\u00b7(?=[0-9])", ".", text.translate(_SIGNS))
    kept = (
        c if unicodedata.category(c) == "No" else unicodedata.normalize("NFKC", c) for c in text
    )
    text = "".join(kept).translate(_SIGNS)
    digits = (str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in text)
    return write_on_one_line("".join(digits))


def _normalise(text: str) -> str | None:
    """Write a figure in ASCII, without footnote marks; ``None`` if it has an exponent.

    A superscript is a footnote mark after a percent sign, a bracket or a decimal number, else an
    exponent.
    """
    text = normalise_signs(text)
    without = text.rstrip(_SUPERSCRIPTS + " ")
    if re.search(r"(?:%|[.,][0-9]+|\))$", without):
        text = without
    if any(unicodedata.category(c) == "No" for c in text):
        return None
    text = _FOOTNOTE_MARKS.sub("", text.strip("*_ ")).strip("*_ ")
    colon = _COLON_FOR_POINT.fullmatch(text)
    is_split = colon is not None and int(colon[1]) + int(colon[2]) == 100  # 80:20 %
    return f"{colon[1]}.{colon[2]}%" if colon is not None and not is_split else text


_COLON_FOR_POINT = re.compile(r"([0-9]{1,2}):([0-9]{2,4}) ?%")  # 89:53%, in the font of some PDFs


def _split_bound(text: str) -> tuple[Bound, str]:
    """Split ``> 98`` into the bound and the number; words such as ``about`` are dropped."""
    match = _PREFIX.match(text)
    if match is None:
        return "", text
    bound: Bound = "at least" if match["least"] else "at most" if match["most"] else ""
    return bound, text[match.end() :]


def _flip(bound: Bound) -> Bound:
    flipped: dict[Bound, Bound] = {"at least": "at most", "at most": "at least", "": ""}
    return flipped[bound]


def _read_quotient(
    text: str, printed: str, bound: Bound, decimal_comma: bool | None, *, error_rate: bool
) -> PrintedFigure | None:
    """Read ``58591/60000`` or ``9880/10000 (98.8 %)``; the share must be that of the two counts."""
    match = _QUOTIENT.fullmatch(text)
    if match is None:
        return None
    if decimal_comma is not True and "." in match["part"] + match["whole"]:
        return None
    part, whole = (int(re.sub("[^0-9]", "", match[name])) for name in ("part", "whole"))
    if whole < _MIN_OUT_OF or part > whole:
        return None
    if match["share"]:
        is_percent = bool(match["percent"])
        share = _parse_decimal(match["share"], decimal_comma, is_percent=is_percent)
        if share is None or not _is_rounded(
            share.scaleb(-2) if is_percent or share > 1 else share, Decimal(part) / whole
        ):
            return None
    return PrintedFigure(
        printed=printed,
        value=str(whole - part if error_rate else part),
        bound=_flip(bound) if error_rate else bound,
        out_of=whole,
        is_error_rate=error_rate,
    )


def _read_value_and_spread(
    match: re.Match[str], decimal_comma: bool | None, *, is_percent: bool
) -> tuple[Decimal, Decimal | None, bool] | None:
    """Return the value, the spread and whether they are percentages; ``None`` if not a figure."""
    sign_of_rest = bool(match["sd_percent"] or match["bracket_percent"])
    value = _parse_decimal(match["value"], decimal_comma, is_percent=is_percent or sign_of_rest)
    if value is None:
        return None
    if match["last_digits"]:  # 92.16(21): the spread in units of the last decimal
        exponent = int(value.as_tuple().exponent)
        spread = Decimal(match["last_digits"]).scaleb(exponent)
        return (value, spread, is_percent) if exponent < 0 else None
    if match["interval"] is not None:
        is_around = _is_interval_around(match["interval"], value, decimal_comma)
        return (value, None, is_percent) if is_around else None
    text = match["sd"] or match["bracket"]
    if not text:
        return value, None, is_percent
    second = _parse_decimal(text, decimal_comma, is_percent=is_percent or sign_of_rest)
    if second is None:
        return None
    is_fraction = not is_percent and value <= 1 and _count_decimals(value) > _count_decimals(second)
    if sign_of_rest and is_fraction:  # 0.9216 ± 0.21 %, or 0.9216 (92.16 %)
        second = second.scaleb(-2)
        if match["bracket"] and _is_rounded(second, value):
            return value, None, False
    else:
        is_percent = is_percent or sign_of_rest
    if match["bracket"] and not ("." in text or "," in text):
        return None  # 92.2 (3) may be a rank
    if match["bracket"] and second * 5 > abs(value):
        return None  # two figures, not a figure and its spread
    return value, second, is_percent


def _count_decimals(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)


def _is_rounded(printed: Decimal, exact: Decimal) -> bool:
    """Whether ``printed`` is ``exact`` with fewer decimals, rounded or cut off."""
    unit = Decimal(1).scaleb(int(printed.as_tuple().exponent))
    return -unit / 2 <= exact - printed < unit


def _is_interval_around(text: str, value: Decimal, decimal_comma: bool | None) -> bool:
    match = _INTERVAL.fullmatch(text.strip())
    if match is None:
        return False
    ends = [_parse_decimal(match[name], decimal_comma, is_percent=True) for name in ("low", "high")]
    low, high = ends
    return low is not None and high is not None and low <= value <= high


def _parse_decimal(text: str, decimal_comma: bool | None, *, is_percent: bool) -> Decimal | None:
    """Parse one number with any separators; ``None`` if they do not form a number."""
    mantissa, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > _MAX_EXPONENT:
        return None
    body = mantissa.removeprefix("-").rstrip(".,")
    whole, sign, decimals = _split_decimals(body, decimal_comma, is_percent=is_percent)
    groups = re.split("[.,']", whole)
    if len(groups) > 1 and not (
        re.fullmatch("[1-9][0-9]{0,2}", groups[0])
        and all(len(group) == 3 for group in groups[1:])
        and len(set(re.sub("[0-9]", "", whole))) == 1
        and (not sign or sign not in whole)
    ):
        return None
    minus = "-" if mantissa.startswith("-") else ""
    number = Decimal(f"{minus}{''.join(groups) or '0'}{'.' if decimals else ''}{decimals}")
    return number.scaleb(int(exponent)) if exponent else number


def _split_decimals(
    body: str, decimal_comma: bool | None, *, is_percent: bool
) -> tuple[str, str, str]:
    """Split a number into its whole part, its decimal sign and its decimals."""
    last = max(body.rfind("."), body.rfind(","))
    if last < 0:
        return body, "", ""
    whole, sign, decimals = body[:last], body[last], body[last + 1 :]
    if sign in whole:
        return body, "", ""  # 1,234,567
    other = "," if sign == "." else "."
    could_be_thousands = (
        other not in whole and len(decimals) == 3 and re.fullmatch("[1-9][0-9]{0,2}", whole)
    )
    if could_be_thousands and not is_percent:
        is_decimal = decimal_comma is not True if sign == "." else decimal_comma is True
    elif could_be_thousands and sign == "," and decimal_comma is False:
        is_decimal = False
    else:
        is_decimal = True
    return (whole, sign, decimals) if is_decimal else (body, "", "")
