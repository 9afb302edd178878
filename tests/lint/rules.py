"""The architecture as tables (docs/architecture.md); check.py applies them."""

# Who may include whom: directory → prefixes of what it may include. Longest directory wins.
SHARED = ("shared/",)
MAY_INCLUDE = {
    "shared/base/": ("shared/base/",),
    "shared/http/": ("shared/base/", "shared/http/"),
    "shared/gcp/": ("shared/base/", "shared/http/", "shared/gcp/"),
    # Formats and options: web and the confined child both stand on them.
    "shared/media/": ("shared/base/", "shared/media/"),
    "shared/data/": ("shared/base/", "shared/media/", "shared/http/", "shared/gcp/", "shared/data/"),
    "web/": SHARED + ("web/",),
    # Of the room with libav, the rest of the worker knows the entry alone.
    "worker/": SHARED + ("worker/media/convert.h", "worker/kinds/", "worker/*"),
    # What runs confined knows neither network nor database.
    "worker/media/": ("shared/base/", "shared/media/", "worker/media/", "worker/sandbox.h",
                      "worker/sandbox_client.h", "worker/protocol.h"),
    "infra/local/emulator/": SHARED + ("infra/local/emulator/",),
    "client/": ("shared/base/", "shared/http/", "client/"),
}

# Each foreign library in its one room: header → pattern of the files that may include it.
LIBRARIES = {
    r"civetweb\.h": r"shared/http/server\w*\.[ch]|tests/bench/sink\.c",
    r"curl/.*": r"shared/http/client\w*\.[ch]",
    r"libpq-fe\.h": r"shared/data/db\w*\.[ch]",
    r"lib(av|sw)\w+/.*": r"worker/media/\w+\.[ch]",
    r"jwt\.h": r"shared/base/jwt\.c",
    r"seccomp\.h": r"worker/sandbox\w*\.c",
    r"isa-l.*": r"shared/base/crc32c\.c",
    r"uni(case|ctype|norm|str)\.h": r"shared/base/unicode\.c",
}

# What must not be written: (pattern, where, why).
PRODUCTION = r"(shared|web|worker|client)/.*\.[ch]"
BANNED_TEXT = [
    (r"\b(TODO|FIXME|XXX)\b", r".*", "unfinished"),
    (r"\b(secure_)?getenv\s*\(", r"(shared|web|worker)/(?!base/config\.c).*\.[ch]", "the environment is read in config.c alone"),
    (r"\b(secure_)?getenv\s*\(", r"client/(?!settings\.c).*\.[ch]", "the environment is read in settings.c alone"),
    (r"(?i)\bTESTING\b|test[ _-]mode|local[ _-]mode|test[ _-]hook|\bmock", PRODUCTION, "a test hook in production code"),
    (r"(?<![\w.])/(work|home|Users)/\w", r".*", "a path of somebody's machine"),
    (r"(?m)^ +(?:const )?(?:enum |struct )?[a-z_0-9]+(?: \*)?\n +\*?\w+(?:\[\w+\])?; +/\*", r".*\.[ch]", "a type apart from its name: put the comment above"),
    (r"(?m)^ *(?:/\*|\*) .{130,}", r".*\.[ch]", "a long line of a comment"),
    (r"(?<![\w.])/root/\w", r".*", "a path of somebody's machine"),
]

# What SQL in C must not contain: "every column" in its spellings, and INSERT without the names of columns.
BANNED_SQL = [
    r"\b(?:SELECT|RETURNING|DISTINCT|ALL) +\*",
    r"[,)] *\* *(?:,|FROM\b|$)",
    r"\b\w+\.\*",
    r"\bINSERT INTO [\w.]+(?: AS \w+)? (?:VALUES|SELECT|TABLE)\b",
]

# The only files that are no text, and how large they may be.
BINARIES = {"worker/assets/logo.png": 30_000}

# The keys of an OpenAPI path item that are operations.
HTTP_METHODS = ("get", "post", "put", "patch", "delete")

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 80
README_LINES_MAX = 110
README_COLUMNS_MAX = 120

# Where the tables stand that are compared with the code.
CONFIGURATION_PAGE = "docs/configuration.md"
API_PAGE = "docs/api.md"
SECURITY_PAGE = "docs/security.md"
SYSCALLS = "worker/sandbox_confine.c"
