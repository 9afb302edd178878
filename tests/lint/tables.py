"""The tables in documents that are printed from tables in the code.

tables.py          compares: a line for each difference, exit status 1 if there is one
tables.py --write  rewrites the documents (make tables)

Each entry of TABLES: a document, the name of its marked place, and a function that returns what has to stand there.
A Markdown file marks a place with <!-- name --> and <!-- /name -->, a manual page with the comments .\\" name and .\\" /name; openapi.json has it as the schema of that name.
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
ANSWER, TASK, WARNING, DELIVERY, LOG, EMULATOR, CLIENT = 1, 2, 4, 8, 16, 32, 256


def codes():
    if not hasattr(codes, "rows"):
        codes.rows = run_printer("print_codes", ["shared/base/codes.c", "shared/base/err.c", "shared/base/utf8.c", "shared/http/problem.c"], ["-ljansson"])
    return codes.rows


def codes_of(place):
    return [row for row in codes() if row["places"] & place]


def quota_table():
    sources = [f"shared/base/{name}.c" for name in ("quotas", "codes", "err", "utf8", "clock")] + ["shared/http/problem.c"]
    yield "| what | default | setting | of a guest | over it | what to do |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in run_printer("print_quotas", sources, ["-ljansson"]):
        yield (f"| {row['what']} | {row['default']:,} {row['unit']} | `{row['variable']}` | {row['of_guest']:,} | {row['http']} `{row['code']}` "
               f"| {row['remedy']} |")


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


def media(table):
    """The rows of formats, containers and codecs that are read, codecs, options or presets."""
    if not hasattr(media, "rows"):
        base = [f"shared/base/{name}.c" for name in ("fields", "buf", "encoding", "utf8", "err", "codes")]
        own = [f"shared/media/{name}.c" for name in ("formats", "options", "options_rules", "presets")]
        media.rows = run_printer("print_options", base + own, ["-ljansson", "-lcrypto", "-lm"])
    return [row for row in media.rows if row["table"] == table]


def codec(name):
    return next(row for row in media("codec") if row["name"] == name)


def format_table():
    yield "| format | also as | holds | codecs |"
    yield "| --- | --- | --- | --- |"
    for row in media("format"):
        usual = [codec(row["codecs"][0])["title"], *([codec(row["audio_codec"])["title"]] if row["audio_codec"] else [])]
        others = " or ".join(row["codecs"][1:])
        holds = "audio" if not row["video"] else "video, audio" if row["audio_codec"] else "video"
        aliases = f" {', '.join(row['aliases'])} |" if row["aliases"] else " |"
        yield f"| {row['name']} |{aliases} {holds} | {', '.join(usual)}{f'; `codec` {others}' if others else ''} |"


def input_table():
    yield "| file | names end with |"
    yield "| --- | --- |"
    for row in media("container"):
        yield f"| {row['title']} | {', '.join(row['extensions'].split())} |"


def input_codecs():
    for kind, name in (("VIDEO", "Video"), ("AUDIO", "Audio"), ("TEXT", "Subtitles")):
        yield f"- {name}: {', '.join(row['title'] for row in media('reads') if row['kind'] == kind and row['title'])}"


def span(low, high):
    return f"{low}" if low == high else f"{low} … {high}"


def limit_of(row, option):
    """What a codec accepts of an option, as far as the option's own bounds go; None if it has no such setting."""
    if option["name"] == "preset":
        return "yes" if row["has_presets"] else None
    if option["name"] == "sample_rate" and row["sample_rates"]:
        return ", ".join(map(str, row["sample_rates"]))
    low, high = row["limits"].get(option["name"], (0, 0))
    return span(max(low, number(option["min"])), min(high, number(option["max"]))) if high else None


def limited_options():
    return [row for row in media("option")
            if row["name"] == "preset" or any(row["name"] in one["limits"] for one in media("codec"))]


def codec_table():
    options = limited_options()
    yield "| codec | " + " | ".join(f"`{option['name']}`" for option in options) + " |"
    yield "| --- |" + " --- |" * len(options)
    for row in media("codec"):
        yield f"| {row['name']} | " + " | ".join(limit_of(row, option) or "–" for option in options) + " |"


def applies_to(option):
    if option["of_main"]:
        return "the video, or the audio of an audio format"
    if option["needs_audio"] and option["needs_video"]:
        return "video formats with audio"
    return "video" if option["needs_video"] else "audio" if option["needs_audio"] else "video and audio"


def option_table():
    yield "| option | value | applies to | meaning |"
    yield "| --- | --- | --- | --- |"
    for option in media("option"):
        yield f"| `{option['name']}` | {option['expects']} | {applies_to(option)} | {option['meaning']} |"
        for part in option["parts"]:
            needed = ", required" if part["required"] else ""
            yield f"| `{option['name']}.{part['name']}` | {part['expects']}{needed} | | {part['meaning']} |"


def preset_table():
    yield "| preset | options | format |"
    yield "| --- | --- | --- |"
    for row in media("preset"):
        yield f"| `{row['name']}` | `{row['options']}` | {row['format']} |"


def format_schema():
    return {"type": "string", "enum": [row["name"] for row in media("format")]}


def output_format_schema():
    return {"type": "string", "enum": [*(row["name"] for row in media("format")), "jpg", "json", "png"],
            "description": "`jpg` for the thumbnail, `json` and `png` for the waveform."}


def new_format_schema():
    def pattern(name):
        return "".join(f"[{one.upper()}{one}]" if one.isalpha() else one for one in name)

    def listed(video):
        return ", ".join(row["name"] + (f" (also {', '.join(row['aliases'])})" if row["aliases"] else "")
                         for row in media("format") if row["video"] == video)
    names = [name for row in media("format") for name in (row["name"], *row["aliases"])]
    return {"type": "string", "description": f"Audio: {listed(False)}. Video: {listed(True)}. Upper or lower case.",
            "pattern": f"^({'|'.join(map(pattern, names))})$", "examples": ["flac"],
            "x-choices": {kind: [row["name"] for row in media("format") if row["video"] == video]
                          for kind, video in (("Audio", False), ("Video", True))}}


def preset_schema():
    described = "; ".join(f"`{row['name']}`: `{row['options']}`" for row in media("preset"))
    formats = " or ".join(sorted({row["format"] for row in media("preset")}))
    return {"type": "string", "enum": [row["name"] for row in media("preset")],
            "description": f"{described}. They make {formats}; with `newFormat` another video format."}


def number(value):
    return int(value) if value == int(value) else value


# What a schema says beyond the table's bounds.
RATIO = {"type": "string", "pattern": "^[0-9]+:[0-9]+$", "maxLength": 9, "examples": ["16:9"]}
BEYOND = {
    "options": {"examples": [{"resize": {"width": 1280}, "trim": {"start": 5, "duration": 30}, "loudness": -16}]},
    "options.resize": {"if": {"anyOf": [{"required": ["width"]}, {"required": ["height"]}, {"required": ["aspect"]}]},
                       "then": {"not": {"required": ["width", "height", "aspect"]}}, "else": False},
    "options.resize.fit": {"default": "pad"},
    "options.mute": {"default": "false"},
    "options.background": {"pattern": "^#[0-9A-Fa-f]{6}$"},
    **{f"options.{name}": {"default": 0} for name in ("trim.start", "logo.intro", "logo.outro")},
}


def limits_text(option):
    """" h264: 0 … 51; vp9: 0 … 63." Codecs of the same limit stand together."""
    by_limit = {}
    for row in media("codec"):
        limit = limit_of(row, option)
        if limit:
            by_limit.setdefault(limit, []).append(row["name"])
    if option["name"] == "preset":
        return f" {', '.join(by_limit['yes'])} only."
    return " " + "; ".join(f"{', '.join(names)}: {limit}" for limit, names in by_limit.items()) + "."


def codecs_text():
    chosen = {}
    for row in media("format"):
        if len(row["codecs"]) > 1:
            chosen.setdefault(", ".join(row["codecs"]), []).append(row["name"])
    return " " + "; ".join(f"{', '.join(names)}: {codecs}" for codecs, names in chosen.items()) + ". The first one is the default."


def field_schema(field, path, more=""):
    kind = field["type"]
    if kind == "ratio":
        schema = {**RATIO, "description": f"{field['meaning']} {field['expects'].capitalize()}."}
    else:
        schema = {"type": kind, **({"description": field["meaning"] + more} if field["meaning"] else {})}
    if kind in ("integer", "number"):
        schema |= {"minimum": number(field["min"]), "maximum": number(field["max"])}
    if field["even"]:
        schema["multipleOf"] = 2
    if field["words"]:
        schema["enum"] = field["words"]
    if kind == "object":
        schema |= object_schema(field["parts"], path)
    more = dict(BEYOND.get(path, {}))
    if "default" in more:  # in words: generators of clients take a field with a default for one that must be given
        schema["description"] += f" By default {more.pop('default')}."
    return schema | more


def object_schema(fields, path, more=lambda field: ""):
    required = [field["name"] for field in fields if field["required"]]
    return {"additionalProperties": False, **({"required": required} if required else {"minProperties": 1} if path != "options" else {}),
            "properties": {field["name"]: field_schema(field, f"{path}.{field['name']}", more(field)) for field in fields}}


def exclusions(options):
    """What cannot be combined; a flag may be there if it is false."""
    types = {row["name"]: row["type"] for row in options}
    pairs = [(row["name"], row["excludes"]) for row in options if row["excludes"]]
    return {"anyOf": [{"required": [one, other], **({"properties": {other: {"const": True}}} if types[other] == "boolean" else {})}
                      for one, other in pairs]}


def options_schema():
    options = media("option")

    def needing(what):
        return ", ".join(f"`{row['name']}`" for row in options if row[f"needs_{what}"])

    def more(option):
        if option["name"] == "codec":
            return codecs_text()
        return limits_text(option) if option in limited_options() else ""
    return {"type": "object",
            "description": f"How to convert; in a form, as JSON text. Only formats with video take {needing('video')}; only formats with audio "
                           f"take {needing('audio')}. A wrong option returns 400 and is named in `detail`: `unknown_option`, `wrong_type`, "
                           "`missing_option`, `out_of_range`, `bad_option`.",
            **object_schema(options, "options", more), "not": exclusions(options), **BEYOND["options"]}


def probe_options_schema():
    return {"type": "object",
            "description": "Previews of the file, which become the outputs of a task; in a form, as JSON text. What the file has no streams for "
                           "is listed in the task's `result.dropped`, with the reason.",
            **object_schema([option for option in media("option") if option["is_preview"]], "options"),
            "examples": [{"filmstrip": {"frames": 50}, "waveform": {"points": 500, "height": 64}}]}


def client(table):
    """The rows of commands, options or exit statuses of the command line."""
    if not hasattr(client, "rows"):
        base = [f"shared/base/{name}.c" for name in ("codes", "err", "utf8", "encoding", "buf")]
        client.rows = run_printer("print_client", base + ["client/arguments.c", "client/exits.c"], ["-ljansson", "-lcrypto"])
    return [row for row in client.rows if row["table"] == table]


def roff(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def man_commands():
    for row in client("command"):
        yield f".SS {roff(row['name'])} {roff(row['words'])}".rstrip()
        yield roff(row["meaning"])
        yield from man_options(row["bit"])


def man_options(bit):
    for row in client("option"):
        if row["commands"] & bit and row["commands"] != all_commands():
            yield from man_option(row)


def man_option(row):
    letter = f"\\fB\\-{row['letter']}\\fR, " if row["letter"] else ""
    value = f" \\fI{roff(row['value'])}\\fR" if row["value"] else ""
    yield ".TP"
    yield f"{letter}\\fB\\-\\-{roff(row['name'])}\\fR{value}"
    yield roff(row["meaning"])


def all_commands():
    return sum(row["bit"] for row in client("command"))


def man_common_options():
    for row in client("option"):
        if row["commands"] == all_commands():
            yield from man_option(row)


def man_exits():
    for row in client("exit"):
        yield ".TP"
        yield f"\\fB{row['number']}\\fR"
        yield roff(row["meaning"])


def exit_table():
    yield "| status | meaning |"
    yield "| --- | --- |"
    for row in client("exit"):
        yield f"| {row['number']} | {row['meaning']} |"


API = "docs/api.md"
CLI = "docs/cli.md"
MAN = "client/mediarun.1"
ERRORS = "docs/errors.md"
GUIDE = "docs/guide.md"
OPENAPI = "web/static/openapi.json"
TABLES = [
    (API, "quotas", quota_table),
    (ERRORS, "answers", lambda: code_table(ANSWER, True)),
    (ERRORS, "tasks", lambda: code_table(TASK, False)),
    (ERRORS, "warnings", lambda: code_table(WARNING, False)),
    (ERRORS, "deliveries", lambda: code_table(DELIVERY, False)),
    (ERRORS, "log", lambda: code_table(LOG, False)),
    (ERRORS, "client", lambda: code_table(CLIENT, False)),
    (ERRORS, "emulator", lambda: code_table(EMULATOR, True)),
    (CLI, "exits", exit_table),
    (MAN, "commands", man_commands),
    (MAN, "options", man_common_options),
    (MAN, "exits", man_exits),
    (GUIDE, "formats", format_table),
    (GUIDE, "inputs", input_table),
    (GUIDE, "input-codecs", input_codecs),
    (GUIDE, "options", option_table),
    (GUIDE, "codecs", codec_table),
    (GUIDE, "presets", preset_table),
    (OPENAPI, "Format", format_schema),
    (OPENAPI, "OutputFormat", output_format_schema),
    (OPENAPI, "NewFormat", new_format_schema),
    (OPENAPI, "Preset", preset_schema),
    (OPENAPI, "TaskOptions", options_schema),
    (OPENAPI, "ProbeOptions", probe_options_schema),
    (OPENAPI, "ErrorCode", lambda: code_schema(ANSWER, "For programs; docs/errors.md says what each means. More codes may be added.")),
    (OPENAPI, "TaskErrorCode", lambda: code_schema(TASK, "For programs; docs/errors.md says what each means. More codes may be added.")),
    (OPENAPI, "WarningCode", lambda: code_schema(WARNING, "For programs; docs/errors.md says what each means. More codes may be added.")),
]


def place_in(document, name):
    """The pattern of a marked place: what precedes, the content, what follows."""
    if document.endswith(".json"):
        return re.compile(rf'^( *)"{name}": (\{{(?:[^\n]*\}}|\n(?:\1 [^\n]*\n)*\1\}}))(?=,?$)', re.MULTILINE)
    if document.endswith(".1"):
        return re.compile(rf'(\.\\" {name}\n)(.*?)(\.\\" /{name}\n)', re.DOTALL)
    return re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)


def rendered_json(content, indent):
    """A schema with properties has a line for each of them; what has none stands on one line."""
    if "properties" not in content:
        return json.dumps(content, ensure_ascii=False)
    return expanded_json(content, indent)


def expanded_json(content, indent):
    inner = indent + "  "
    entries = (f"{inner}{json.dumps(key)}: {expanded_json(value, inner) if key == 'properties' else json.dumps(value, ensure_ascii=False)}"
               for key, value in content.items())
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"


def rendered(document, content, indent):
    if document.endswith(".json"):
        return rendered_json(content, indent)
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
        wanted = rendered(document, make(), found.group(1))
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
