"""What functions reach by the network: other machines, and nothing of this one.

Another machine is a network of its own behind a pair of virtual interfaces."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import textwrap

import pytest
from botocore.exceptions import ClientError
from support import census, functions, host
from support.engine import Engine
from support.snapstart import SNAP, invoke, settled
from support.waiting import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="networks take root")


@pytest.fixture(scope="module", autouse=True)
def means():
    if shutil.which("ip") is None:
        host.lacks("other machines are made with `ip`, which is missing")
    if not os.path.exists("/dev/net/tun"):
        host.lacks("there are no TUN devices")


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


PORT = free_port()

# Every connection and datagram is answered with what it brings.
SERVER = """
    import socketserver
    import threading

    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            while piece := self.request.recv(1 << 18):
                self.request.sendall(piece)

    class EchoDatagram(socketserver.BaseRequestHandler):
        def handle(self):
            self.request[1].sendto(self.request[0], self.client_address)

    class Streams(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 512

    class Datagrams(socketserver.ThreadingUDPServer):
        max_packet_size = 65535

    address = ("0.0.0.0", PORT)
    datagrams = Datagrams(address, EchoDatagram)
    threading.Thread(target=datagrams.serve_forever, daemon=True).start()
    with Streams(address, Echo) as streams:
        print("serving", flush=True)
        streams.serve_forever()
"""

FUNCTION = """
    import os
    import socket
    import threading
    import time
    import urllib.request

    import boto3

    def connect(host, port):
        return socket.create_connection((host, port), 20)

    def attempt(what, *arguments):
        match what:
            case "connect":
                connect(*arguments).close()
            case "echo":
                *address, megabytes = arguments
                sent = os.urandom(1 << 20) * megabytes
                received = bytearray()
                with connect(*address) as stream:
                    def send():
                        stream.sendall(sent)
                        stream.shutdown(socket.SHUT_WR)
                    sender = threading.Thread(target=send)
                    sender.start()
                    while piece := stream.recv(1 << 18):
                        received += piece
                    sender.join()
                return sent == bytes(received)
            case "datagrams":
                *address, sizes = arguments
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                    datagrams.settimeout(20)
                    datagrams.connect(tuple(address))
                    answers = []
                    for size in sizes:
                        datagrams.send(bytes(size))
                        answers.append(len(datagrams.recv(65535)))
                return answers
            case "many":
                *address, count = arguments
                streams = []
                try:
                    for _ in range(count):
                        streams.append(connect(*address))
                except ConnectionRefusedError:
                    pass
                for stream in streams:
                    stream.sendall(b"here")
                answers = [stream.recv(4) for stream in streams]
                for stream in streams:
                    stream.close()
                return len([answer for answer in answers if answer == b"here"])
            case "keep":
                global kept
                kept = connect(*arguments)
            case "use":
                kept.sendall(b"again")
                return kept.recv(5).decode()
            case "package":
                name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
                found = boto3.client("lambda").get_function(FunctionName=name)
                return len(urllib.request.urlopen(found["Code"]["Location"], timeout=20).read())
            case "read":
                return open(arguments[0]).read()

    def handler(event, context):
        begun = time.monotonic()
        try:
            return {"done": attempt(*event)}
        except OSError as error:
            return {"refused": type(error).__name__, "took": time.monotonic() - begun}
"""


class Machine:
    """Another machine, next to this one."""

    def __init__(self):
        # Runs at the same time have other process ids.
        block = os.getpid() % 16384 * 4
        self.name = f"lab{os.getpid()}"
        self.gateway = f"10.213.{block >> 8}.{(block & 255) + 1}"
        self.address = f"10.213.{block >> 8}.{(block & 255) + 2}"
        near, far = f"{self.name}n", f"{self.name}f"
        self.ip("netns", "add", self.name)
        self.ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.name)
        self.ip("address", "add", f"{self.gateway}/30", "dev", near)
        self.ip("link", "set", near, "up")
        self.ip("-n", self.name, "address", "add", f"{self.address}/30", "dev", far)
        self.ip("-n", self.name, "link", "set", far, "up")
        inside = ["ip", "netns", "exec", self.name]
        self.servers = [self.serve(inside), self.serve([])]

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    @staticmethod
    def serve(where):
        source = textwrap.dedent(SERVER).replace("PORT", str(PORT))
        server = subprocess.Popen([*where, sys.executable, "-c", source], stdout=subprocess.PIPE)
        assert server.stdout.readline() == b"serving\n"
        return server

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
            server.stdout.close()
        # The pair of interfaces goes with it.
        self.ip("netns", "delete", self.name)


@pytest.fixture(scope="module")
def machine():
    made = Machine()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = Engine(tmp_path_factory.mktemp("network"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def client(engine):
    client = engine.client()
    archive = functions.python(FUNCTION)
    variables = {"Variables": {"MARK": engine.mark}}
    arguments = functions.create_arguments("reach", archive, Timeout=60, Environment=variables)
    client.create_function(**arguments)
    functions.wait_active(client, "reach")
    return client


@pytest.fixture
def reach(client):
    """Has a function attempt something; the engine must then serve the next one."""

    def attempt(*what):
        return functions.invoke(client, "reach", list(what)).value

    yield attempt
    assert "done" in attempt("read", "/etc/resolv.conf")


def refused(answer):
    """Whether it was refused at once rather than given up."""
    return answer.get("refused") == "ConnectionRefusedError" and answer["took"] < 10


def test_another_machine_is_reached(reach, machine):
    assert reach("connect", machine.address, PORT) == {"done": None}


def test_much_goes_both_ways_at_once_and_ends_one_way_after_the_other(reach, machine):
    assert reach("echo", machine.address, PORT, 30) == {"done": True}


def test_datagrams_of_every_size(reach, machine):
    sizes = [0, 1, 1472, 9000, 65507]
    assert reach("datagrams", machine.address, PORT, sizes) == {"done": sizes}


def test_what_is_closed_there_is_refused_at_once(reach, machine):
    assert refused(reach("connect", machine.address, PORT + 1))
    assert refused(reach("datagrams", machine.address, PORT + 1, [1]))


def test_a_connection_outlasts_a_frozen_environment(reach, machine, engine):
    assert reach("keep", machine.address, PORT) == {"done": None}
    [process] = census.of_function(engine.mark, "reach")
    eventually(lambda: census.stands_still(process), "the idle environment is frozen")
    assert reach("use") == {"done": "again"}


def test_flows_are_bounded_and_come_back(reach, machine):
    most = lambda: 200 < reach("many", machine.address, PORT, 300)["done"] <= 256
    assert most()
    eventually(most, "what was closed makes room")


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "169.254.170.2"])
def test_escape_to_an_address_that_is_never_another_machines(reach, machine, address):
    assert refused(reach("connect", address, PORT))
    assert refused(reach("connect", address, 80))


def test_escape_to_the_hosts_own_address(reach, machine):
    # It is served there, as the host itself can see.
    socket.create_connection((machine.gateway, PORT), 5).close()
    assert refused(reach("connect", machine.gateway, PORT))
    assert refused(reach("datagrams", machine.gateway, PORT, [1]))


def test_escape_to_the_engines_own_listener(reach, machine, engine):
    assert refused(reach("connect", *engine.address))
    assert refused(reach("connect", machine.gateway, engine.address[1]))


def test_the_code_is_where_the_function_can_fetch_it(reach, client):
    size = client.get_function(FunctionName="reach")["Configuration"]["CodeSize"]
    assert reach("package") == {"done": size}


def test_a_tag_narrows_what_a_function_reaches(reach, client, machine):
    arn = client.get_function(FunctionName="reach")["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"lambdalab:egress": "none"})
    assert reach("connect", machine.address, PORT)["refused"] == "OSError"
    # None gets more than the engine gives to all.
    client.tag_resource(Resource=arn, Tags={"lambdalab:egress": "host"})
    assert refused(reach("connect", machine.gateway, PORT))
    client.untag_resource(Resource=arn, TagKeys=["lambdalab:egress"])
    assert reach("connect", machine.address, PORT) == {"done": None}


def test_what_is_restored_reaches_the_same(client, machine):
    archive = functions.python(FUNCTION)
    arguments = functions.create_arguments("restored", archive, Timeout=60, **SNAP)
    client.create_function(**arguments)
    functions.wait_active(client, "restored")
    version = client.publish_version(FunctionName="restored")["Version"]
    assert settled(client, "restored", version)["State"] == "Active"
    reach = lambda *what: invoke(client, "restored", version, list(what))
    answer, log, _ = reach("echo", machine.address, PORT, 1)
    assert (answer, "Restore Duration" in log) == ({"done": True}, True)
    assert refused(reach("connect", machine.gateway, PORT)[0])
    arn = client.get_function(FunctionName="restored")["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"lambdalab:egress": "none"})
    answer, log, _ = reach("connect", machine.address, PORT)
    assert (answer["refused"], "Restore Duration" in log) == ("OSError", True)


def test_a_tag_that_means_nothing_is_refused(client):
    arn = client.get_function(FunctionName="reach")["Configuration"]["FunctionArn"]
    with pytest.raises(ClientError, match="none, nat and host"):
        client.tag_resource(Resource=arn, Tags={"lambdalab:egress": "noen"})


def test_without_egress_nothing_is_reached(machine, tmp_path):
    engine = Engine(tmp_path / "none", "--egress", "none")
    with contextlib.closing(engine):
        client = engine.client()
        archive = functions.python(FUNCTION)
        tags = {"lambdalab:egress": "nat"}
        client.create_function(**functions.create_arguments("alone", archive, Tags=tags))
        functions.wait_active(client, "alone")
        for address in [machine.address, machine.gateway, "169.254.78.1"]:
            what = ["connect", address, PORT]
            assert functions.invoke(client, "alone", what).value["refused"] == "OSError"
        name_servers = functions.invoke(client, "alone", ["read", "/etc/resolv.conf"])
        assert name_servers.value == {"done": ""}


def test_the_hosts_network_is_for_functions_where_that_is_asked_for(machine, tmp_path):
    engine = Engine(tmp_path / "host", "--egress", "host")
    with contextlib.closing(engine):
        client = engine.client()
        archive = functions.python(FUNCTION)
        client.create_function(**functions.create_arguments("wide", archive))
        functions.wait_active(client, "wide")
        reach = lambda *what: functions.invoke(client, "wide", list(what)).value
        assert reach("connect", machine.gateway, PORT) == {"done": None}
        arn = client.get_function(FunctionName="wide")["Configuration"]["FunctionArn"]
        client.tag_resource(Resource=arn, Tags={"lambdalab:egress": "nat"})
        assert refused(reach("connect", machine.gateway, PORT))
        assert reach("connect", machine.address, PORT) == {"done": None}
        assert "all that this host reaches" in engine.output()
