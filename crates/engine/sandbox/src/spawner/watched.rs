//! Descriptors that the spawner's loop waits for.
//!
//! The kernel forgets a closed descriptor by itself only when nobody else holds what it stood for. A
//! child that was frozen the moment it was forked still holds all that the spawner had then, so what
//! is closed must be forgotten in words: otherwise its hang-up would wake the loop for ever.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::protocol::Refused;

/// What of an environment is waited for, by the environment's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Its child's channel.
    Child(u64),
    /// What tells that its memory has run out.
    Memory(u64),
}

impl Source {
    /// That of a token.
    pub(super) fn of(token: u64) -> Self {
        match token % 2 {
            0 => Self::Child(token / 2),
            _ => Self::Memory(token / 2),
        }
    }

    fn token(self) -> u64 {
        match self {
            Self::Child(number) => number * 2,
            Self::Memory(number) => number * 2 + 1,
        }
    }
}

/// A descriptor that is waited for as long as this lives.
#[derive(Debug)]
pub(super) struct Watched {
    epoll: Rc<Epoll>,
    descriptor: OwnedFd,
}

impl Watched {
    /// Wakes the loop whenever there is something to read.
    pub(super) fn new(
        epoll: &Rc<Epoll>,
        descriptor: OwnedFd,
        source: Source,
    ) -> Result<Self, Refused> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, source.token());
        epoll
            .add(&descriptor, event)
            .map_err(Refused::to("watch a descriptor"))?;
        Ok(Self {
            epoll: Rc::clone(epoll),
            descriptor,
        })
    }

    /// The descriptor, waited for no longer.
    pub(super) fn release(self) -> Result<OwnedFd, Refused> {
        let another = self.descriptor.try_clone();
        another.map_err(Refused::to("release a descriptor"))
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It was added, and cannot have gone: this holds it.
        let _forgotten = self.epoll.delete(&self.descriptor);
    }
}
