"""The tables in documents that are printed from tables in the code.

tables.py          compares: a line for each difference, exit status 1 if there is one
tables.py --write  rewrites the documents (make tables)

Each entry of TABLES: a document, the name of its marked place, and a function that returns what has to stand there.
A Markdown file marks a place with <!-- name --> and <!-- /name -->; openapi.json has it as the schema of that name.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c17", "-I.", "-D_GNU_SOURCE", "-include", "shared/base/banned.h"]


def run_printer(name, sources, libraries):
    """Builds tests/lint/NAME.c with the sources and returns the JSON lines that it prints."""
    with tempfile.TemporaryDirectory() as directory:
        program = pathlib.Path(directory) / name
        subprocess.run(["gcc", *FLAGS, "-o", program, f"tests/lint/{name}.c", *sources, *libraries], cwd=ROOT, check=True)
        out = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


# As enum mr_code_place.
ANSWER, TASK, WARNING, DELIVERY, LOG, EMULATOR = 1, 2, 4, 8, 16, 32


def codes():
    if not hasattr(codes, "rows"):
        codes.rows = run_printer("print_codes", ["shared/base/codes.c", "shared/base/err.c", "shared/http/problem.c"], ["-ljansson"])
    return codes.rows


def codes_of(place):
    return [row for row in codes() if row["places"] & place]


def code_table(place, with_status):
    yield "| code | HTTP status | meaning | what to do |" if with_status else "| code | meaning | what to do |"
    yield "| --- | --- | --- | --- |" if with_status else "| --- | --- | --- |"
    for row in sorted(codes_of(place), key=lambda row: row["name"]):
        status = f" {row['http']} |" if with_status else ""
        yield f"| `{row['name']}` |{status} {row['meaning']} | {row['remedy']} |"


def code_schema(place, description):
    """An open list: a client must expect codes that are added later."""
    return {"description": description, "type": "string", "pattern": "^[a-z][a-z0-9_]*$",
            "x-extensible-enum": sorted(row["name"] for row in codes_of(place))}


ERRORS = "docs/errors.md"
OPENAPI = "web/static/openapi.json"
TABLES = [
    (ERRORS, "answers", lambda: code_table(ANSWER, True)),
    (ERRORS, "tasks", lambda: code_table(TASK, False)),
    (ERRORS, "warnings", lambda: code_table(WARNING, False)),
    (ERRORS, "deliveries", lambda: code_table(DELIVERY, False)),
    (ERRORS, "log", lambda: code_table(LOG, False)),
    (ERRORS, "emulator", lambda: code_table(EMULATOR, True)),
    (OPENAPI, "ErrorCode", lambda: code_schema(ANSWER, "For programs; docs/errors.md says what each means. More codes may be added.")),
    (OPENAPI, "TaskErrorCode", lambda: code_schema(TASK, "For programs; docs/errors.md says what each means. More codes may be added.")),
    (OPENAPI, "WarningCode", lambda: code_schema(WARNING, "For programs; docs/errors.md says what each means. More codes may be added.")),
]


def place_in(document, name):
    """The pattern of a marked place: what precedes, the content, what follows."""
    if document.endswith(".json"):
        return re.compile(rf'(?m)(^ *"{name}": )(\{{.*?\}})(,?$)')
    return re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)


def rendered(document, content):
    if document.endswith(".json"):
        return json.dumps(content, ensure_ascii=False)
    return "\n".join(content) + "\n"


def main(write):
    faults = 0
    for document, name, make in TABLES:
        path = ROOT / document
        text = path.read_text(encoding="utf-8")
        found = place_in(document, name).search(text)
        if not found:
            print(f"    {document}: no place for {name}")
            faults += 1
            continue
        wanted = rendered(document, make())
        if found.group(2) == wanted:
            continue
        if write:
            path.write_text(text[:found.start(2)] + wanted + text[found.end(2):], encoding="utf-8")
        else:
            print(f"    {document}: {name} differs from the code: run make tables")
            faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["--write"]))
