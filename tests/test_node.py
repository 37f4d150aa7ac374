"""Node functions: handlers, errors, logs and modules as AWS's own runtime treats them."""

import base64
import json
import re

import pytest

from support import census, functions, runtimes
from support.waiting import eventually

HERE = runtimes.exact("nodejs")
# Callbacks went with Node 24.
RUNTIME = next((name for name in reversed(HERE) if name < "nodejs24"), None)

pytestmark = pytest.mark.skipif(
    RUNTIME is None, reason=f"no Node from 16 to 22 on this machine (found {HERE or 'none'})"
)

ESM = {"package.json": '{"type": "module"}'}


@pytest.fixture(scope="module", autouse=True)
def installed():
    runtimes.install(RUNTIME)


@pytest.fixture
def newest(client, deploy):
    """Deploys an index.mjs as nodejs24.x, whichever Node it then runs under, and invokes it."""
    runtime = runtimes.install("nodejs24.x")

    def newest(source, event=None):
        archive = functions.package({"index.mjs": source})
        name = deploy(archive, Runtime=runtime, Handler="index.handler", Timeout=30)
        return functions.invoke(client, name, event, LogType="Tail")

    return newest


@pytest.fixture
def node(client, deploy):
    """Deploys files, or the text of index.js, and returns how to invoke what came of it."""

    def node(files, handler="index.handler", **more):
        files = files if isinstance(files, dict) else {"index.js": files}
        archive = functions.package(files)
        name = deploy(archive, Runtime=RUNTIME, Handler=handler, **more)

        def invoke(event=None, **options):
            return functions.invoke(client, name, event, LogType="Tail", **options)

        return invoke

    return node


def lines(result):
    """What the function itself logged."""
    ours = ("INIT_START", "START", "END", "REPORT", "INIT_REPORT")
    return [line for line in result.log.splitlines() if line and not line.startswith(ours)]


@pytest.mark.parametrize(
    ("handler", "files"),
    [
        ("index.handler", {"index.js": "exports.handler = async (event) => event"}),
        ("index.handler", {"index.cjs": "exports.handler = async (event) => event"}),
        ("index.handler", {"index.mjs": "export const handler = async (event) => event"}),
        ("index.handler", {**ESM, "index.js": "export const handler = async (event) => event"}),
        ("src/in/app.run", {"src/in/app.js": "exports.run = async (event) => event"}),
        ("src/in/app.run", {"src/in/app.mjs": "export const run = async (event) => event"}),
        ("index.api.v1.get", {"index.js": "exports.api = {v1: {get: async (event) => event}}"}),
        ("lib.handler", {"lib/index.js": "exports.handler = async (event) => event"}),
        (
            "index.handler",
            {
                "index.mjs": """
                    const handler = await Promise.resolve(async (event) => event)
                    export { handler }
                """
            },
        ),
    ],
)
def test_handlers_are_found(node, handler, files):
    assert node(files, handler)({"größe": [1, None, "✓"]}).value == {"größe": [1, None, "✓"]}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("callback(null, 1)", 1),
        ("setTimeout(() => callback(null, 2), 5)", 2),
        ("context.succeed(3)", 3),
        ("context.done(null, 4)", 4),
        ("return Promise.resolve(5)", 5),
        ("callback(null)", None),
        ("return 6", None),
        # A callback's answer waits for everything that was begun, unless told not to.
        ("setTimeout(() => { global.late = 1 }, 30); callback(null, 7)", 7),
        (
            "context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 60000); "
            "callback(null, 8)",
            8,
        ),
    ],
)
def test_handlers_with_callbacks(node, body, answer):
    function = node(f"exports.handler = (event, context, callback) => {{ {body} }}")
    assert function().value == answer
    assert function().value == answer


def test_the_context(node):
    function = node(
        """
        exports.handler = async (event, context) => ({
            ...context,
            left: context.getRemainingTimeInMillis(),
            methods: ["done", "fail", "succeed"].map((name) => typeof context[name]),
        })
        """,
        Timeout=9,
        MemorySize=512,
    )
    result = function()
    context = result.value
    assert context["awsRequestId"] == result.request_id
    assert context["functionName"] in context["invokedFunctionArn"]
    assert context["functionVersion"] == "$LATEST"
    assert context["memoryLimitInMB"] == "512"
    assert context["logGroupName"] == f"/aws/lambda/{context['functionName']}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context["logStreamName"])
    assert context["callbackWaitsForEmptyEventLoop"] is True
    assert context["methods"] == ["function"] * 3
    assert 5_000 < context["left"] <= 9_000


def test_the_client_context(node):
    context = {"custom": {"größe": "✓"}, "client": {"app_title": "a"}}
    encoded = base64.b64encode(json.dumps(context, ensure_ascii=False).encode()).decode()
    function = node("exports.handler = async (event, context) => context.clientContext ?? null")
    assert function(ClientContext=encoded).value == context
    assert function().value is None


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("async () => { throw new TypeError('wrong') }", "TypeError", "wrong"),
        ("() => { throw new TypeError('wrong') }", "TypeError", "wrong"),
        ("(e, c, callback) => callback(new RangeError('far'))", "RangeError", "far"),
        ("(e, c, callback) => callback('a text')", "string", "a text"),
        ("(e, context) => context.fail('a text')", "string", "a text"),
        ("async () => { throw {a: 1} }", "object", "[object Object]"),
    ],
)
def test_errors_that_leave_the_process_alive(node, body, kind, message):
    function = node(
        f"const run = {body}; let n = 0;\n"
        "exports.handler = (event, context, callback) =>\n"
        "  n++ === 1 ? Promise.resolve(n) : run(event, context, callback)"
    )
    result = function()
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == kind
    assert result.payload["errorMessage"] == message
    assert isinstance(result.payload["trace"], list)
    logged = next(line for line in lines(result) if "\tERROR\tInvoke Error" in line)
    assert logged.split("\t")[1] == result.request_id
    assert function().value == 2, "the same process goes on"


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ("setTimeout(() => { throw new Error('late') }, 1)", "Error", "late"),
        (
            "Promise.reject(new Error('lost'))",
            "Runtime.UnhandledPromiseRejection",
            "Error: lost",
        ),
    ],
)
def test_errors_that_cost_the_process(node, fault, kind, message):
    function = node(
        f"""
        exports.handler = (event) => {{
            if (!event) return Promise.resolve(1)
            {fault}
            return new Promise(() => {{}})
        }}
        """
    )
    result = function(1)
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == kind
    assert result.payload["errorMessage"] == message
    assert result.payload["trace"][0] == f"{kind}: {message}"
    assert function(0).value == 1


def test_an_exit(node):
    result = node("exports.handler = () => process.exit(7)")()
    assert result.payload["errorType"] == "Runtime.ExitError"
    assert result.payload["errorMessage"].endswith("Runtime exited with error: exit status 7")


@pytest.mark.parametrize(
    ("files", "handler", "kind", "message"),
    [
        (
            {"index.js": "require('nowhere'); exports.handler = async () => 1"},
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nowhere'",
        ),
        (
            {"other.js": ""},
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'index'",
        ),
        (
            {"index.js": "exports.handler = async () => {"},
            "index.handler",
            "Runtime.UserCodeSyntaxError",
            "SyntaxError: Unexpected end of input",
        ),
        (
            {"index.js": "exports.other = 1"},
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        ({"index.js": ""}, "index", "Runtime.MalformedHandlerName", "Bad handler"),
        ({"index.js": "throw new RangeError('at once')"}, "index.handler", "RangeError", "at once"),
    ],
)
def test_errors_of_the_init_phase(node, files, handler, kind, message):
    result = node(files, handler)()
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == kind
    assert result.payload["errorMessage"].splitlines()[0] == message


def test_what_the_console_prints(node):
    function = node(
        """
        exports.handler = async () => {
            console.log('plain %d', 1, {a: [1]})
            console.info('i'); console.debug('d'); console.warn('w'); console.error('e')
            console.log('two\\nlines')
            process.stdout.write('raw\\n')
        }
        """
    )
    result = function()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    logged = [line.split("\t") for line in lines(result)]
    assert ["raw"] in logged
    of_invocation = [line for line in logged if re.fullmatch(stamp, line[0])]
    assert {line[1] for line in of_invocation} == {result.request_id}
    assert [line[2:] for line in of_invocation] == [
        ["INFO", "plain 1 { a: [ 1 ] }"],
        ["INFO", "i"],
        ["DEBUG", "d"],
        ["WARN", "w"],
        ["ERROR", "e"],
        ["INFO", "two"],
    ]
    assert ["lines"] in logged, "a record keeps its lines"


def test_json_logs(node):
    function = node(
        """
        exports.handler = async () => {
            console.debug('not at this level')
            console.log('text')
            console.log({a: 1})
            console.error('failed', new RangeError('far'))
        }
        """,
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
    )
    result = function()
    records = [json.loads(line) for line in lines(result) if line.startswith("{")]
    records = [record for record in records if "requestId" in record]
    assert [(r["level"], r["message"]) for r in records[:2]] == [("INFO", "text"), ("INFO", {"a": 1})]
    assert records[2]["level"] == "ERROR"
    assert records[2]["errorType"] == "RangeError"
    assert records[2]["errorMessage"] == "far"
    assert {record["requestId"] for record in records} == {result.request_id}
    assert len(records) == 3


def test_large_events_and_answers(node):
    echo = node("exports.handler = async (event) => event")
    text = "größer " * 300_000
    assert echo(text).value == text
    assert echo(text).value == text
    grow = node("exports.handler = async (n) => 'x'.repeat(n)")
    result = grow(7_000_000)
    assert result.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert grow(3).value == "xxx"
    assert len(grow(6_000_000).value) == 6_000_000


def test_an_idle_function_is_frozen_and_goes_on(node, engine, names):
    name = next(names)
    function = node("let n = 0; exports.handler = async () => ++n", FunctionName=name)
    assert function().value == 1
    (process,) = census.of_function(engine.mark, name)
    eventually(lambda: census.stands_still(process), "the function is frozen")
    assert function().value == 2


def test_a_streaming_handler_answers(node):
    function = node(
        """
        exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
            stream.setContentType('application/json')
            stream.write('{"id": "' + context.awsRequestId + '", ')
            await new Promise((resolve) => setTimeout(resolve, 5))
            stream.write('"event": ' + JSON.stringify(event) + '}')
            stream.end()
        })
        """
    )
    for event in (1, 2):
        result = function(event)
        assert result.value == {"id": result.request_id, "event": event}


def test_a_streaming_handler_fails_on_the_way(node):
    function = node(
        """
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
            stream.write('begun')
            throw new RangeError('far')
        })
        """
    )
    result = function()
    assert result.error == "Unhandled"
    assert (result.payload["errorType"], result.payload["errorMessage"]) == ("RangeError", "far")


SDK = """
    const client = new LambdaClient({})
    const identity = new STSClient({})
    IMPORTED const handler = async ({callee, n}) => {
        const answer = await client.send(new InvokeCommand({
            FunctionName: callee, Payload: JSON.stringify({n}),
        }))
        return {
            answer: JSON.parse(Buffer.from(answer.Payload).toString()),
            caller: (await identity.send(new GetCallerIdentityCommand({}))).Arn,
        }
    }
"""


@pytest.mark.skipif(RUNTIME == "nodejs16.x", reason="nodejs16.x bundles no SDK here")
@pytest.mark.parametrize("kind", ["CommonJS", "ES module"])
def test_a_function_invokes_another_by_the_bundled_sdk(node, deploy, kind):
    callee = deploy("def handler(event, context):\n    return event['n'] + 1\n")
    if kind == "CommonJS":
        files = {
            "index.js": """
                const { LambdaClient, InvokeCommand } = require('@aws-sdk/client-lambda')
                const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts')
                """
            + SDK.replace("IMPORTED const handler", "exports.handler")
        }
    else:
        files = {
            "index.mjs": """
                import { LambdaClient, InvokeCommand } from '@aws-sdk/client-lambda'
                import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts'
                """
            + SDK.replace("IMPORTED", "export")
        }
    result = node(files, Timeout=30)({"callee": callee, "n": 41}).value
    assert result["answer"] == 42
    assert result["caller"].startswith("arn:aws:sts::000000000000:assumed-role/test/")


@pytest.mark.skipif(RUNTIME == "nodejs16.x", reason="nodejs16.x bundles no SDK here")
@pytest.mark.parametrize(
    "line",
    [
        "import { LambdaClient } from '@aws-sdk/client-lambda'",
        'import{LambdaClient}from"@aws-sdk/client-lambda"',
        "const { LambdaClient } = await import('@aws-sdk/client-lambda')",
        "const name = 'lambda'; const { LambdaClient } = await import(`@aws-sdk/client-${name}`)",
        "import { LambdaClient } from /* of the runtime */ '@aws-sdk/client-lambda'",
    ],
)
def test_modules_of_modules_find_the_bundled_sdk(node, line):
    files = {
        "index.mjs": "export { handler } from './src/deep.mjs'",
        "src/deep.mjs": "import fs from 'node:fs'\nimport '../index.mjs'\n"
        f"{line}\nexport const handler = async () => LambdaClient.name",
    }
    assert node(files)().value == "LambdaClient"


@pytest.mark.parametrize("extension", ["js", "mjs"])
def test_the_functions_own_packages_come_first(node, extension):
    package = "node_modules/@aws-sdk/client-lambda"
    files = {
        f"{package}/package.json": '{"version": "mine", "main": "index.js"}',
        f"{package}/index.js": "exports.version = 'mine'",
        "index.js": "exports.handler = async () => require('@aws-sdk/client-lambda').version",
    }
    if extension == "mjs":
        source = "import sdk from '@aws-sdk/client-lambda'\nexport const handler = async () => sdk.version"
        files.pop("index.js")
        files["index.mjs"] = source
    assert node(files)().value == "mine"


def test_nothing_of_the_clients_build_can_be_required(node):
    function = node(
        """
        exports.handler = async () => ['node-gyp', 'node-addon-api'].map((name) => {
            try { require(name); return 'found' } catch (error) { return error.code }
        })
        """
    )
    assert function().value == ["MODULE_NOT_FOUND"] * 2


def test_node_24_answers_and_fails(newest):
    source = """
        import { LambdaClient } from '@aws-sdk/client-lambda'
        export const handler = async (event, context) => {
            console.log('region', await new LambdaClient({}).config.region())
            if (event) throw new RangeError('far')
            return context.awsRequestId
        }
    """
    answer = newest(source)
    assert answer.value == answer.request_id
    assert f"\t{answer.request_id}\tINFO\tregion us-east-1" in answer.log
    failure = newest(source, 1).payload
    assert (failure["errorType"], failure["errorMessage"]) == ("RangeError", "far")
    assert failure["trace"][0] == "RangeError: far"


def test_node_24_has_no_callbacks(newest):
    source = "export const handler = (event, context, callback) => callback(null, 1)"
    assert newest(source).payload["errorType"] == "Runtime.CallbackHandlerDeprecated"
