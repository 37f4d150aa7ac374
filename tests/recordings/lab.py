"""What a scenario is played with: calls to a real engine, and a record of their answers."""

import itertools
import json

from botocore.exceptions import ClientError

from recordings.matcher import Matcher, document
from support import functions
from support.waiting import eventually

ACCOUNT = "111111111111"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda-role"
RUNTIME = "python3.12"
ECHO = functions.ECHO

_numbers = itertools.count()


class Refused(Exception):
    """A call that only prepares the scenario was refused."""


class Lab:
    """One scenario under way."""

    def __init__(self, engine):
        self.engine = engine
        self.answers = {}
        self.created = []
        self._clients = {}

    # -- names ------------------------------------------------------------------------------------

    def name(self):
        """A name that nothing has yet."""
        return f"{self.engine.mark}-r{next(_numbers)}"

    @staticmethod
    def arn(name, qualifier=None, region=REGION, account=ACCOUNT):
        """The ARN of a function, a version or an alias."""
        arn = f"arn:aws:lambda:{region}:{account}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    # -- calls ------------------------------------------------------------------------------------

    def client(self, service="lambda", region=REGION, account=ACCOUNT):
        """A client without a validation of its own, so that the engine's is what answers."""
        key = (service, region, account)
        if key not in self._clients:
            self._clients[key] = self.engine.client(
                service, region=region, access_key=account, parameter_validation=False
            )
        return self._clients[key]

    def ask(self, operation, *, region=REGION, **arguments):
        """Calls `operation` (or `service.operation`); what was answered, be it an error."""
        service, _, operation = operation.rpartition(".")
        client = self.client(service or "lambda", region)
        try:
            answer = getattr(client, operation)(**arguments)
        except ClientError as error:
            return _plain(error.response)
        if operation == "create_function":
            self.created.append((region, answer["FunctionName"]))
        return _plain(answer)

    def call(self, operation, **arguments):
        """Calls what has to succeed for the scenario to go on."""
        answer = self.ask(operation, **arguments)
        if "Error" in answer and answer["ResponseMetadata"]["HTTPStatusCode"] >= 300:
            raise Refused(f"{operation} was refused: {json.dumps(answer['Error'])}")
        return answer

    def record(self, key, operation, **arguments):
        """Calls, and keeps the answer under the recording's key."""
        return self.keep(key, self.ask(operation, **arguments))

    def keep(self, key, answer):
        """Keeps an answer, or what a scenario made of some, under the recording's key."""
        assert key not in self.answers, f"{key} is recorded twice"
        self.answers[key] = answer
        return answer

    # -- functions --------------------------------------------------------------------------------

    def arguments(self, name=None, **more):
        """The arguments of CreateFunction, with what a scenario does not care about."""
        return {
            "FunctionName": name or self.name(),
            "Runtime": RUNTIME,
            "Handler": "index.handler",
            "Role": ROLE,
            "Code": {"ZipFile": functions.package({"index.py": ECHO})},
            **more,
        }

    def create(self, key=None, wrapped=False, **more):
        """Creates a function, waits until it is active, and returns its name.

        Under `key` the answer is kept, `wrapped` as scenarios do that have a helper for this.
        """
        arguments = self.arguments(more.pop("name", None), **more)
        answer = self.call("create_function", **arguments)
        if key:
            shape = {"CreateEventSourceMappingResponse": None, "CreateFunctionResponse": answer}
            self.keep(key, shape if wrapped else answer)
        self.active(arguments["FunctionName"])
        return arguments["FunctionName"]

    def deploy(self, key=None, source=ECHO, **more):
        """Creates a function with what most recordings have: handler.py, 30 s, no variables."""
        defaults = {
            "Handler": "handler.handler",
            "Timeout": 30,
            "Environment": {"Variables": {}},
            "Code": {"ZipFile": functions.package({"handler.py": source})},
        }
        return self.create(key, wrapped=True, **{**defaults, **more})

    def active(self, name, qualifier=None):
        """Waits until a function or a version of it is no longer pending."""
        self._settled(name, "State", "Pending", qualifier)

    def updated(self, name, qualifier=None):
        """Waits until no update is under way."""
        self._settled(name, "LastUpdateStatus", "InProgress", qualifier)

    def _settled(self, name, member, until, qualifier):
        arguments = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})

        def settled():
            answer = self.call("get_function_configuration", **arguments)
            return answer.get(member) != until and answer

        answer = eventually(settled, f"{member} of {name} is no longer {until}", timeout=90)
        if answer.get(member) == "Failed":
            raise Refused(f"{name} is Failed: {answer.get('StateReason')}")

    def invoke(self, key, name, event=None, **more):
        """Invokes, and keeps the answer with its payload as text."""
        return self.record(key, "invoke", FunctionName=name, Payload=json.dumps(event), **more)

    # -- the end ----------------------------------------------------------------------------------

    def clean(self):
        """Deletes what the scenario has created."""
        for region, name in self.created:
            self.ask("delete_function", region=region, FunctionName=name)


def differences(lab, recording, played):
    """Compares everything that was recorded; the differences as lines of text."""
    matcher, found = Matcher(), []
    expected = recording.answers | {key: answer for key, (answer, _) in played.instead.items()}
    for key in sorted(expected.keys() | lab.answers.keys()):
        if key not in lab.answers:
            found.append(f"{key}: the scenario did not get as far")
        elif key not in expected:
            found.append(f"{key}: the recording has no such answer")
        else:
            answer = _without_grown(expected[key], lab.answers[key], played.grown)
            found += matcher.compare(expected[key], answer, key)
    return found


def _without_grown(expected, actual, grown):
    """The answer without members that AWS has added since; ours must have the others."""
    if not grown:
        return actual
    if isinstance(expected, dict) and isinstance(actual, str):
        actual = document(actual)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {
            name: _without_grown(expected.get(name), value, grown)
            for name, value in actual.items()
            if name in expected or name not in grown
        }
    return actual


def _plain(answer):
    """An answer as the recordings keep it: the status alone of HTTP, and payloads as text."""
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    members = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    if hasattr(members.get("Payload"), "read"):
        members["Payload"] = members["Payload"].read().decode()
    for configuration in (members, members.get("Configuration", {})):
        if configuration.get("State") == "Active":
            # AWS has none then; the engine says what its host cannot give.
            configuration.pop("StateReason", None)
    return members | {"ResponseMetadata": {"HTTPHeaders": {}, "HTTPStatusCode": status}}
