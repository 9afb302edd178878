"""gcloud's own message classes: whether a resource in a file has only fields, types and words that the API knows."""

import importlib
import pathlib
import shutil
import sys


def sdk_library():
    """The directory of the installed gcloud's Python code, or None."""
    program = shutil.which("gcloud")
    found = [parent / "lib" for parent in pathlib.Path(program).resolve().parents] if program else []
    return next((path for path in found if (path / "googlecloudsdk" / "generated_clients").is_dir()), None)


def message_class(api, version, name):
    library = sdk_library()
    for path in (str(library), str(library / "third_party")):
        if path not in sys.path:
            sys.path.append(path)
    return getattr(importlib.import_module(f"googlecloudsdk.generated_clients.apis.{api}.{version}.{api}_{version}_messages"), name)


def faults(kind, resource, known=()):
    """
    What a message class does not understand of a resource (a dict), as lines; known: fields of the API that this gcloud
    does not have yet, left out of the check.
    """
    from apitools.base.py import encoding  # message_class has put it on the path
    rest = {key: value for key, value in resource.items() if key not in known}
    try:
        message = encoding.PyValueToMessage(kind, rest)
    except Exception as error:  # apitools has no class of its own for it
        return [f"{kind.__name__}: {error}"]
    found = []
    for edges, names in encoding.UnrecognizedFieldIter(message):
        place = ".".join([kind.__name__, *(edge.field for edge in edges)])
        found += [f"{place}: {name} is not known, or its value is not" for name in names]
    return found
