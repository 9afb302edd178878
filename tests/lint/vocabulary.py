"""Words that people read: one word per thing, and plain English (CONTRIBUTING.md, "Style"). check.py applies this.

Searched are the comments and texts of C, the comments of SQL, shell and YAML, the comments and docstrings of Python, and
documents. WORDS: what must not be written, and what to write instead. EXCEPTIONS: where it may stand all the same.
"""

import ast
import io
import json
import re
import tokenize

# (pattern, what to write instead). Letter case is ignored.
WORDS = [
    (r"sounds?", "audio"),
    (r"films?|movies?", "video"),
    (r"strays?", "orphaned object"),
    (r"anew|afresh", "again"),
    (r"none of (?=[a-z`'\"%\[])", "must be one of"),
    (r"a try|the try|each try|every try|tries of|(?<=%d )tries", "attempt"),
    (r"heart(?!beat)\w*|beats?(?! \d)|beating", "heartbeat"),
    (r"mends?|mended", "fix"),
    (r"heed|whilst|thereof|behold|hardly|nought", "plain words"),
    (r"obey(?:s|ed)?", "follow, use"),
    (r"strangers?(?:')?s?", "third-party server; newcomer"),
    (r"newcomers? way|ordered anew|order it anew", "run it again"),
    (r"the house|house rules", "the project"),
    (r"lost its mind|is to be mistreated|speaks? of|has to do with", "say what happens"),
    (r"of ours|of theirs", "name the owner"),
    (r"what one may|who(?:ever)? comes", "plain words"),
]

# path pattern → words that may stand there, as a pattern.
EXCEPTIONS = {
    r"infra/migrations/.*": r"strays?",  # the table stray_objects
    r".*\.[ch]": r"heart(?=-shaped)",
}
# Names of this code and of others: not words.
NAMES = re.compile(r"stray_objects|\bAV_\w+|silenceremove|`[^`]*`|https?://\S+|\{[a-z_]+\}")


def c_texts(text):
    """(position, words) of each comment and each string of C."""
    for match in re.finditer(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', text, re.DOTALL):
        if match.group(0)[0] == "'" or text[:match.start()].rsplit("\n", 1)[-1].lstrip().startswith("#include"):
            continue
        yield match.start(), match.group(0)


def hash_texts(text):
    """The comments of a language in which # begins them."""
    for match in re.finditer(r"(?m)(?:^|(?<=\s))#(?!!)[^\n]*", text):
        yield match.start(), match.group(0)


def sql_texts(text):
    for match in re.finditer(r"--[^\n]*", text):
        yield match.start(), match.group(0)


def python_texts(text):
    """Comments and docstrings."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield starts[token.start[0] - 1] + token.start[1], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False):
            first = node.body[0]
            yield starts[first.lineno - 1] + first.col_offset, ast.get_docstring(node, clean=False)


def document_texts(text):
    """A page without its code blocks, which are blanked."""
    yield 0, re.sub(r"```.*?```", lambda block: re.sub(r"[^\n]", " ", block.group(0)), text, flags=re.DOTALL)


def json_texts(text):
    """The values of summary, description, title and content."""
    for match in re.finditer(r'"(?:summary|description|title|content|displayName)": ("(?:\\.|[^"\\])*")', text):
        yield match.start(1), json.loads(match.group(1))


READERS = [
    (r".*\.[ch]", c_texts),
    (r".*\.def", c_texts),
    (r".*\.sql", sql_texts),
    (r".*\.py", python_texts),
    (r".*\.md", document_texts),
    (r".*\.(sh|yaml)|Makefile|Dockerfile\..*", hash_texts),
    (r"(web|infra)/.*\.json", json_texts),
]


def faults(path, text):
    """(position, word, what to write) of each word in the texts of a file that must not be there."""
    reader = next((reader for pattern, reader in READERS if re.fullmatch(pattern, path)), None)
    if reader is None or path.startswith("tests/lint/") or path == "CONTRIBUTING.md":
        return
    allowed = [words for pattern, words in EXCEPTIONS.items() if re.fullmatch(pattern, path)]
    for start, words in reader(text):
        words = NAMES.sub(lambda name: " " * len(name.group(0)), words)
        for pattern, instead in WORDS:
            for match in re.finditer(rf"(?i)(?<![\w/.-])(?:{pattern})(?![\w-])", words):
                if not any(re.fullmatch(f"(?i){word}", match.group(0)) for word in allowed):
                    yield start + match.start(), match.group(0), instead
