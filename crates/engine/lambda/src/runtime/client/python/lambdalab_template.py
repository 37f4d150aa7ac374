"""Makes an initialised process a template, of which clones are made that serve invocations.

The client calls restore_next when the function is initialised and its before-snapshot hooks have run.
Here that call returns only in clones, once for each of them, and the client goes on there with the
after-restore hooks. Nothing else of the client is touched: it has no connection yet, and the address
of the Runtime API is the same in every environment that has a network of its own.

A clone is forked in three steps. The keeper enters the clone's control groups and makes its
namespaces. It then forks an init, because the first process of a process table has an init's duties,
and the function. Keeper and init are children of the spawner's, so that it learns how they end; the
keeper ends as the function does.

The steps that need system calls which Python has no functions for make them through ctypes. They
take and leave no lock: the process has one thread, or is no template.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from http.client import HTTPConnection

from awslambdaric.lambda_runtime_client import LambdaRuntimeClient, LambdaRuntimeClientError

# Set by whoever started this process, where it can be cloned: a socket that asks for clones.
CHANNEL = "_LAMBDALAB_CLONES_FD"
RESTORE_NEXT = "/2018-06-01/runtime/restore/next"
# Tells the engine that there will be clones, or why not.
CLONES = "Lambdalab-Clones"

TELEMETRY = 3
LONGEST_MESSAGE = 192 * 1024
MOST_DESCRIPTORS = 16

# From linux/sched.h, linux/prctl.h and linux/capability.h.
CLONE_PARENT = 0x8000
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION = 0x20080522
# No two architectures need to agree on these.
NUMBERS = {"x86_64": {"clone": 56, "capset": 126}, "aarch64": {"clone": 220, "capset": 91}}

# Keeps the interpreter's lock, and the number of the error.
libc = ctypes.PyDLL(None, use_errno=True)
# What the process was started with: what the function has changed of it since is part of the template.
started_with = dict(os.environ)
os.environ.pop(CHANNEL, None)


class CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class CapabilityData(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def done(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")
    return result


def prctl(option, *arguments):
    arguments = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    return done(libc.prctl(option, *arguments), "set up a process")


def call(name, *arguments):
    number = NUMBERS[os.uname().machine][name]
    return done(libc.syscall(ctypes.c_long(number), *arguments), name)


def fork_beside():
    """Forks a child of this process's parent, without a word to anybody: it must not go on as Python
    programs do, but do little and end, or fork in the usual way."""
    flags = ctypes.c_ulong(CLONE_PARENT | signal.SIGCHLD)
    none = ctypes.c_void_p(None)
    return call("clone", flags, none, none, none, none)


def drop_capabilities():
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    none = (CapabilityData * 2)()
    call("capset", ctypes.byref(CapabilityHeader(CAPABILITY_VERSION, 0)), none)


def rename(name):
    libc.prctl(PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)


def silence(streams):
    """Connects descriptors to nothing."""
    null = os.open("/dev/null", os.O_RDWR)
    for stream in streams:
        os.dup2(null, stream)
    os.close(null)


def threads():
    return len(os.listdir("/proc/self/task"))


def obstacle():
    """Why this process cannot be cloned, if it cannot."""
    if os.uname().machine not in NUMBERS:
        return f"the processor is an {os.uname().machine}"
    if threads() > 1:
        # Libraries with threads of their own often end them before a fork, and start them again on
        # need. What a fork in the usual way does not end would be missing in clones.
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    running = threads() - 1
    if running:
        return f"{running} thread{'s' if running > 1 else ''} run{'' if running > 1 else 's'} on after init"
    return None


class TemplateClient(LambdaRuntimeClient):
    def restore_next(self):
        descriptor = started_with.get(CHANNEL)
        if descriptor is None:
            # Nobody makes clones here: the engine answers at once.
            return super().restore_next()
        channel = socket.socket(fileno=int(descriptor))
        reason = obstacle()
        write_back("/tmp")
        announce(self.lambda_runtime_address, reason)
        serve(channel)


def write_back(folder):
    """Has the file system of a folder be complete on its device, from where it is copied for clones."""
    descriptor = os.open(folder, os.O_RDONLY)
    libc.syncfs(descriptor)
    os.close(descriptor)


def announce(address, reason):
    """Tells the engine that the function is initialised, by the call with which others wait for it."""
    connection = HTTPConnection(address)
    connection.request("GET", RESTORE_NEXT, headers={CLONES: reason or "ready"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise LambdaRuntimeClientError(RESTORE_NEXT, answer.status, body)


def serve(channel):
    """Makes clones. Returns in clones alone, when their time has come."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, LONGEST_MESSAGE, MOST_DESCRIPTORS)
        if not message:
            # Whoever asks for clones is gone.
            os._exit(0)
        report, *entrances = descriptors
        namespaces = json.loads(message)["namespaces"]
        if fork_beside() == 0:
            channel.close()
            if keep(socket.socket(fileno=report), entrances, namespaces):
                return
        for descriptor in descriptors:
            os.close(descriptor)


def keep(report, entrances, namespaces):
    """The keeper's life. Returns in the function's process alone."""
    try:
        for entrance in entrances:
            os.write(entrance, b"0")
            os.close(entrance)
        done(libc.unshare(ctypes.c_int(namespaces)), "make namespaces")
        drop_capabilities()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        report.send(b'"Keeper"')
        told, tells = os.pipe()
        if fork_beside() == 0:
            watch_over(report, (told, tells))
        os.close(tells)
        # Nothing is ever written: the end tells that the init has reported, which comes before the
        # function's word.
        os.read(told, 1)
        os.close(told)
        # So that the function's process has another number than the template's, by which libraries
        # tell that they were forked.
        burnt = fork_and_end()
        os.waitpid(burnt, 0)
        function = os.fork()
    except BaseException:
        os._exit(70)
    if function == 0:
        become_function(report)
        return True
    end_like(function, report)


def fork_and_end():
    flags, none = ctypes.c_ulong(signal.SIGCHLD), ctypes.c_void_p(None)
    child = call("clone", flags, none, none, none, none)
    if child == 0:
        os._exit(0)
    return child


def watch_over(report, until_reported):
    """The init's life: it ends when it is killed, and with it all processes of its table."""
    try:
        rename(b"lambdalab-init")
        # The function shall neither see nor trace it.
        prctl(PR_SET_DUMPABLE, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        report.send(b'"Init"')
        report.close()
        for end in until_reported:
            os.close(end)
        silence(range(3))
        os.closerange(3, 1024)
        # Orphans are reaped by the kernel where nobody wants to know of their end.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            signal.pause()
    finally:
        os._exit(70)


def end_like(function, report):
    """Waits for the function's end, and ends in the same way."""
    try:
        rename(b"lambdalab-keep")
        report.close()
        silence(range(3))
        os.closerange(3, 1024)
        _, status = os.waitpid(function, 0)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        os._exit(os.WEXITSTATUS(status))
    finally:
        os._exit(70)


def become_function(report):
    """Waits for its time, and takes what an environment's process is given."""
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        report.send(b'"Function"')
        message, outputs, _, _ = socket.recv_fds(report, LONGEST_MESSAGE, MOST_DESCRIPTORS)
        if not message:
            os._exit(0)
        variables = dict(json.loads(message)["command"]["env"])
        for output, place in zip(outputs, (1, 2, TELEMETRY)):
            os.dup2(output, place)
            os.close(output)
        for name, value in variables.items():
            if started_with.get(name) != value:
                os.environ[name] = value
        draw_new_randomness()
        report.send(b'"Executing"')
        report.close()
    except BaseException as error:
        print(f"the function cannot be restored: {error}", file=sys.stderr)
        os._exit(70)


def draw_new_randomness():
    """Python's own generator has been given a new seed by the fork. Others have not, or go by the
    process's number alone."""
    ssl = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_add(os.urandom(64), 64.0)
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
