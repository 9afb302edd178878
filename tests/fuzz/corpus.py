"""The inputs of the fuzz targets: corpus/TARGET.txt, a line each, where \\xNN, \\r, \\n and \\\\ are escapes and # begins a comment line.

    corpus.py c                    prints all as C, for the unit tests
    corpus.py files TARGET DIR     writes those of a target as files, for libFuzzer
    corpus.py add TARGET FILE…     appends files, such as a crash that libFuzzer has found
"""

import hashlib
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "corpus"
PLAIN = set(range(0x20, 0x7f)) - {ord("\\")}
NAMED = {ord("\\"): "\\\\", ord("\r"): "\\r", ord("\n"): "\\n"}


def inputs(path):
    for line in path.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            yield line.encode("ascii").decode("unicode_escape").encode("latin-1")


def escaped(data):
    text = "".join(chr(byte) if byte in PLAIN else NAMED.get(byte, f"\\x{byte:02x}") for byte in data)
    return "\\x23" + text[1:] if text.startswith("#") else text


def print_c():
    print('#include "tests/fuzz/corpus.h"')
    rows = []
    for path in sorted(FOLDER.glob("*.txt")):
        for number, data in enumerate(inputs(path)):
            name = f"{path.stem}_{number}"
            print(f"static const uint8_t {name}[] = {{{','.join(map(str, data)) or '0'}}};")
            rows.append(f'    {{"{path.stem}", {name}, {len(data)}}},')
    print("const struct mr_fuzz_file mr_fuzz_files[] = {", *rows, "};", sep="\n")
    print("const size_t mr_fuzz_file_count = sizeof mr_fuzz_files / sizeof *mr_fuzz_files;")


def write_files(target, folder):
    for data in inputs(FOLDER / f"{target}.txt"):
        (pathlib.Path(folder) / hashlib.sha1(data).hexdigest()).write_bytes(data)


def add(target, *files):
    with open(FOLDER / f"{target}.txt", "a", encoding="ascii") as corpus:
        for name in files:
            corpus.write(escaped(pathlib.Path(name).read_bytes()) + "\n")


def main(command, *arguments):
    {"c": print_c, "files": write_files, "add": add}[command](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
