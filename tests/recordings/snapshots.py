"""Reads the recordings: which scenarios there are, and what each of them recorded."""

import json
import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(
    os.environ.get("LAMBDALAB_RECORDINGS", REPOSITORY.parent / "shared/aws-recordings/lambda_")
)


class Recording:
    """One scenario: its file's subject, its name, and its answers by key."""

    def __init__(self, subject, name, answers):
        self.subject = subject
        self.name = name
        self.answers = answers

    @property
    def id(self):
        """Subject and name, as expectations and reports write it."""
        return f"{self.subject}::{self.name}"

    @property
    def plain(self):
        """The name without its parameters."""
        return self.name.partition("[")[0]

    @property
    def parameter(self):
        """What stands in the brackets; None where there are none."""
        _, bracket, rest = self.name.partition("[")
        return rest.removesuffix("]") if bracket else None


def load():
    """Every recorded scenario, in the order of files and names; none without the folder."""
    recordings = []
    for file in sorted(FOLDER.glob("**/*.snapshot.json")):
        subject = file.name.removesuffix(".snapshot.json")
        for name, entry in sorted(json.loads(file.read_text()).items()):
            recordings.append(Recording(subject, name, entry["recorded-content"]))
    return recordings
