"""A collector of spans: as much of OpenTelemetry's as tests look at."""

import http.server
import json
import threading

from support.waiting import eventually


class Span:
    """One span, with what it tells of."""

    def __init__(self, span, resource):
        self.name = span["name"]
        self.trace = span["traceId"]
        self.id = span["spanId"]
        self.parent = span.get("parentSpanId") or None
        self.kind = span["kind"]
        self.began = int(span["startTimeUnixNano"])
        self.ended = int(span["endTimeUnixNano"])
        self.failure = span.get("status", {}).get("message") or None
        self.attributes = values(span.get("attributes", []))
        self.resource = values(resource.get("attributes", []))


def values(attributes):
    """Attributes by name; numbers of 64 bits come as texts."""

    def plain(value):
        ((kind, content),) = value.items()
        return int(content) if kind == "intValue" else content

    return {attribute["key"]: plain(attribute["value"]) for attribute in attributes}


class Collector:
    """Takes spans by OTLP over HTTP on a port of its own, as JSON."""

    def __init__(self, status=200):
        self.status = status
        self.spans = []
        self.requests = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.headers["Content-Type"]
                collector.requests.append((self.path, kind, dict(self.headers), len(body)))
                if collector.status == 200 and kind == "application/json":
                    collector.take(json.loads(body))
                self.send_response(collector.status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, document):
        for source in document["resourceSpans"]:
            for scope in source["scopeSpans"]:
                assert scope["scope"]["name"] == "lambdalab"
                self.spans += [Span(span, source["resource"]) for span in scope["spans"]]

    def trace(self, trace, *names):
        """The spans of a trace by name, as soon as those of these names are there."""

        def found():
            spans = [span for span in self.spans if span.trace == trace]
            known = [span.name for span in spans]
            return spans if all(known.count(name) >= names.count(name) for name in names) else None

        return eventually(found, f"spans {names} of {trace}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
