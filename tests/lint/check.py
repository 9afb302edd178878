"""Checks that need no compiler: the directories' dependencies, libraries, texts, and the documents against the code.

check.py NAME [ARGUMENT…]: one check, silent when all is well; else one line for each fault, and exit status 1.
"""

import json
import pathlib
import re
import subprocess
import sys

import circles
import error_texts
import rules
import vocabulary

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def files(pattern=r".*"):
    """Every file that git holds or would take, as paths relative to the root."""
    out = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                         check=True).stdout
    return [name for name in sorted(set(out.splitlines())) if re.fullmatch(pattern, name) and (ROOT / name).is_file()]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def includes(name):
    """(line, "<" or '"', header) of each include."""
    text = read(name)
    return [(line_of(text, match.start(1)), match.group(1), match.group(2)) for match in INCLUDE.finditer(text)]


def allowed(directory_rules, header):
    for rule in directory_rules:
        if rule.endswith("*") and header.startswith(rule[:-1]) and "/" not in header[len(rule) - 1:]:
            return True
        if header.startswith(rule):
            return True
    return False


def check_rooms():
    """No arrow runs upwards."""
    for name in files(r"(shared|web|worker|client|infra)/.*\.[ch]"):
        room = max((room for room in rules.MAY_INCLUDE if name.startswith(room)), key=len, default=None)
        if room is None:
            yield f"{name}: in no known room"
            continue
        for line, kind, header in includes(name):
            if kind == '"' and not allowed(rules.MAY_INCLUDE[room], header):
                yield f"{name}:{line}: {room} may not include {header}"


def check_libraries():
    """Each foreign library is included in its one room."""
    for name in files(r"(shared|web|worker|client|infra)/.*\.[ch]"):
        for line, _, header in includes(name):
            for library, home in rules.LIBRARIES.items():
                if re.fullmatch(library, header) and not re.fullmatch(home, name):
                    yield f"{name}:{line}: <{header}> belongs to {home}"


def check_texts():
    """Nothing unfinished, no test hooks, no paths of one machine, hardly a binary."""
    for name in files():
        content = (ROOT / name).read_bytes()
        if b"\0" in content:
            if len(content) > rules.BINARIES.get(name, 0):
                yield f"{name}: a binary file of {len(content)} bytes"
            continue
        if name.startswith("tests/lint/"):
            continue
        text = read(name)
        for pattern, where, why in rules.BANNED_TEXT:
            if re.fullmatch(where, name):
                for match in re.finditer(pattern, text):
                    yield f"{name}:{line_of(text, match.start())}: {match.group(0)!r}: {why}"


def check_sizes():
    """Files and functions stay small."""
    for name in files(r".*\.[ch]"):
        lines = read(name).splitlines()
        if len(lines) > rules.FILE_LINES_MAX:
            yield f"{name}: {len(lines)} lines, more than {rules.FILE_LINES_MAX}"
        start = None
        if name.startswith("tests/"):
            continue  # a test may hold a long table
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start and not name.startswith("tests/unit/"):  # a table of cases is no function
                if number - start > rules.FUNCTION_LINES_MAX:
                    yield f"{name}:{start}: a function of {number - start} lines, more than {rules.FUNCTION_LINES_MAX}"
                start = None


def check_readme():
    """README.md stays short enough to be read at once."""
    lines = read("README.md").splitlines()
    if len(lines) > rules.README_LINES_MAX:
        yield f"README.md: {len(lines)} lines, more than {rules.README_LINES_MAX}"
    for number, line in enumerate(lines, 1):
        if len(line) > rules.README_COLUMNS_MAX:
            yield f"README.md:{number}: {len(line)} columns, more than {rules.README_COLUMNS_MAX}"


def marked(page, name):
    """The rows of the tables between <!-- name --> and <!-- /name --> of a page, without their heads; None if there is no such place."""
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", read(page), re.DOTALL)
    if not match:
        return None
    lines = [line for line in match.group(1).splitlines() if line.startswith("|")]
    return [line for line in lines if not re.match(r"\| *(variable|route|call) *\||\| *-", line)]


def check_config(printed):
    """The configuration table of docs/configuration.md is the one in the code (printed: a file that holds it)."""
    code = pathlib.Path(printed).read_text(encoding="utf-8").splitlines()
    page = marked(rules.CONFIGURATION_PAGE, "config")
    if page is None:
        yield f"{rules.CONFIGURATION_PAGE}: no <!-- config --> table"
        return
    for line in code:
        if line not in page:
            yield f"{rules.CONFIGURATION_PAGE} lacks: {line}"
    for line in page:
        if line not in code:
            yield f"{rules.CONFIGURATION_PAGE} has, but not the code: {line}"
    if not set(code) ^ set(page) and code != page:
        yield f"{rules.CONFIGURATION_PAGE}: the table is in another order than the code"


def routes_of(name):
    """method and path of each entry of a file's tables of struct mr_route."""
    tables = re.findall(r"const struct mr_route \w+\[\] = \{(.*?)\n\};", read(name), re.DOTALL)
    return {f"{method} {path}" for table in tables for method, path in re.findall(r'\{"([A-Z]+)",\s*"([^"]+)"', table)}


def documented_routes():
    """method and path of each operation of the OpenAPI document, aliases included."""
    paths = json.loads(read("web/static/openapi.json"))["paths"]
    return {f"{method.upper()} {spelling}" for path, item in paths.items() for method, operation in item.items()
            if method in rules.HTTP_METHODS for spelling in [path, *operation.get("x-aliases", [])]}


def page_routes():
    """method and path of each row of the tables in docs/api.md, aliases included; None if there are none."""
    rows = marked(rules.API_PAGE, "api")
    if rows is None:
        return None
    page = set()
    for row in rows:
        route, aliases = (cell.strip() for cell in row.strip("|").split("|")[:2])
        methods, _, path = route.rpartition(" ")
        for method in re.split(r",\s*", methods):
            page |= {f"{method} {spelling}" for spelling in [path, *re.split(r"[\s,]+", aliases)] if spelling}
    return page


def shapes(routes):
    """A page may give a path's parameter another name, to say what else may stand there."""
    return {re.sub(r"\{\w+\}", "{}", route) for route in routes}


def check_routes():
    """web's table of routes, the OpenAPI document and docs/api.md name the same routes; docs/api.md the worker's as well."""
    web = set().union(*(routes_of(name) for name in files(r"web/.*\.c")))
    page = page_routes()
    if page is None:
        yield f"{rules.API_PAGE}: no <!-- api --> tables"
        return
    for name, code, others in ((rules.API_PAGE, shapes(web), shapes(page)), ("web/static/openapi.json", web, documented_routes())):
        yield from (f"{name} lacks {route}" for route in sorted(code - others))
        yield from (f"{name} has {route}, but not web" for route in sorted(others - code))
    for route in sorted(set().union(*(routes_of(name) for name in files(r"worker/.*\.c")))):
        if f"`{route}`" not in read(rules.API_PAGE):
            yield f"{rules.API_PAGE} lacks the worker's `{route}`"


def check_codes():
    """Every row of the table of error codes is used; no code is written as a text beside it."""
    rows = re.findall(r'^MR_CODE\((\w+), "(\w+)"', read("shared/base/codes.def"), re.MULTILINE)
    sources = {name: read(name) for name in files(r"(shared|web|worker|client|infra)/.*\.([ch]|def)")}
    used = set(re.findall(r"\bMR_CODE_(\w+)", "\n".join(sources.values())))
    yield from (f"shared/base/codes.def: nothing uses {name}" for name, _ in rows if name not in used)
    words = "|".join(word for _, word in rows)
    places = re.compile(rf'error_code = \'(?:{words})\'|"code",\s*"(?:{words})"|code(?:\)|),? *"(?:{words})"\) *[!=]= 0')
    for name, text in sources.items():
        for match in places.finditer(text):
            yield f"{name}:{line_of(text, match.start())}: {match.group(0)}: use MR_CODE_…"


def names_of_calls(text):
    """The system calls that a piece of C names for seccomp."""
    return set(re.findall(r"SCMP_SYS\((\w+)\)", text))


def check_syscalls():
    """The two tables of docs/security.md are the system calls that the sandbox allows."""
    code = read(rules.SYSCALLS)
    of_sanitizers = re.search(r"sanitizer_calls\[\] = \{(.*?)\n\};", code, re.DOTALL).group(1)
    for name, calls in (("syscalls", names_of_calls(code.replace(of_sanitizers, ""))),
                        ("syscalls-of-sanitizers", names_of_calls(of_sanitizers))):
        rows = marked(rules.SECURITY_PAGE, name)
        if rows is None:
            yield f"{rules.SECURITY_PAGE}: no <!-- {name} --> table"
            continue
        page = {call for row in rows for call in re.findall(r"`(\w+)`", row.split("|")[1])}
        yield from (f"{rules.SECURITY_PAGE} lacks `{call}` in {name}" for call in sorted(calls - page))
        yield from (f"{rules.SECURITY_PAGE} has `{call}` in {name}, but not {rules.SYSCALLS}" for call in sorted(page - calls))


def anchors(name):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*?) *$", read(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_paths():
    """Every path in backticks and every link in a document leads to a file, every anchor to a heading."""
    tops = {name.split("/")[0] for name in files(r".*/.*")}
    for page in files(r".*\.md"):
        text = read(page)
        for match in re.finditer(r"`([\w.*/-]+)`", text):
            path = match.group(1)
            if path.split("/")[0] in tops and "/" in path and not list(ROOT.glob(path.rstrip("/"))):
                yield f"{page}:{line_of(text, match.start())}: there is no {path}"
        for match in re.finditer(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = match.group(1).partition("#")
            if re.match(r"\w+:", path):
                continue
            target = (ROOT / page).parent / path if path else ROOT / page
            if not target.exists():
                yield f"{page}:{line_of(text, match.start())}: there is no {path}"
            elif anchor and anchor not in anchors(target.resolve().relative_to(ROOT)):
                yield f"{page}:{line_of(text, match.start())}: {path} has no heading for #{anchor}"


def check_version():
    """VERSION, CHANGELOG.md, the OpenAPI document and the images' labels name the same version."""
    version = read("VERSION").strip()
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"VERSION: {version!r} is not MAJOR.MINOR.PATCH"
    entries = re.findall(r"^## \[?(\d+\.\d+\.\d+)", read("CHANGELOG.md"), re.MULTILINE)
    others = {"CHANGELOG.md": entries[0] if entries else None,
              "web/static/openapi.json": json.loads(read("web/static/openapi.json"))["info"]["version"]}
    for name in files(r"Dockerfile\.\w+"):
        label = re.search(r"^ARG VERSION=(\S*)$", read(name), re.MULTILINE)
        others[name] = label.group(1) if label else None
    yield from (f"{name}: version {other}, but VERSION says {version}" for name, other in others.items() if other != version)


def check_circles():
    """No C files call each other's functions in a circle."""
    needs = circles.graph({name: read(name) for name in files(r"(shared|web|worker|client|infra)/.*\.c")})
    for circle in circles.circles(needs):
        yield f"{', '.join(circle)} call each other"
        yield from (f"    {name} calls {function} of {other}" for name in circle for other, function in needs[name].items()
                    if other in circle)


def check_vocabulary(*prefixes):
    """Texts and comments use the words of CONTRIBUTING.md. prefixes: of the paths to be checked; none: all."""
    for name in files():
        if name.startswith(prefixes or ("",)):
            text = read(name)
            for position, word, instead in vocabulary.faults(name, text):
                yield f"{name}:{line_of(text, position)}: {word!r}: {instead}"


def sql_texts(text):
    """(position, string) of each group of adjacent string literals of a C file, macros between them left out."""
    literal = r'"(?:[^"\\\n]|\\.)*"'
    for group in re.finditer(rf"{literal}(?:[\s\\]*(?:\w+(?:\([^()]*\))?[\s\\]*)?{literal})*", text):
        yield group.start(), "".join(part[1:-1] for part in re.findall(literal, group.group(0)))


def check_columns():
    """SQL names its columns, so that a migration can add one beside running programs."""
    for name in files(r"(shared|web|worker)/.*\.[ch]"):
        text = read(name)
        for position, sql in sql_texts(text):
            if not re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|RETURNING)\b", sql):
                continue
            for match in re.finditer("|".join(rules.BANNED_SQL), sql):
                yield f"{name}:{line_of(text, position)}: {match.group(0)!r}: name the columns"


def check_error_texts():
    """Error texts begin with the subject, have no first person, and stay short (error_texts.py)."""
    yield from (f"tests/lint/error_texts.py does not report: {call}" for call in error_texts.blind())
    for name in files(r"(shared|web|worker|client)/.*\.c"):
        text = read(name)
        yield from (f"{name}:{line_of(text, position)}: {fault}" for position, fault in error_texts.faults(text))


def check_python():
    """Every Python file compiles."""
    for name in files(r".*\.py"):
        try:
            compile(read(name), name, "exec")
        except SyntaxError as error:
            yield f"{name}:{error.lineno}: {error.msg}"


CHECKS = {name[6:]: value for name, value in list(globals().items()) if name.startswith("check_")}


def main(name, *arguments):
    faults = list(CHECKS[name](*arguments))
    for fault in faults:
        print(f"    {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
