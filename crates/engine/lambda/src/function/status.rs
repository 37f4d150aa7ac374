//! `State` and `LastUpdateStatus`: how they move, and what they forbid.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html> and AWS's answers,
//! which leave `LastUpdateStatus` out while a function is being created.

use wire::ServiceError;
use wire::lambda::{
    FunctionConfiguration, LastUpdateStatus, LastUpdateStatusReasonCode,
    SnapStartOptimizationStatus, State, StateReasonCode, errors,
};

/// What AWS says while a function is being made ready, for creations and updates alike.
const CREATING: &str = "The function is being created.";

/// Why a version cannot run.
#[derive(Debug, Clone)]
pub(crate) struct NotReady {
    /// AWS's name for it, which `StateReasonCode` and `LastUpdateStatusReasonCode` share.
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

impl NotReady {
    pub(crate) fn new(code: &'static str, reason: &impl ToString) -> Self {
        Self {
            code,
            reason: reason.to_string(),
        }
    }
}

/// A function, or a version that is published with an update, has come into being.
pub(crate) fn begin_creation(configuration: &mut FunctionConfiguration) {
    configuration.state = Some(State::Pending);
    configuration.state_reason = Some(CREATING.to_owned());
    configuration.state_reason_code = Some(StateReasonCode::Creating);
    configuration.last_update_status = None;
    configuration.last_update_status_reason = None;
    configuration.last_update_status_reason_code = None;
}

/// An update has begun.
pub(crate) fn begin_update(configuration: &mut FunctionConfiguration) {
    configuration.last_update_status = Some(LastUpdateStatus::InProgress);
    configuration.last_update_status_reason = Some(CREATING.to_owned());
    // The model leaves this code out; AWS answers it.
    configuration.last_update_status_reason_code = Some("Creating".to_owned().into());
}

/// A creation or an update has succeeded.
pub(crate) fn succeed(configuration: &mut FunctionConfiguration) {
    configuration.state = Some(State::Active);
    configuration.state_reason = None;
    configuration.state_reason_code = None;
    configuration.last_update_status = Some(LastUpdateStatus::Successful);
    configuration.last_update_status_reason = None;
    configuration.last_update_status_reason_code = None;
}

/// A version is ready, and does not do all that it was asked for.
pub(crate) fn remark(configuration: &mut FunctionConfiguration, reason: String) {
    configuration.state_reason = Some(reason);
}

/// A creation or an update has failed.
pub(crate) fn fail(configuration: &mut FunctionConfiguration, failure: NotReady) {
    let NotReady { code, reason } = failure;
    if configuration.state == Some(State::Pending) {
        configuration.state = Some(State::Failed);
        configuration.state_reason = Some(reason.clone());
        configuration.state_reason_code = Some(code.to_owned().into());
    }
    configuration.last_update_status = Some(LastUpdateStatus::Failed);
    configuration.last_update_status_reason = Some(reason);
    configuration.last_update_status_reason_code =
        Some(LastUpdateStatusReasonCode::from(code.to_owned()));
}

/// Leaves out what changes by itself, as lists do.
pub(crate) fn strip(configuration: &mut FunctionConfiguration) {
    configuration.state = None;
    configuration.state_reason = None;
    configuration.state_reason_code = None;
    configuration.last_update_status = None;
    configuration.last_update_status_reason = None;
    configuration.last_update_status_reason_code = None;
}

/// Refuses while the creation or an update is under way.
pub(crate) fn check_settled(
    arn: &str,
    configuration: &FunctionConfiguration,
) -> Result<(), ServiceError> {
    if configuration.state == Some(State::Pending) {
        return Err(pending());
    }
    if configuration.last_update_status == Some(LastUpdateStatus::InProgress) {
        return Err(errors::resource_conflict_exception(format!(
            "The operation cannot be performed at this time. An update is in progress for \
             resource: {arn}"
        )));
    }
    Ok(())
}

/// Refuses invocations of a version that is not ready.
pub(crate) fn check_invocable(configuration: &FunctionConfiguration) -> Result<(), ServiceError> {
    match &configuration.state {
        Some(State::Active) => Ok(()),
        Some(State::Failed) => Err(errors::resource_conflict_exception(format!(
            "The operation cannot be performed at this time. The function is currently in the \
             following state: Failed. {}",
            configuration.state_reason.as_deref().unwrap_or_default()
        ))),
        _ if is_snapped(configuration) => Err(errors::snap_start_not_ready_exception(
            "Lambda is initializing your function. It will be ready to invoke once your function \
             state becomes ACTIVE.",
        )),
        _ => Err(pending()),
    }
}

/// Whether a snapshot of this version is taken.
fn is_snapped(configuration: &FunctionConfiguration) -> bool {
    let snap_start = configuration.snap_start.as_ref();
    let status = snap_start.and_then(|it| it.optimization_status.as_ref());
    status == Some(&SnapStartOptimizationStatus::On)
}

fn pending() -> ServiceError {
    errors::resource_conflict_exception(
        "The operation cannot be performed at this time. The function is currently in the \
         following state: Pending",
    )
}
