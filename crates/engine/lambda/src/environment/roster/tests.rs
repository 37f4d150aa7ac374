//! What extensions may do when, and who is told.

use super::*;
use ids::SeededEntropy;

const BOTH: Interests = Interests {
    invoke: true,
    shutdown: true,
};
const INVOKE: Interests = Interests {
    invoke: true,
    shutdown: false,
};
const EXIT: ExitStatus = ExitStatus {
    code: Some(3),
    signal: None,
    oom_killed: false,
};

fn id(seed: u64) -> RequestId {
    RequestId::draw(&SeededEntropy::new(seed))
}

fn external() -> Roster {
    Roster::new(["x".to_owned()].into_iter())
}

fn event() -> Bytes {
    Bytes::from_static(b"event")
}

/// An external extension that waits for its first event.
fn ready() -> (Roster, oneshot::Receiver<Bytes>) {
    let roster = external();
    roster.register(id(1), "x", BOTH).unwrap();
    let (coming, free) = roster.next(id(1)).unwrap();
    assert!(!free, "there was no invocation");
    roster.close_registration();
    (roster, coming)
}

#[test]
fn without_extensions_nothing_is_waited_for() {
    let roster = Roster::new(std::iter::empty());
    assert_eq!(roster.begin(&event()).try_recv().unwrap(), Ok(()));
    assert_eq!(roster.runtime_waits(), Turn::Free);
    assert_eq!(roster.close(), Duration::ZERO);
}

#[test]
fn the_init_phase_waits_for_each_step() {
    let roster = external();
    let mut registered = roster.wait(Until::Registered);
    assert!(registered.try_recv().is_err());
    roster.register(id(1), "x", BOTH).unwrap();
    assert_eq!(registered.try_recv().unwrap(), Ok(()));
    let mut resting = roster.wait(Until::Resting);
    assert!(resting.try_recv().is_err());
    let _coming = roster.next(id(1)).unwrap();
    assert_eq!(resting.try_recv().unwrap(), Ok(()));
}

#[test]
fn whoever_is_last_frees_the_environment() {
    let (roster, mut coming) = ready();
    let mut resting = roster.begin(&event());
    assert_eq!(coming.try_recv().unwrap(), event());
    assert_eq!(roster.runtime_waits(), Turn::Later, "the extension works");
    assert!(resting.try_recv().is_err());
    let (_coming, free) = roster.next(id(1)).unwrap();
    assert!(free);
    assert_eq!(resting.try_recv().unwrap(), Ok(()));

    let _resting = roster.begin(&event());
    let (_coming, free) = roster.next(id(1)).unwrap();
    assert!(!free, "the runtime works");
    assert_eq!(roster.runtime_waits(), Turn::Free);
}

#[test]
fn who_is_too_late_frees_nothing() {
    let (roster, _coming) = ready();
    let _resting = roster.begin(&event());
    assert_eq!(roster.runtime_waits(), Turn::Later);
    assert!(roster.give_up());
    let (_coming, free) = roster.next(id(1)).unwrap();
    assert!(!free);
}

#[test]
fn who_does_not_want_invocations_is_not_told_of_them() {
    let roster = external();
    let shutdown = Interests {
        invoke: false,
        shutdown: true,
    };
    roster.register(id(1), "x", shutdown).unwrap();
    let (mut coming, _) = roster.next(id(1)).unwrap();
    let mut resting = roster.begin(&event());
    assert!(coming.try_recv().is_err());
    assert_eq!(resting.try_recv().unwrap(), Ok(()));
    assert_eq!(roster.runtime_waits(), Turn::Free);
}

/// An external extension that has done with an invocation, of which it was told.
fn rested() -> (Roster, oneshot::Receiver<Bytes>) {
    let (roster, _coming) = ready();
    let mut resting = roster.begin(&event());
    let (coming, _) = roster.next(id(1)).unwrap();
    assert_eq!(resting.try_recv().unwrap(), Ok(()));
    (roster, coming)
}

#[test]
fn a_loss_of_which_nobody_is_told_is_taken_note_of_once() {
    let (roster, _coming) = rested();
    roster.report(id(1), Fault::Exit, "Extension.Mine").unwrap();
    roster.ended("x", &EXIT).unwrap();
    assert!(roster.take_deserted());
    assert!(!roster.take_deserted());
    assert_eq!(roster.runtime_waits(), Turn::Later);

    let (roster, _coming) = rested();
    roster.ended("x", &EXIT).unwrap();
    assert_eq!(roster.runtime_waits(), Turn::Lost);
    assert!(!roster.take_deserted());
}

#[test]
fn a_loss_of_which_somebody_is_told_is_his_to_see_to() {
    let (roster, _coming) = ready();
    let mut resting = roster.begin(&event());
    roster.report(id(1), Fault::Exit, "Extension.Mine").unwrap();
    roster.ended("x", &EXIT).unwrap();
    assert!(resting.try_recv().unwrap().is_err());
    assert_eq!(roster.runtime_waits(), Turn::Later);
    assert!(!roster.take_deserted());

    let (roster, _coming) = rested();
    roster.ended("x", &EXIT).unwrap();
    assert!(roster.begin(&event()).try_recv().unwrap().is_err());
    assert!(!roster.take_deserted(), "the next invocation hears of it");
}

#[test]
fn a_crash_is_told_to_whoever_waits_and_later_ones_do_not_hide_it() {
    let (roster, _coming) = ready();
    let mut resting = roster.begin(&event());
    let failure = roster.ended("x", &EXIT).unwrap();
    assert_eq!(failure.error_type(), "Extension.Crash");
    assert_eq!(failure.to_string(), "exit status 3");
    assert_eq!(resting.try_recv().unwrap(), Err(failure.clone()));
    let later = roster.not_launched("x", "UnknownError", "later".to_owned());
    assert_eq!(later, failure);
}

#[test]
fn a_shutdown_reaches_the_idle_and_those_who_ask_later() {
    let (roster, mut coming) = ready();
    assert_eq!(roster.close(), EXTERNAL_BUDGET);
    let mut gone = roster.take_leave(&event());
    assert_eq!(coming.try_recv().unwrap(), event());
    assert!(gone.try_recv().is_err());
    let (mut again, _) = roster.next(id(1)).unwrap();
    assert_eq!(again.try_recv().unwrap(), event());
    assert_eq!(roster.ended("x", &EXIT), None, "it was to end");
    assert_eq!(gone.try_recv().unwrap(), Ok(()));
}

#[test]
fn internal_ones_register_during_the_init_phase_and_are_not_told_of_its_end() {
    let roster = Roster::new(std::iter::empty());
    assert_eq!(
        roster.register(id(1), "in", BOTH),
        Err(Complaint::NoShutdown)
    );
    roster.register(id(1), "in", INVOKE).unwrap();
    assert_eq!(
        roster.register(id(2), "in", INVOKE),
        Err(Complaint::NameTaken)
    );
    assert_eq!(roster.close(), INTERNAL_BUDGET);
    roster.close_registration();
    assert_eq!(
        roster.register(id(3), "late", INVOKE),
        Err(Complaint::Closed)
    );
}

#[test]
fn there_are_ten_at_most() {
    let roster = Roster::new((0..LIMIT).map(|n| n.to_string()));
    assert_eq!(
        roster.register(id(1), "in", INVOKE),
        Err(Complaint::TooMany)
    );
}

#[test]
fn calls_out_of_turn_are_refused() {
    let (roster, _coming) = ready();
    assert_eq!(roster.next(id(9)).unwrap_err(), Complaint::Unknown);
    let misfit = |to| Complaint::WrongState { from: "Ready", to };
    assert_eq!(roster.next(id(1)).unwrap_err(), misfit("Ready"));
    let init = roster.report(id(1), Fault::Init, "Extension.Mine");
    assert_eq!(init, Err(misfit("InitError")));
    let exit = roster.report(id(1), Fault::Exit, "Extension.Mine").unwrap();
    assert_eq!(exit.error_type(), "Extension.ExitError");
    assert_eq!(
        roster.describe()[0].error_type.as_deref(),
        Some("Extension.Mine")
    );
}
