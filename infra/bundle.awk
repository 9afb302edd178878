# Prints modules as one: awk -f infra/bundle.awk -v entry=app web/static/*.mjs
#
# Each module becomes a function that is called once, after those that it imports, and whose result has what it exports. This holds for
# modules as ours are: imports and exports begin their lines and fit into one, nothing is exported that is assigned later, no circles.
# A named import of what no module exports, or a circle, is an error.
FNR == 1 {
    module = FILENAME
    sub(/.*\//, "", module)
    sub(/\.mjs$/, "", module)
}
{ text[module, ++lines[module]] = $0 }

function fail(message) {
    print "infra/bundle.awk: " message > "/dev/stderr"
    failed = 1
    exit 1
}

# The module that an import names.
function source_of(line) {
    sub(/.* from "\.\//, "", line)
    sub(/\.mjs";.*/, "", line)
    return line
}

function imported(line, module, names, count, i, name) {
    module = source_of(line)
    if (line ~ /^import \* as /) {
        sub(/^import \* as /, "", line)
        sub(/ from .*/, "", line)
        return "const " line " = module_" module ";"
    }
    if (line !~ /^import \{/) {
        sub(/^import /, "", line)
        sub(/ from .*/, "", line)
        return "const " line " = module_" module ".theDefault;"
    }
    sub(/^import \{ */, "", line)
    sub(/ *\} from .*/, "", line)
    count = split(line, names, /, */)
    for (i = 1; i <= count; i++) {
        name = names[i]
        sub(/ as .*/, "", name)
        if (!((module, name) in exported))
            fail(module ".mjs does not export " name)
    }
    gsub(/ as /, ": ", line)
    return "const { " line " } = module_" module ";"
}

# Notes what a line exports; returns the line without the word.
function declared(module, line, name) {
    if (line ~ /^export default /) {
        sub(/^export default /, "const theDefault = ", line)
        name = "theDefault"
    } else {
        sub(/^export /, "", line)
        name = line
        if (!sub(/^(async function\*?|function\*?|const|class) /, "", name))
            fail(module ".mjs: cannot bundle: export " line)
        sub(/[^A-Za-z0-9_$].*/, "", name)
    }
    exported[module, name] = 1
    exports[module] = exports[module] (exports[module] == "" ? "" : ", ") name
    return line
}

function emit(module, i, line) {
    if (state[module] == "done")
        return
    if (state[module] == "begun")
        fail(module ".mjs imports itself")
    if (!lines[module])
        fail("no module " module ".mjs")
    state[module] = "begun"
    for (i = 1; i <= lines[module]; i++)
        if (text[module, i] ~ /^import /)
            emit(source_of(text[module, i]))
    print "const module_" module " = (() => {"
    for (i = 1; i <= lines[module]; i++) {
        line = text[module, i]
        if (line ~ /^import /)
            line = imported(line)
        else if (line ~ /^export /)
            line = declared(module, line)
        print line
    }
    print "return { " exports[module] " };"
    print "})();"
    state[module] = "done"
}

END {
    if (!failed)
        emit(entry)
}
