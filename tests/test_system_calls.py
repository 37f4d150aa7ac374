"""What functions may ask of the kernel: one test for each call that would lead out of their place."""

import errno
import platform

import pytest
from support import functions

CALL = """
    import ctypes

    def handler(event, context):
        number, *arguments = event
        library = ctypes.CDLL(None, use_errno=True)
        result = library.syscall(number, *map(ctypes.c_long, arguments))
        return {"result": result, "errno": ctypes.get_errno() if result < 0 else 0}
"""

# By name: the number on x86-64, and on 64-bit ARM.
FORBIDDEN = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "sethostname": (170, 161),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
SOCKET = (41, 198)
CLONE = (56, 220)
IOCTL = (16, 29)

# Families and kinds of socket, and protocols of netlink's, that are about the host.
SOCKETS = {
    "packets": (17, 3, 0),
    "virtual machines": (40, 1, 0),
    "kernel cryptography": (38, 5, 0),
    "bluetooth": (31, 3, 1),
    "kernel events": (16, 3, 15),
    "auditing": (16, 3, 9),
    "connections of others": (16, 3, 4),
    "raw internet packets": (2, 3, 1),
}

NAMESPACES = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}


def number(pair):
    return pair[platform.machine() in ("aarch64", "arm64")]


@pytest.fixture(scope="module")
def call(secluded):
    """Has a function make a system call; it must then go on serving."""
    client = secluded.client()
    archive = functions.python(CALL)
    client.create_function(**functions.create_arguments("call", archive, Timeout=10))
    functions.wait_active(client, "call")

    def call(*what):
        return functions.invoke(client, "call", [*what, *[0] * (7 - len(what))]).value

    yield call
    # Its process id, by a call that all may make.
    assert call(number((39, 172)))["result"] > 1


@pytest.mark.parametrize("name", FORBIDDEN)
def test_it_cannot_call(call, name):
    # Whoever may make the call is told that these arguments are wrong.
    assert call(number(FORBIDDEN[name]))["errno"] in {errno.EPERM, errno.ENOSYS}


@pytest.mark.parametrize("kind", SOCKETS)
def test_it_has_no_socket_for(call, kind):
    assert call(number(SOCKET), *SOCKETS[kind])["errno"] in {errno.EPERM, errno.ENOSYS}


def test_it_may_ask_for_its_own_addresses(call):
    assert call(number(SOCKET), 16, 3, 0)["result"] > 2


@pytest.mark.parametrize("kind", NAMESPACES)
def test_it_cannot_clone_into_a_new_namespace(call, kind):
    assert call(number(CLONE), NAMESPACES[kind] | 17)["errno"] == errno.ENOSYS


def test_it_cannot_type_into_a_terminal(call):
    # The upper half is what the kernel does not look at.
    for request in (0x5412, 0x541C, 0x5412 | 1 << 32):
        assert call(number(IOCTL), 0, request)["errno"] == errno.EPERM
