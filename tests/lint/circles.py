"""Circles of files: C files that call each other's functions, so that neither can be understood or tested alone.

A file needs another one if it calls a function that is defined there, whichever header declares it. A function that is only
named, as in a table of handlers, is not called. Functions without prefix are local, by the style.
"""

import re

DEFINITION = re.compile(r"^(?!static\b|typedef\b|#|\s)[A-Za-z_][\w \t*]*?\b((?:mr|em)_\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
CALL = re.compile(r"\b((?:mr|em)_\w+)\(")
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def graph(sources):
    """sources: {path: text} of C files. {path: {path that it needs: a function that it calls there}}."""
    plain = {path: NOISE.sub(" ", text) for path, text in sources.items()}
    home = {name: path for path, text in plain.items() for name in DEFINITION.findall(text)}
    needs = {path: {} for path in sources}
    for path, text in plain.items():
        for name in sorted(set(CALL.findall(text))):
            if home.get(name, path) != path:
                needs[path].setdefault(home[name], name)
    return needs


def circles(needs):
    """The strongly connected parts with more than one node (Tarjan), sorted."""
    index, low, stack, on_stack, found, counter = {}, {}, [], set(), [], [0]

    def visit(start):
        work = [(start, iter(sorted(needs[start])))]
        index[start] = low[start] = counter[0]
        counter[0] += 1
        stack.append(start)
        on_stack.add(start)
        while work:
            node, others = work[-1]
            for other in others:
                if other not in index:
                    index[other] = low[other] = counter[0]
                    counter[0] += 1
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(sorted(needs[other]))))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    part = []
                    while True:
                        part.append(stack.pop())
                        on_stack.discard(part[-1])
                        if part[-1] == node:
                            break
                    if len(part) > 1:
                        found.append(sorted(part))

    for node in sorted(needs):
        if node not in index:
            visit(node)
    return sorted(found)
