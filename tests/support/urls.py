"""Function URLs: made, opened to all, and called."""

import http.client

from support import raw


def create(client, name, auth_type="NONE", *, opened=True, **more):
    """Gives a function a URL and returns its host; with what everybody needs to call it."""
    url = client.create_function_url_config(FunctionName=name, AuthType=auth_type, **more)
    if opened:
        open_to_all(client, name, **{k: v for k, v in more.items() if k == "Qualifier"})
    return url["FunctionUrl"].removeprefix("http://").rstrip("/")


def open_to_all(client, name, **qualifier):
    """The two statements of a public function URL."""
    client.add_permission(
        FunctionName=name,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
        **qualifier,
    )
    client.add_permission(
        FunctionName=name,
        StatementId="function",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
        **qualifier,
    )


def call(engine, host, method="GET", path="/", body=None, **headers):
    """One request for a URL; underscores in the names of headers are dashes."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return raw.request(
        engine.address, method, path, body, headers, host=host, signed=False
    )


class Open:
    """A request whose answer is read bit by bit."""

    def __init__(self, engine, host, body=b""):
        self.connection = http.client.HTTPConnection(*engine.address, timeout=20)
        self.connection.request("POST", "/", body, {"Host": host, "Content-Type": "text/plain"})
        self.answer = self.connection.getresponse()

    def read(self, length):
        """Exactly that many bytes."""
        return self.answer.read(length)

    def rest(self):
        """Everything up to the end; raises where it is broken off."""
        return self.answer.read()

    def close(self):
        """Hangs up."""
        self.connection.close()
