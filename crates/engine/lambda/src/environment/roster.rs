//! The extensions of one environment: who they are, and where each of them stands.
//!
//! ```text
//!            register              next               INVOKE | SHUTDOWN
//!   Started ──────────▶ Registered ────▶ Ready ────────────────────────▶ Working
//!                                          ▲                                │
//!                                          └───────────── next ─────────────┘
//!   from anywhere: init/error, exit/error ▶ Failed      the process's end ▶ Ended
//! ```
//!
//! An external extension is a process that was started from `/opt/extensions` and is known by its
//! file's name; an internal one is part of the runtime's process and known once it registers. One
//! roster belongs to one generation of processes: what a process that was killed does late is entered
//! in a roster that nobody reads any more.
//!
//! Pure: no process, no socket. Source of the states:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>.

mod book;
mod member;
#[cfg(test)]
mod tests;

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use ids::RequestId;
use parking_lot::Mutex;
use sandbox::ExitStatus;
use tokio::sync::oneshot;

use crate::invoke::failure::{Failure, exit_words};
use book::Book;
pub(crate) use book::{Awaited, Until};
pub(crate) use member::{Description, Interests};
use member::{Member, State};

/// How many extensions an environment may have.
pub(crate) const LIMIT: usize = 10;

/// How long the shutdown phase may take where an external extension is registered.
const EXTERNAL_BUDGET: Duration = Duration::from_secs(2);
/// And where only internal ones are.
const INTERNAL_BUDGET: Duration = Duration::from_millis(500);

/// Where an extension says that it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Init,
    Exit,
}

/// Why a call of an extension is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// No extension has that identifier.
    Unknown,
    /// The call does not fit where the extension stands; both states by AWS's names.
    WrongState {
        from: &'static str,
        to: &'static str,
    },
    /// An internal extension of that name is registered.
    NameTaken,
    /// The init phase is over.
    Closed,
    /// There are [`LIMIT`] already.
    TooMany,
    /// Internal extensions are not told of the shutdown.
    NoShutdown,
}

/// What becomes of an environment whose runtime has done with an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is free.
    Free,
    /// Somebody else frees it: the last extension that does its work, or who sees to its loss.
    Later,
    /// An extension was lost after all had rested: nobody else sees to it.
    Lost,
}

/// The extensions of one environment.
#[derive(Debug)]
pub(crate) struct Roster {
    book: Mutex<Book>,
}

impl Roster {
    /// One with the external extensions of these names, which are about to be started.
    pub(crate) fn new(names: impl Iterator<Item = String>) -> Self {
        Self {
            book: Mutex::new(Book::new(names.map(Member::started).collect())),
        }
    }

    /// An extension registers; `id` becomes its identifier.
    pub(crate) fn register(
        &self,
        id: RequestId,
        name: &str,
        interests: Interests,
    ) -> Result<(), Complaint> {
        let mut book = self.book.lock();
        if let Some(member) = book.members.iter_mut().find(|member| member.name == name) {
            if !member.external {
                return Err(Complaint::NameTaken);
            }
            if !matches!(member.state, State::Started) {
                return Err(member.misfit("Registered"));
            }
            member.id = Some(id);
            member.interests = interests;
            member.state = State::Registered;
            book.settle();
            return Ok(());
        }
        if interests.shutdown {
            return Err(Complaint::NoShutdown);
        }
        if !book.open {
            return Err(Complaint::Closed);
        }
        if book.members.len() >= LIMIT {
            return Err(Complaint::TooMany);
        }
        book.members.push(Member::internal(id, name, interests));
        Ok(())
    }

    /// Whether an extension has that identifier.
    pub(crate) fn knows(&self, id: RequestId) -> bool {
        let book = self.book.lock();
        book.members.iter().any(|member| member.id == Some(id))
    }

    /// The name of the extension with that identifier.
    pub(crate) fn name(&self, id: RequestId) -> Option<String> {
        let book = self.book.lock();
        let mut members = book.members.iter();
        let member = members.find(|member| member.id == Some(id))?;
        Some(member.name.clone())
    }

    /// An extension asks for an event, which will come over what is returned. Beside it: whether the
    /// environment is free by that.
    pub(crate) fn next(
        &self,
        id: RequestId,
    ) -> Result<(oneshot::Receiver<Bytes>, bool), Complaint> {
        let mut book = self.book.lock();
        let farewell = book.farewell.clone();
        let member = book.member(id)?;
        match &member.state {
            State::Registered | State::Working => {}
            // It may lose its connection while it waits, and ask again.
            State::Ready(lost) if lost.is_closed() => {}
            _ => return Err(member.misfit("Ready")),
        }
        let (event, coming) = oneshot::channel();
        member.state = State::Ready(event);
        if let Some(farewell) = farewell {
            member.tell(|interests| interests.shutdown, &farewell);
        }
        book.settle();
        let free = book.runtime_waits && !book.closing && book.is(Until::Resting);
        if free {
            book.runtime_waits = false;
        }
        Ok((coming, free))
    }

    /// An extension says that it failed, and with what type of error. The environment ends by that.
    pub(crate) fn report(
        &self,
        id: RequestId,
        fault: Fault,
        error_type: &str,
    ) -> Result<Failure, Complaint> {
        let mut book = self.book.lock();
        let member = book.member(id)?;
        let (state, to, kind) = match fault {
            Fault::Init => ("InitError", "InitError", "Extension.InitError"),
            Fault::Exit => ("ExitError", "Exited", "Extension.ExitError"),
        };
        let fits = match &member.state {
            State::Registered => true,
            State::Ready(_) | State::Working => fault == Fault::Exit,
            // The first word counts.
            State::Failed(before) => *before == state,
            State::Started | State::Ended => false,
        };
        if !fits {
            return Err(member.misfit(to));
        }
        let failure = Failure::Extension {
            error_type: kind,
            reason: error_type.to_owned(),
        };
        if !matches!(member.state, State::Failed(_)) {
            member.state = State::Failed(state);
            member.error_type = Some(error_type.to_owned());
        }
        Ok(book.lose(failure))
    }

    /// An external extension could not be started.
    pub(crate) fn not_launched(&self, name: &str, error_type: &str, reason: String) -> Failure {
        let mut book = self.book.lock();
        if let Some(member) = book.named(name) {
            member.state = State::Failed("LaunchError");
            member.error_type = Some(error_type.to_owned());
        }
        book.lose(Failure::Extension {
            error_type: "Extension.LaunchError",
            reason,
        })
    }

    /// The process of an external extension has ended. Says how the environment is lost by it; nothing
    /// where that was to be expected.
    pub(crate) fn ended(&self, name: &str, status: &ExitStatus) -> Option<Failure> {
        let mut book = self.book.lock();
        let closing = book.closing;
        let member = book.named(name)?;
        if closing {
            member.state = State::Ended;
            book.settle();
            return None;
        }
        if !matches!(member.state, State::Failed(_)) {
            // The log shows where it stood when it crashed.
            member.state = State::Failed(member.state.name());
            member.error_type = Some("Extension.Crash".to_owned());
        }
        Some(book.lose(Failure::Extension {
            error_type: "Extension.Crash",
            reason: exit_words(status),
        }))
    }

    /// The init phase is over: nobody registers any more.
    pub(crate) fn close_registration(&self) {
        self.book.lock().open = false;
    }

    /// What will be told once that has come true.
    pub(crate) fn wait(&self, until: Until) -> Awaited {
        let (sender, awaited) = oneshot::channel();
        let mut book = self.book.lock();
        book.waiting.push((until, sender));
        book.settle();
        awaited
    }

    /// An invocation begins: tells of it whoever wants to know. What comes back tells when all of them
    /// have done with it.
    pub(crate) fn begin(&self, invocation: &Bytes) -> Awaited {
        let (sender, awaited) = oneshot::channel();
        let mut book = self.book.lock();
        book.runtime_waits = false;
        // Who begins waits for what comes back, and hears of a loss that was before.
        book.deserted = false;
        for member in &mut book.members {
            member.tell(|interests| interests.invoke, invocation);
        }
        book.waiting.push((Until::Resting, sender));
        book.settle();
        awaited
    }

    /// The runtime waits for its next event. Says what that makes of the environment.
    pub(crate) fn runtime_waits(&self) -> Turn {
        let mut book = self.book.lock();
        let free = !book.closing && book.is(Until::Resting);
        book.runtime_waits = !free;
        if free {
            Turn::Free
        } else if mem::take(&mut book.deserted) {
            Turn::Lost
        } else {
            Turn::Later
        }
    }

    /// Whether an extension was lost when nobody waited for any. It is so for one who asks: the
    /// environment is his to see to.
    pub(crate) fn take_deserted(&self) -> bool {
        mem::take(&mut self.book.lock().deserted)
    }

    /// Whether all of them wait for an event.
    pub(crate) fn is_resting(&self) -> bool {
        self.book.lock().is(Until::Resting)
    }

    /// The time of the invocation is over. Says whether extensions were still at work: from then on
    /// none of them frees the environment any more.
    pub(crate) fn give_up(&self) -> bool {
        let mut book = self.book.lock();
        let late = !book.is(Until::Resting);
        if late {
            book.runtime_waits = false;
            book.closing = true;
        }
        late
    }

    /// From here on, the end of an extension is expected. Says how long the shutdown phase may take.
    pub(crate) fn close(&self) -> Duration {
        let mut book = self.book.lock();
        book.closing = true;
        book.runtime_waits = false;
        let mut registered = book
            .members
            .iter()
            .filter(|member| member.id.is_some())
            .peekable();
        if registered.peek().is_none() {
            Duration::ZERO
        } else if registered.any(|member| member.external) {
            EXTERNAL_BUDGET
        } else {
            INTERNAL_BUDGET
        }
    }

    /// Tells of the shutdown whoever wants to know, now or as soon as it asks for an event. What comes
    /// back tells when all of those have ended.
    pub(crate) fn take_leave(&self, farewell: &Bytes) -> Awaited {
        {
            let mut book = self.book.lock();
            // What was lost before has been told.
            book.failure = None;
            book.farewell = Some(farewell.clone());
            for member in &mut book.members {
                member.tell(|interests| interests.shutdown, farewell);
            }
        }
        self.wait(Until::Gone)
    }

    /// All of them, for the log.
    pub(crate) fn describe(&self) -> Vec<Description> {
        let book = self.book.lock();
        book.members.iter().map(Member::describe).collect()
    }
}
