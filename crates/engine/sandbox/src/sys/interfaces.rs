//! The interfaces and routes of this process's network.

use std::ffi::{CStr, c_char, c_int, c_short, c_ushort, c_void};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc::{self, Ioctl, c_ulong};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::Mode;

/// The device by which TUN devices are made.
const TUN: &str = "/dev/net/tun";

/// Up and running.
const UP: c_short = 0x41;

/// Makes a TUN device of that name in this process's network. It goes when the descriptor is closed,
/// wherever that is by then.
pub(crate) fn open_tunnel(name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let device = open(TUN, flags, Mode::empty())?;
    let mut request = request(name);
    let kind = libc::IFF_TUN | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags = c_short::try_from(kind).unwrap_or_default();
    // SAFETY: the pointer is to a live `ifreq`, which the kernel reads and writes for this request.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    Errno::result(result)?;
    Ok(device)
}

/// An interface of this process's network, to be changed.
#[derive(Debug)]
pub(crate) struct Interface<'a> {
    name: &'a CStr,
    socket: OwnedFd,
}

impl<'a> Interface<'a> {
    pub(crate) fn named(name: &'a CStr) -> nix::Result<Self> {
        let socket = any_socket()?;
        Ok(Self { name, socket })
    }

    /// Gives it an address of its own, and of no others.
    pub(crate) fn set_address(&self, address: Ipv4Addr) -> nix::Result<()> {
        let mut request = request(self.name);
        request.ifr_ifru.ifru_addr = socket_address(address);
        self.change(libc::SIOCSIFADDR, &request)?;
        request.ifr_ifru.ifru_netmask = socket_address(Ipv4Addr::BROADCAST);
        self.change(libc::SIOCSIFNETMASK, &request)
    }

    /// Sets the length of its longest packet.
    pub(crate) fn set_longest(&self, bytes: u16) -> nix::Result<()> {
        let mut request = request(self.name);
        request.ifr_ifru.ifru_mtu = c_int::from(bytes);
        self.change(libc::SIOCSIFMTU, &request)
    }

    /// Has it carry packets.
    pub(crate) fn raise(&self) -> nix::Result<()> {
        let mut request = request(self.name);
        request.ifr_ifru.ifru_flags = UP;
        self.change(libc::SIOCSIFFLAGS, &request)
    }

    fn change(&self, what: c_ulong, request: &libc::ifreq) -> nix::Result<()> {
        let what = Ioctl::try_from(what).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the pointer is to a live `ifreq`, which the kernel only reads for the requests
        // that set something.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), what, &raw const *request) };
        Errno::result(result)?;
        Ok(())
    }
}

/// `struct rtentry` of `linux/route.h`.
#[repr(C)]
struct Route {
    pad1: c_ulong,
    destination: libc::sockaddr,
    gateway: libc::sockaddr,
    mask: libc::sockaddr,
    flags: c_ushort,
    pad2: c_short,
    pad3: c_ulong,
    pad4: *mut c_void,
    metric: c_short,
    device: *const c_char,
    mtu: c_ulong,
    window: c_ulong,
    round_trip: c_ushort,
}

/// Has everything without another way go out by the interface of that name.
pub(crate) fn add_default_route(name: &CStr) -> nix::Result<()> {
    let any = socket_address(Ipv4Addr::UNSPECIFIED);
    let route = Route {
        pad1: 0,
        destination: any,
        gateway: any,
        mask: any,
        flags: libc::RTF_UP,
        pad2: 0,
        pad3: 0,
        pad4: std::ptr::null_mut(),
        metric: 0,
        device: name.as_ptr(),
        mtu: 0,
        window: 0,
        round_trip: 0,
    };
    let socket = any_socket()?;
    let what = Ioctl::try_from(libc::SIOCADDRT).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the pointers are to a live `rtentry` and the live C string that it names the device
    // by, both of which the kernel only reads.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), what, &raw const route) };
    Errno::result(result)?;
    Ok(())
}

/// Requests about interfaces go by way of any socket.
fn any_socket() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
}

/// A request about the interface of that name, of which what does not fit is left out.
fn request(name: &CStr) -> libc::ifreq {
    // SAFETY: `ifreq` is plain bytes and integers, for which zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()).take(room) {
        *to = from.cast_signed();
    }
    request
}

/// An IPv4 address as `struct sockaddr` holds it: two bytes of port, then the address.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data.iter_mut().skip(2).zip(address.octets()) {
        *to = from.cast_signed();
    }
    libc::sockaddr {
        sa_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap_or_default(),
        sa_data: data,
    }
}
