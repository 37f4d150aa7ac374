//! Where the runtime process of one environment stands.
//!
//! ```text
//!           start            next              assign             response | error
//!   Down ──────────▶ Starting ─────▶ Ready ───────────▶ Running ────────────────▶ Answered
//!    ▲                  │             ▲                    │                         │
//!    │ exit, kill       │ init error  └────────────────────┼───────── next ──────────┘
//!    └──────────────────┴──────────────────────────────────┘
//! ```
//!
//! Whoever streams an answer takes its outlet (`open`) and responds once all of it has been written.
//!
//! Pure: no process, no socket. The Runtime API and the supervisor of the process drive it.

use bytes::Bytes;
use ids::RequestId;
use sandbox::ExitStatus;
use tokio::sync::oneshot;

use super::outlet::Outlet;
use crate::invoke::event::Event;
use crate::invoke::failure::{Failure, RESPONSE_LIMIT};

/// What became of an invocation: the function's answer, or why there is none.
pub(crate) type Answer = Result<Bytes, Failure>;

/// How an invocation ended, with what the function printed until then.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) answer: Answer,
    pub(crate) log: Vec<u8>,
}

/// What became of an init phase.
pub(crate) type InitOutcome = Result<(), Failure>;

/// Where the runtime stands.
#[derive(Debug)]
pub(crate) enum Stage {
    /// No process.
    Down,
    /// The process runs and has not asked for an event yet; `done` is gone once its init phase was
    /// reported to have failed.
    Starting {
        done: Option<oneshot::Sender<InitOutcome>>,
    },
    /// The runtime waits for an event.
    Ready(oneshot::Sender<Event>),
    /// The runtime works on an event.
    Running {
        id: RequestId,
        reply: oneshot::Sender<Ended>,
        /// For an answer that is a stream, until one begins.
        outlet: Option<Outlet>,
    },
    /// The runtime has answered and not asked for the next event yet.
    Answered,
    /// The runtime is initialised and will not ask for events: it waits to be cloned.
    Snapped,
}

/// A call of the runtime that does not fit where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request id is not the running invocation's.
    UnknownRequest,
    /// The call is not allowed now.
    WrongState,
    /// The answer exceeds the limit.
    TooLarge,
}

/// What the caller of [`Stage::next`] must do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The init phase is over; whoever started it has been told.
    Initialised,
    /// The environment is free for its next invocation.
    Free,
}

/// What was cut short when an extension was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokenOff {
    /// Something of which somebody has been told, or nothing: the environment is seen to.
    Attended,
    /// The wait for an event.
    Idleness,
    /// The way from an answer to the next event, which the runtime will not go to its end.
    Return,
}

impl Stage {
    /// The process was started; `done` hears how its init phase ends.
    pub(crate) fn start(&mut self, done: oneshot::Sender<InitOutcome>) {
        *self = Self::Starting { done: Some(done) };
    }

    /// The runtime asks for an event, which will come over `next`.
    pub(crate) fn next(&mut self, next: oneshot::Sender<Event>) -> Result<Asked, Refusal> {
        match std::mem::replace(self, Self::Ready(next)) {
            Self::Starting { done } => {
                if let Some(done) = done {
                    let _starter_gave_up = done.send(Ok(()));
                }
                Ok(Asked::Initialised)
            }
            // A runtime may lose its connection while it waits, and ask again.
            Self::Ready(lost) if lost.is_closed() => Ok(Asked::Initialised),
            Self::Answered => Ok(Asked::Free),
            before @ (Self::Down | Self::Ready(_) | Self::Running { .. } | Self::Snapped) => {
                *self = before;
                Err(Refusal::WrongState)
            }
        }
    }

    /// Hands `event` to the waiting runtime; gives it back where none waits, and then leaves the
    /// outlet for its answer, too.
    pub(crate) fn assign(
        &mut self,
        event: Event,
        outlet: &mut Option<Outlet>,
    ) -> Result<oneshot::Receiver<Ended>, Event> {
        match std::mem::replace(self, Self::Down) {
            Self::Ready(next) => {
                let id = event.id;
                if let Err(event) = next.send(event) {
                    // The runtime hung up while it waited: it dies, or asks again.
                    *self = Self::Starting { done: None };
                    return Err(event);
                }
                let (reply, answer) = oneshot::channel();
                let outlet = outlet.take();
                *self = Self::Running { id, reply, outlet };
                Ok(answer)
            }
            before => {
                *self = before;
                Err(event)
            }
        }
    }

    /// The runtime answers invocation `id`. `log` is asked for what the function printed, before
    /// the environment can be free for another invocation.
    pub(crate) fn respond(
        &mut self,
        id: RequestId,
        payload: Bytes,
        log: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Refusal> {
        if payload.len() > RESPONSE_LIMIT {
            self.settle(id, Err(Failure::ResponseTooLarge), log)?;
            return Err(Refusal::TooLarge);
        }
        self.settle(id, Ok(payload), log)
    }

    /// The runtime begins to stream its answer to invocation `id`. `None` where nobody wants a
    /// stream: then the answer is taken as a whole.
    pub(crate) fn open(&mut self, id: RequestId) -> Result<Option<Outlet>, Refusal> {
        self.check(id)?;
        Ok(match self {
            Self::Running { outlet, .. } => outlet.take(),
            _ => None,
        })
    }

    /// The runtime reports that invocation `id` failed.
    pub(crate) fn fail(
        &mut self,
        id: RequestId,
        failure: Failure,
        log: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Refusal> {
        self.settle(id, Err(failure), log)
    }

    /// The running invocation is out of time: its answer will not be taken any more, and the
    /// environment not be freed by it. `false` where the runtime has answered already.
    pub(crate) fn give_up(&mut self) -> bool {
        let running = matches!(self, Self::Running { .. });
        if running {
            *self = Self::Starting { done: None };
        }
        running
    }

    /// Whether the runtime initialises.
    pub(crate) fn is_starting(&self) -> bool {
        matches!(self, Self::Starting { done: Some(_) })
    }

    /// Whether the runtime waits for an event.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// An extension is lost: ends what goes on, with whatever the runtime may still say. Returns what
    /// that was.
    pub(crate) fn break_off(
        &mut self,
        failure: &Failure,
        log: impl FnOnce() -> Vec<u8>,
    ) -> BrokenOff {
        match std::mem::replace(self, Self::Starting { done: None }) {
            Self::Starting { done: Some(done) } => {
                let _starter_gave_up = done.send(Err(failure.clone()));
                BrokenOff::Attended
            }
            Self::Running { reply, .. } => {
                let answer = Err(failure.clone());
                let _caller_gave_up = reply.send(Ended { answer, log: log() });
                BrokenOff::Attended
            }
            Self::Starting { done: None } => BrokenOff::Attended,
            Self::Answered => BrokenOff::Return,
            before @ Self::Ready(_) => {
                *self = before;
                BrokenOff::Idleness
            }
            before @ (Self::Down | Self::Snapped) => {
                *self = before;
                BrokenOff::Attended
            }
        }
    }

    /// Whether the runtime has answered and is about to ask for the next event.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self, Self::Answered)
    }

    /// Whether `id` is the invocation that the runtime works on.
    pub(crate) fn check(&self, id: RequestId) -> Result<(), Refusal> {
        match self {
            Self::Running { id: running, .. } if *running == id => Ok(()),
            Self::Running { .. } => Err(Refusal::UnknownRequest),
            _ => Err(Refusal::WrongState),
        }
    }

    fn settle(
        &mut self,
        id: RequestId,
        answer: Answer,
        log: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Refusal> {
        self.check(id)?;
        if let Self::Running { reply, .. } = std::mem::replace(self, Self::Answered) {
            let _caller_gave_up = reply.send(Ended { answer, log: log() });
        }
        Ok(())
    }

    /// The runtime reports that it could not initialise.
    pub(crate) fn init_error(&mut self, failure: Failure) -> Result<(), Refusal> {
        let Self::Starting { done } = self else {
            return Err(Refusal::WrongState);
        };
        let done = done.take().ok_or(Refusal::WrongState)?;
        let _starter_gave_up = done.send(Err(failure));
        Ok(())
    }

    /// The runtime has answered, and its invocation's time is over without its asking for another
    /// event: whatever it still does is done for nobody. Returns whether that is how it stands.
    pub(crate) fn overdue(&mut self) -> bool {
        let overdue = self.is_answered();
        if overdue {
            *self = Self::Starting { done: None };
        }
        overdue
    }

    /// The process ended. Returns whether the environment became free by it.
    pub(crate) fn exited(&mut self, status: ExitStatus, log: impl FnOnce() -> Vec<u8>) -> bool {
        match std::mem::replace(self, Self::Down) {
            Self::Starting { done } => {
                if let Some(done) = done {
                    let _starter_gave_up = done.send(Err(Failure::Exited(status)));
                }
                false
            }
            Self::Running { reply, .. } => {
                let answer = Err(Failure::Exited(status));
                let _caller_gave_up = reply.send(Ended { answer, log: log() });
                false
            }
            Self::Answered => true,
            Self::Down | Self::Ready(_) | Self::Snapped => false,
        }
    }

    /// The runtime is initialised, and waits to be cloned from now on.
    pub(crate) fn snapped(&mut self) -> Result<(), Refusal> {
        match std::mem::replace(self, Self::Snapped) {
            Self::Starting { done: Some(done) } => {
                let _starter_gave_up = done.send(Ok(()));
                Ok(())
            }
            before => {
                *self = before;
                Err(Refusal::WrongState)
            }
        }
    }

    /// Whether the runtime waits to be cloned.
    pub(crate) fn is_snapped(&self) -> bool {
        matches!(self, Self::Snapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::outlet;
    use ids::SeededEntropy;
    use proptest::prelude::*;

    fn id(seed: u64) -> RequestId {
        RequestId::draw(&SeededEntropy::new(seed))
    }

    fn event(seed: u64) -> Event {
        Event::for_tests(id(seed))
    }

    const EXIT: ExitStatus = ExitStatus {
        code: Some(1),
        signal: None,
        oom_killed: false,
    };

    fn ready() -> (Stage, oneshot::Receiver<Event>) {
        let (done, _) = oneshot::channel();
        let (next, waiting) = oneshot::channel();
        let mut stage = Stage::Down;
        stage.start(done);
        assert_eq!(stage.next(next), Ok(Asked::Initialised));
        (stage, waiting)
    }

    #[test]
    fn one_invocation_goes_round() {
        let (mut stage, mut waiting) = ready();
        let mut answer = stage.assign(event(1), &mut None).unwrap();
        assert_eq!(waiting.try_recv().unwrap().id, id(1));
        assert_eq!(
            stage.respond(id(2), Bytes::new(), Vec::new),
            Err(Refusal::UnknownRequest)
        );
        assert_eq!(
            stage.respond(id(1), Bytes::from_static(b"1"), || b"log".to_vec()),
            Ok(())
        );
        let expected = Ended {
            answer: Ok(Bytes::from_static(b"1")),
            log: b"log".to_vec(),
        };
        assert_eq!(answer.try_recv().unwrap(), expected);
        assert_eq!(
            stage.respond(id(1), Bytes::new(), Vec::new),
            Err(Refusal::WrongState)
        );
        let (next, _waiting) = oneshot::channel();
        assert_eq!(stage.next(next), Ok(Asked::Free));
    }

    #[test]
    fn a_second_event_is_given_back() {
        let (mut stage, _waiting) = ready();
        let _answer = stage.assign(event(1), &mut None).unwrap();
        assert_eq!(stage.assign(event(2), &mut None).unwrap_err().id, id(2));
    }

    #[test]
    fn a_late_answer_neither_counts_nor_frees() {
        let (mut stage, _waiting) = ready();
        let _answer = stage.assign(event(1), &mut None).unwrap();
        assert!(stage.give_up());
        assert_eq!(
            stage.respond(id(1), Bytes::new(), Vec::new),
            Err(Refusal::WrongState)
        );
        assert_ne!(stage.next(oneshot::channel().0), Ok(Asked::Free));
        assert!(!stage.give_up(), "an answer in time is not taken back");
    }

    #[test]
    fn an_exit_answers_whoever_waits() {
        let (mut stage, _waiting) = ready();
        let mut answer = stage.assign(event(1), &mut None).unwrap();
        assert!(!stage.exited(EXIT, Vec::new));
        assert_eq!(
            answer.try_recv().unwrap().answer,
            Err(Failure::Exited(EXIT))
        );
        assert!(matches!(stage, Stage::Down));
    }

    #[test]
    fn an_init_error_is_told_once() {
        let (done, mut outcome) = oneshot::channel();
        let mut stage = Stage::Down;
        stage.start(done);
        let failure = Failure::ResponseTooLarge;
        assert_eq!(stage.init_error(failure.clone()), Ok(()));
        assert_eq!(stage.init_error(failure.clone()), Err(Refusal::WrongState));
        stage.exited(EXIT, Vec::new);
        assert_eq!(outcome.try_recv().unwrap(), Err(failure));
    }

    #[test]
    fn a_stream_goes_to_who_wants_one_and_the_invocation_ends_by_itself() {
        let (mut stage, _waiting) = ready();
        let (link, mut parts) = outlet::link();
        let mut answer = stage.assign(event(1), &mut Some(link.outlet)).unwrap();
        assert_eq!(stage.open(id(2)).unwrap_err(), Refusal::UnknownRequest);
        let outlet = stage.open(id(1)).unwrap();
        assert!(outlet.is_some());
        assert!(stage.open(id(1)).unwrap().is_none(), "there is one stream");
        assert!(answer.try_recv().is_err());
        drop(outlet);
        assert!(parts.try_recv().is_err());
        stage.respond(id(1), Bytes::new(), Vec::new).unwrap();
        assert_eq!(answer.try_recv().unwrap().answer, Ok(Bytes::new()));
        assert_eq!(stage.open(id(1)).unwrap_err(), Refusal::WrongState);
    }

    #[test]
    fn too_large_an_answer_is_an_answer_to_the_caller_and_a_refusal_to_the_runtime() {
        let (mut stage, _waiting) = ready();
        let mut answer = stage.assign(event(1), &mut None).unwrap();
        let body = Bytes::from(vec![0; RESPONSE_LIMIT + 1]);
        assert_eq!(stage.respond(id(1), body, Vec::new), Err(Refusal::TooLarge));
        assert_eq!(
            answer.try_recv().unwrap().answer,
            Err(Failure::ResponseTooLarge)
        );
    }

    #[test]
    fn a_runtime_that_never_asks_again_is_overdue_once() {
        let (mut stage, _waiting) = ready();
        let _answer = stage.assign(event(1), &mut None).unwrap();
        assert!(!stage.overdue(), "it has not answered");
        stage.respond(id(1), Bytes::new(), Vec::new).unwrap();
        assert!(stage.overdue());
        assert!(!stage.overdue());
        assert_ne!(stage.next(oneshot::channel().0), Ok(Asked::Free));
    }

    #[test]
    fn an_environment_that_is_broken_off_tells_whoever_waits_and_frees_nothing() {
        let failure = Failure::ResponseTooLarge;
        let (mut stage, _waiting) = ready();
        assert_eq!(
            stage.break_off(&failure, Vec::new),
            BrokenOff::Idleness,
            "nobody waits"
        );
        assert!(stage.is_ready());
        let mut answer = stage.assign(event(1), &mut None).unwrap();
        assert_eq!(
            stage.break_off(&failure, || b"log".to_vec()),
            BrokenOff::Attended
        );
        let ended = answer.try_recv().unwrap();
        assert_eq!(
            (ended.answer, ended.log),
            (Err(failure.clone()), b"log".to_vec())
        );
        assert!(!stage.is_ready());
        assert_ne!(stage.next(oneshot::channel().0), Ok(Asked::Free));

        let (done, mut outcome) = oneshot::channel();
        stage.start(done);
        assert_eq!(stage.break_off(&failure, Vec::new), BrokenOff::Attended);
        assert_eq!(outcome.try_recv().unwrap(), Err(failure));
    }

    #[test]
    fn a_return_that_is_broken_off_is_told_once_and_frees_nothing() {
        let failure = Failure::ResponseTooLarge;
        let (mut stage, _waiting) = ready();
        let _answer = stage.assign(event(1), &mut None).unwrap();
        stage.respond(id(1), Bytes::new(), Vec::new).unwrap();
        assert_eq!(stage.break_off(&failure, Vec::new), BrokenOff::Return);
        assert_eq!(stage.break_off(&failure, Vec::new), BrokenOff::Attended);
        assert!(!stage.overdue());
        assert!(!stage.exited(EXIT, Vec::new));
    }

    proptest! {
        /// Whatever the runtime does, each accepted event is answered or given up exactly once,
        /// and frees the environment at most once.
        #[test]
        fn every_accepted_event_ends_once(steps in prop::collection::vec(0_u8..10, 0..80)) {
            let mut stage = Stage::Down;
            let mut open: Vec<oneshot::Receiver<Ended>> = Vec::new();
            let mut keep = Vec::new();
            let (mut accepted, mut given_up, mut freed) = (0, 0, 0);
            for (n, step) in steps.iter().enumerate() {
                let running = match &stage {
                    Stage::Running { id, .. } => *id,
                    _ => id(0),
                };
                match step {
                    0 if matches!(stage, Stage::Down) => stage.start(oneshot::channel().0),
                    0 => {}
                    1 => {
                        let (next, waiting) = oneshot::channel();
                        match stage.next(next) {
                            Ok(asked) => {
                                keep.push(waiting);
                                freed += usize::from(asked == Asked::Free);
                            }
                            Err(refusal) => prop_assert_eq!(refusal, Refusal::WrongState),
                        }
                    }
                    2 => {
                        if let Ok(answer) = stage.assign(event(n as u64), &mut None) {
                            accepted += 1;
                            open.push(answer);
                        }
                    }
                    3 => drop(stage.respond(running, Bytes::new(), Vec::new)),
                    4 => drop(stage.respond(id(9_999), Bytes::new(), Vec::new)),
                    5 => drop(stage.init_error(Failure::ResponseTooLarge)),
                    6 => drop(stage.fail(running, Failure::ResponseTooLarge, Vec::new)),
                    7 => given_up += usize::from(stage.give_up()),
                    8 => drop(stage.overdue()),
                    _ => freed += usize::from(stage.exited(EXIT, Vec::new)),
                }
            }
            freed += usize::from(stage.exited(EXIT, Vec::new));
            let answered = open.iter_mut().filter_map(|answer| answer.try_recv().ok()).count();
            prop_assert_eq!(accepted, answered + given_up);
            prop_assert!(freed <= accepted, "{} freed, {} accepted", freed, accepted);
        }
    }
}
