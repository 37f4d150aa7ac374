"""Functions in the languages of the recordings, and which of them this machine can run."""

import shutil

from recordings.registry import NotExpressible
from support import functions

ECHO = {
    "python": """
        def handler(event, context):
            print(event)
            return event
    """,
    "nodejs": """
        exports.handler = async (event) => {
            console.log(event);
            return event;
        };
    """,
}

# What a function's environment has here and not on AWS.
OURS = {"AWS_ENDPOINT_URL": "by it the SDKs in a function find the engine"}

FILES = {"python": "handler.py", "nodejs": "handler.js"}


def language(runtime):
    """`python` for `python3.12`; the whole name where it has no number."""
    return runtime.removesuffix(".al2").removesuffix(".al2023").rstrip("0123456789.x") or runtime


def package(runtime, sources):
    """The zip of the source in the runtime's language; of a note where there is none.

    Without an interpreter a function can be managed all the same, and much was recorded of that.
    """
    name = language(runtime)
    if name not in sources:
        return functions.package({"note.txt": f"{name} is not run here\n"})
    return functions.package({FILES[name]: sources[name]})


def runnable(runtime):
    """Refuses to go on where no function of this runtime can run."""
    name = language(runtime)
    if name not in ECHO:
        raise NotExpressible(f"functions in {name} are not built here")
    if shutil.which({"python": "python3", "nodejs": "node"}[name]) is None:
        raise NotExpressible(f"no interpreter for {name} is here")
