//! Messages with descriptors over a local socket that keeps message boundaries.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixCredentials, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use nix::unistd::Pid;

/// The most that one message carries. Below the kernel's default send buffer, which bounds it.
pub(crate) const MAX_MESSAGE: usize = 192 * 1024;

/// The most descriptors that one message carries.
pub(crate) const MAX_DESCRIPTORS: usize = 16;

/// Two ends of a new channel, both closed by `execve`.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?)
}

/// Has messages tell who sent them, by the kernel's word.
pub(crate) fn identify_senders(channel: impl AsFd) -> io::Result<()> {
    Ok(setsockopt(&channel, sockopt::PassCred, &true)?)
}

/// Sends one message. On a non-blocking end this may say that it would block.
pub(crate) fn send(
    channel: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[OwnedFd],
) -> io::Result<()> {
    send_with(channel, bytes, descriptors, MsgFlags::empty())
}

/// Sends one message to a process that may not read: a full channel is the error `WouldBlock`.
pub(crate) fn offer(
    channel: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[OwnedFd],
) -> io::Result<()> {
    send_with(channel, bytes, descriptors, MsgFlags::MSG_DONTWAIT)
}

fn send_with(
    channel: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[OwnedFd],
    flags: MsgFlags,
) -> io::Result<()> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    loop {
        match sendmsg::<()>(
            channel.as_raw_fd(),
            &[IoSlice::new(bytes)],
            control,
            flags | MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A received message.
#[derive(Debug)]
pub(crate) struct Received {
    /// How many bytes of the buffer it fills.
    pub(crate) length: usize,
    /// The descriptors that came with it.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Who sent it, where that was asked for: see [`identify_senders`].
    pub(crate) sender: Option<Pid>,
}

/// Receives one message into `buffer`; `None` once the other end is closed.
///
/// With `wait` false, an empty channel is the error `WouldBlock`.
pub(crate) fn receive(
    channel: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: bool,
) -> io::Result<Option<Received>> {
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    if !wait {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    let control = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS], UnixCredentials);
    receive_with(channel, buffer, control, flags)
}

/// Receives one message of a process that is not trusted, if there is one. There is no room for
/// descriptors: the kernel lets go of those that come along, and the message is an error.
pub(crate) fn hear(channel: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Received>> {
    let control = nix::cmsg_space!(UnixCredentials);
    receive_with(channel, buffer, control, MsgFlags::MSG_DONTWAIT)
}

fn receive_with(
    channel: BorrowedFd<'_>,
    buffer: &mut [u8],
    mut control: Vec<u8>,
    flags: MsgFlags,
) -> io::Result<Option<Received>> {
    loop {
        let mut slices = [IoSliceMut::new(buffer)];
        let message =
            match recvmsg::<()>(channel.as_raw_fd(), &mut slices, Some(&mut control), flags) {
                Ok(message) => message,
                Err(Errno::EINTR) => continue,
                Err(Errno::ECONNRESET) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
        let mut descriptors = Vec::new();
        let mut sender = None;
        for part in message.cmsgs()? {
            match part {
                ControlMessageOwned::ScmRights(raw) => {
                    descriptors.extend(crate::sys::adopt(&raw));
                }
                ControlMessageOwned::ScmCredentials(who) => sender = Some(Pid::from_raw(who.pid())),
                _ => {}
            }
        }
        if message.flags.contains(MsgFlags::MSG_TRUNC) {
            return Err(Errno::EMSGSIZE.into());
        }
        // No message of ours is empty, so this can only be the end.
        if message.bytes == 0 {
            return Ok(None);
        }
        return Ok(Some(Received {
            length: message.bytes,
            descriptors,
            sender,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn messages_keep_their_boundaries_and_carry_descriptors() {
        let (left, right) = pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        send(left.as_fd(), b"one", &[writer.into()]).unwrap();
        send(left.as_fd(), b"second", &[]).unwrap();

        let mut buffer = [0; 64];
        let first = receive(right.as_fd(), &mut buffer, true).unwrap().unwrap();
        assert_eq!(&buffer[..first.length], b"one");
        let [descriptor] = <[OwnedFd; 1]>::try_from(first.descriptors).unwrap();
        std::fs::File::from(descriptor)
            .write_all(b"through")
            .unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");

        let second = receive(right.as_fd(), &mut buffer, true).unwrap().unwrap();
        assert_eq!(&buffer[..second.length], b"second");
        let empty = receive(right.as_fd(), &mut buffer, false).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        drop(left);
        assert!(receive(right.as_fd(), &mut buffer, true).unwrap().is_none());
    }

    #[test]
    fn who_is_not_trusted_hands_over_no_descriptors_and_keeps_nobody_waiting() {
        let (left, right) = pair().unwrap();
        identify_senders(&left).unwrap();
        let mut buffer = [0; 64];
        send(right.as_fd(), b"word", &[]).unwrap();
        let word = hear(left.as_fd(), &mut buffer).unwrap().unwrap();
        assert_eq!((word.length, word.sender), (4, Some(Pid::this())));
        let (mut reader, writer) = io::pipe().unwrap();
        send(right.as_fd(), b"word", &[writer.into()]).unwrap();
        assert!(hear(left.as_fd(), &mut buffer).is_err());
        // The end of the pipe comes only when nobody holds its writing end any longer.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);

        let full = (0..100_000).find_map(|_| offer(left.as_fd(), &[0; 512], &[]).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_largest_message_fits_and_a_larger_one_is_told_apart() {
        let (left, right) = pair().unwrap();
        let mut buffer = vec![0; MAX_MESSAGE];
        send(left.as_fd(), &vec![7; MAX_MESSAGE], &[]).unwrap();
        let received = receive(right.as_fd(), &mut buffer, true).unwrap().unwrap();
        assert_eq!(received.length, MAX_MESSAGE);
        send(left.as_fd(), b"too long", &[]).unwrap();
        let error = receive(right.as_fd(), &mut buffer[..4], true).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    }
}
