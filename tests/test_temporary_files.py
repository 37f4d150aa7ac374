"""Where a function may write: a folder of its environment's own, which outlives its processes."""

import concurrent.futures
from pathlib import Path

from support import functions
from support.waiting import eventually

SOURCE = """
    import os
    import subprocess
    import tempfile
    import time

    def handler(event, context):
        folder = tempfile.gettempdir()
        kept = os.path.join(folder, "kept")
        if event == "hang":
            with open(kept, "w") as file:
                file.write(context.aws_request_id)
            time.sleep(60)
        own = os.path.join(folder, "own")
        if event == "meet":
            with open(own, "w") as file:
                file.write(context.log_stream_name)
            time.sleep(3)
            assert open(own).read() == context.log_stream_name
        with tempfile.NamedTemporaryFile("w+", delete=False) as file:
            file.write("written")
        made = subprocess.run(["mktemp"], capture_output=True, text=True, check=True).stdout.strip()
        with open(made, "w") as file:
            file.write("written")
        return {
            "environment": context.log_stream_name.partition("]")[2],
            "folder": folder,
            "files": [file.name, made],
            "kept": open(kept).read() if os.path.exists(kept) else None,
        }
"""


def own_folder(engine, answer):
    """The environment's folder as the engine lays it out."""
    return engine.data_dir / "environments" / answer["environment"]


def test_the_folder_is_the_environments_own(engine, client, deploy):
    name = deploy(SOURCE)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = [
            call.result().value
            for call in [pool.submit(functions.invoke, client, name, "meet") for _ in range(2)]
        ]
    assert len({answer["environment"] for answer in answers}) == 2
    for answer in answers:
        assert answer["environment"]
        isolated = answer["folder"] == "/tmp"
        if not isolated:
            assert Path(answer["folder"]).is_relative_to(own_folder(engine, answer))
        for file in answer["files"]:
            assert Path(file).parent == Path(answer["folder"])
            assert Path(file).exists() != isolated, "an isolated function's files are its own"
    client.delete_function(FunctionName=name)
    for answer in answers:
        eventually(lambda: not own_folder(engine, answer).exists(), "the folder goes with it")


def test_a_file_survives_a_timeout(client, deploy):
    name = deploy(SOURCE, Timeout=3)
    first = functions.invoke(client, name).value
    lost = functions.invoke(client, name, "hang")
    assert lost.error == "Unhandled"
    assert lost.payload["errorType"] == "Sandbox.Timedout"
    after = functions.invoke(client, name).value
    assert (after["environment"], after["folder"]) == (first["environment"], first["folder"])
    assert after["kept"] == lost.request_id
