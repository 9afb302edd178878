"""The form of error texts (CONTRIBUTING.md): the subject first, then what is wrong, then what is accepted.

A text is the format of a call that fills a struct mr_err. Its length is that with plausible values.
"""

import re

# The calls whose first string is the message, or its first part (mr_wrap and mr_av_fail put theirs before another one).
CALL = re.compile(r"\b(?:mr_fail(?:_code|_as|_errno)?|mr_wrap|mr_av_fail|missing)\s*\(")
STRING = r'"(?:\\.|[^"\\])*"'
# A string, PRId64 and the like between two, or something else in an argument.
PART = re.compile(rf"({STRING})|\b(PRI[dux]64)\b|/\*.*?\*/|\s+|.", re.DOTALL)

LENGTH_MAX = 160

# How long a value may be expected to be, by its conversion.
CONVERSION = re.compile(r'%[-+ #0]*(?:\d+|\*)?(?:\.(\d+|\*))?(?:hh|h|ll|l|z|j)?([a-zA-Z%])')
WIDTHS = {"s": 30, "d": 10, "i": 10, "u": 10, "x": 8, "c": 1, "f": 10, "g": 10, "%": 1}

CAPITAL = r"^[A-Z][a-z]+\b"
FAULTS = [
    (r"(?i)\b(we|our|ours|us|I|my|mine)\b", "the first person"),
    (r"(?i)^(there (is|are)|it|this is|no|not|none|neither)\b", "does not begin with the subject"),
    (r"[.!]$", "ends with a full stop"),
    (CAPITAL, "begins with a capital letter"),
    (r"^\S+: (?i:it|there is|not|no|none)\b", "say what is accepted: must be …"),
    (r"\bis no\b(?! longer)|\bis none\b|\bnone of\b", "say what is accepted: must be …"),
]
# A first word in capitals is a name: a header, a format, a product.
NAMES = r"^(Authorization|Cloud|Content-\w+|Expect|Idempotency-Key|If-Match|Last-Event-ID|Origin)\b"


def arguments(text, start):
    """The arguments of the call whose parenthesis opens before start."""
    found, depth, first, position = [], 0, start, start
    token = re.compile(rf"{STRING}|'(?:\\.|[^'\\])*'|/\*.*?\*/|.", re.DOTALL)
    while position < len(text):
        match = token.match(text, position)
        character, position = match.group(0), match.end()
        if character in "([{":
            depth += 1
        elif character in ")]}" and depth == 0:
            return found + [text[first:match.start()].strip()]
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            found.append(text[first:match.start()].strip())
            first = position
    return found


def literals(argument):
    """The texts of an argument: adjacent strings are one text, the two sides of a condition are two."""
    found, is_open = [], False
    for match in PART.finditer(argument):
        string, macro = match.groups()
        if string or macro:
            piece = string[1:-1] if string else macro[3]
            if is_open:
                found[-1] += piece
            else:
                found.append(piece)
            is_open = True
        elif not match.group(0).isspace():
            is_open = False
    return found


def width(text):
    """The length of the text with plausible values."""
    plain = CONVERSION.sub(lambda match: "x" * min(WIDTHS.get(match.group(2), 10),
                                                   int(match.group(1)) if (match.group(1) or "").isdigit() else 1000), text)
    return len(re.sub(r"\\.", "x", plain))


def texts(source):
    """(position, text) of each literal message in a C file."""
    for match in CALL.finditer(source):
        found = next(filter(None, map(literals, arguments(source, match.end()))), [])
        yield from ((match.start(), text) for text in found)


def faults(source):
    """(position, message) of each text that breaks the form."""
    for position, text in texts(source):
        if width(text) > LENGTH_MAX:
            yield position, f"{text!r}: {width(text)} characters, more than {LENGTH_MAX}"
        for pattern, why in FAULTS:
            if re.search(pattern, text) and not (pattern == CAPITAL and re.match(NAMES, text)):
                yield position, f"{text!r}: {why}"


# Calls that must be reported, so that the check itself cannot go blind.
BAD = [
    'mr_fail(err, MR_INVALID, "we cannot read the file");',
    'mr_fail_code(err, MR_CODE_INVALID, "there is no such file");',
    'mr_fail(err, MR_INVALID, "%s: it must be a number.", name);',
    'mr_fail_as(err, status, MR_CODE_INVALID, "The file is empty");',
    'mr_fail(err, MR_INVALID, is_url ? "url is required" : "not a file");',
    'mr_fail(err, MR_INVALID, "x %" PRId64 " is none of %s", n, names);',
    'mr_wrap(err, status, "' + "x" * (LENGTH_MAX + 1) + '");',
]


def blind():
    """The calls of BAD in which nothing is found."""
    return [call for call in BAD if not list(faults(call))]
