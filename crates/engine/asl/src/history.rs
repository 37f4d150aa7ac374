//! What happened in an execution: the 62 kinds of events, their ids, and their form in the API.
//!
//! An event points with `previousEventId` at the one that it follows in its own chain: the machine, each
//! branch and each iteration have one. See [`chain`] for the exceptions that AWS makes.

pub mod chain;
mod write;

use std::sync::Arc;

use ids::Timestamp;
use serde::{Deserialize, Serialize};

use crate::value::Value;

pub use chain::Chain;

/// One event of an execution's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// Its number, from 1 on, without gaps.
    pub id: u64,
    /// The number of the event that it follows; 0 for what begins a history.
    pub previous_id: u64,
    /// When it happened.
    pub timestamp: Millis,
    /// What happened.
    pub kind: EventKind,
}

/// A timestamp as it is stored: milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl From<Timestamp> for Millis {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_millis())
    }
}

impl From<Millis> for Timestamp {
    fn from(millis: Millis) -> Self {
        Self(millis.0.saturating_mul(1000))
    }
}

/// Why something failed. AWS leaves out what is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's name, as `States.Timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
    /// What happened, in words or as a function's error object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Arc<str>>,
}

impl Failure {
    /// A failure with both.
    pub fn new(error: impl Into<Arc<str>>, cause: impl Into<Arc<str>>) -> Self {
        Self {
            error: Some(error.into()),
            cause: Some(cause.into()),
        }
    }

    /// A failure of which only the error's name is known.
    pub fn named(error: impl Into<Arc<str>>) -> Self {
        Self {
            error: Some(error.into()),
            cause: None,
        }
    }
}

/// The types of states, as events name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the state's type")]
pub enum StateType {
    Choice,
    Fail,
    Map,
    Parallel,
    Pass,
    Succeed,
    Task,
    Wait,
}

/// Who does a task's work, as events tell it apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Worker {
    /// A Lambda function, called by its ARN.
    Function,
    /// An activity.
    Activity,
    /// A service.
    Service {
        /// `resourceType`, as `sqs`.
        resource_type: Arc<str>,
        /// `resource`, as `sendMessage.waitForTaskToken`.
        resource: Arc<str>,
    },
}

/// A task as it was scheduled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scheduled {
    /// Who is to do it.
    pub worker: Worker,
    /// The ARN of the function or the activity; of a service, the ARN that the definition gives.
    pub resource: Arc<str>,
    /// The region of a service's task.
    pub region: Arc<str>,
    /// What it is to be done with.
    pub input: Value,
    /// `timeoutInSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// `heartbeatInSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u64>,
    /// The role that is taken on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<Arc<str>>,
}

/// How a task got on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskProgress {
    /// It could not be handed over.
    ScheduleFailed(Failure),
    /// It was begun; by which worker, where that is an activity's that says so.
    Started(Option<Arc<str>>),
    /// It could not be begun.
    StartFailed(Failure),
    /// The service took it, and it goes on.
    Submitted(Value),
    /// The service did not take it.
    SubmitFailed(Failure),
    /// It is done.
    Succeeded(Value),
    /// It failed.
    Failed(Failure),
    /// Its time, or that of its heartbeat, ran out.
    TimedOut(Failure),
}

/// What happened to an iteration of a Map state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the end of the event's name")]
pub enum IterationProgress {
    Started,
    Succeeded,
    Failed,
    Aborted,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// `ExecutionStarted`.
    ExecutionStarted {
        /// The input.
        input: Value,
        /// The input as it was written, where that is not how it would be written here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Arc<str>>,
        /// The role that the execution runs in.
        role_arn: Arc<str>,
        /// The alias that it was started by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alias_arn: Option<Arc<str>>,
        /// The version that runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_arn: Option<Arc<str>>,
    },
    /// `ExecutionSucceeded`.
    ExecutionSucceeded(Value),
    /// `ExecutionFailed`.
    ExecutionFailed(Failure),
    /// `ExecutionAborted`: it was stopped.
    ExecutionAborted(Failure),
    /// `ExecutionTimedOut`.
    ExecutionTimedOut(Failure),
    /// `ExecutionRedriven`, for which time.
    ExecutionRedriven(u32),
    /// `…StateEntered`.
    StateEntered {
        /// The state's type.
        state: StateType,
        /// Its name.
        name: Arc<str>,
        /// What it was given.
        input: Value,
        /// As for the start of the execution, whose input the first state is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Arc<str>>,
    },
    /// `…StateExited`.
    StateExited {
        /// The state's type.
        state: StateType,
        /// Its name.
        name: Arc<str>,
        /// What it gives.
        output: Value,
        /// The variables that it assigned: an object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assigned: Option<Value>,
    },
    /// `TaskStateAborted` and its like, for Map, Parallel, Task and Wait.
    StateAborted(StateType),
    /// `ParallelStateStarted`.
    ParallelStarted,
    /// `MapStateStarted`, with how many items.
    MapStarted(usize),
    /// `ParallelStateSucceeded` and `MapStateSucceeded`.
    StateSucceeded(StateType),
    /// `ParallelStateFailed` and `MapStateFailed`.
    StateFailed(StateType),
    /// `MapIteration…`.
    MapIteration {
        /// What happened to it.
        progress: IterationProgress,
        /// The Map state's name.
        name: Arc<str>,
        /// The item's index.
        index: usize,
    },
    /// `MapRunStarted`, with the run's ARN.
    MapRunStarted(Arc<str>),
    /// `MapRunSucceeded`.
    MapRunSucceeded,
    /// `MapRunFailed`.
    MapRunFailed(Failure),
    /// `MapRunAborted`.
    MapRunAborted,
    /// `MapRunRedriven`.
    MapRunRedriven {
        /// The run's ARN.
        arn: Arc<str>,
        /// For which time.
        count: u32,
    },
    /// `TaskScheduled`, `LambdaFunctionScheduled` or `ActivityScheduled`.
    TaskScheduled(Box<Scheduled>),
    /// The other events of tasks, functions and activities.
    Task {
        /// Who does the work.
        worker: Worker,
        /// How it got on.
        progress: TaskProgress,
    },
    /// `EvaluationFailed`: an expression in JSONata had no value.
    EvaluationFailed {
        /// Why.
        failure: Failure,
        /// In which field.
        location: Option<Arc<str>>,
        /// Of which state.
        state: Arc<str>,
    },
}

impl StateType {
    /// The name that a definition and the events have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Choice => "Choice",
            Self::Fail => "Fail",
            Self::Map => "Map",
            Self::Parallel => "Parallel",
            Self::Pass => "Pass",
            Self::Succeed => "Succeed",
            Self::Task => "Task",
            Self::Wait => "Wait",
        }
    }
}

impl EventKind {
    /// The event's type, as `PassStateEntered`.
    pub fn type_name(&self) -> &'static str {
        use StateType::{Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait};
        match self {
            Self::ExecutionStarted { .. } => "ExecutionStarted",
            Self::ExecutionSucceeded(_) => "ExecutionSucceeded",
            Self::ExecutionFailed(_) => "ExecutionFailed",
            Self::ExecutionAborted(_) => "ExecutionAborted",
            Self::ExecutionTimedOut(_) => "ExecutionTimedOut",
            Self::ExecutionRedriven(_) => "ExecutionRedriven",
            Self::StateEntered { state, .. } => match state {
                Choice => "ChoiceStateEntered",
                Fail => "FailStateEntered",
                Map => "MapStateEntered",
                Parallel => "ParallelStateEntered",
                Pass => "PassStateEntered",
                Succeed => "SucceedStateEntered",
                Task => "TaskStateEntered",
                Wait => "WaitStateEntered",
            },
            // A Fail state is never left.
            Self::StateExited { state, .. } => match state {
                Choice => "ChoiceStateExited",
                Map => "MapStateExited",
                Parallel => "ParallelStateExited",
                Pass => "PassStateExited",
                Succeed | Fail => "SucceedStateExited",
                Task => "TaskStateExited",
                Wait => "WaitStateExited",
            },
            // What ends at once cannot be aborted.
            Self::StateAborted(state) => match state {
                Map => "MapStateAborted",
                Parallel => "ParallelStateAborted",
                Wait => "WaitStateAborted",
                _ => "TaskStateAborted",
            },
            Self::ParallelStarted => "ParallelStateStarted",
            Self::MapStarted(_) => "MapStateStarted",
            Self::StateSucceeded(Map) => "MapStateSucceeded",
            Self::StateSucceeded(_) => "ParallelStateSucceeded",
            Self::StateFailed(Map) => "MapStateFailed",
            Self::StateFailed(_) => "ParallelStateFailed",
            Self::MapIteration { progress, .. } => match progress {
                IterationProgress::Started => "MapIterationStarted",
                IterationProgress::Succeeded => "MapIterationSucceeded",
                IterationProgress::Failed => "MapIterationFailed",
                IterationProgress::Aborted => "MapIterationAborted",
            },
            Self::MapRunStarted(_) => "MapRunStarted",
            Self::MapRunSucceeded => "MapRunSucceeded",
            Self::MapRunFailed(_) => "MapRunFailed",
            Self::MapRunAborted => "MapRunAborted",
            Self::MapRunRedriven { .. } => "MapRunRedriven",
            Self::TaskScheduled(scheduled) => match scheduled.worker {
                Worker::Function => "LambdaFunctionScheduled",
                Worker::Activity => "ActivityScheduled",
                Worker::Service { .. } => "TaskScheduled",
            },
            Self::Task { worker, progress } => task_type(worker, progress),
            Self::EvaluationFailed { .. } => "EvaluationFailed",
        }
    }

    /// Whether the execution ends with it.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded(_)
                | Self::ExecutionFailed(_)
                | Self::ExecutionAborted(_)
                | Self::ExecutionTimedOut(_)
        )
    }
}

/// A function answers at once and an activity's worker polls, so that neither is submitted, and only a
/// function can fail to start.
fn task_type(worker: &Worker, progress: &TaskProgress) -> &'static str {
    match (worker, progress) {
        (Worker::Function, TaskProgress::ScheduleFailed(_)) => "LambdaFunctionScheduleFailed",
        (Worker::Function, TaskProgress::Started(_)) => "LambdaFunctionStarted",
        (Worker::Function, TaskProgress::StartFailed(_)) => "LambdaFunctionStartFailed",
        (Worker::Function, TaskProgress::Succeeded(_) | TaskProgress::Submitted(_)) => {
            "LambdaFunctionSucceeded"
        }
        (Worker::Function, TaskProgress::Failed(_) | TaskProgress::SubmitFailed(_)) => {
            "LambdaFunctionFailed"
        }
        (Worker::Function, TaskProgress::TimedOut(_)) => "LambdaFunctionTimedOut",
        (Worker::Activity, TaskProgress::ScheduleFailed(_) | TaskProgress::StartFailed(_)) => {
            "ActivityScheduleFailed"
        }
        (Worker::Activity, TaskProgress::Started(_)) => "ActivityStarted",
        (Worker::Activity, TaskProgress::Succeeded(_) | TaskProgress::Submitted(_)) => {
            "ActivitySucceeded"
        }
        (Worker::Activity, TaskProgress::Failed(_) | TaskProgress::SubmitFailed(_)) => {
            "ActivityFailed"
        }
        (Worker::Activity, TaskProgress::TimedOut(_)) => "ActivityTimedOut",
        (Worker::Service { .. }, TaskProgress::Started(_)) => "TaskStarted",
        (
            Worker::Service { .. },
            TaskProgress::StartFailed(_) | TaskProgress::ScheduleFailed(_),
        ) => "TaskStartFailed",
        (Worker::Service { .. }, TaskProgress::Submitted(_)) => "TaskSubmitted",
        (Worker::Service { .. }, TaskProgress::SubmitFailed(_)) => "TaskSubmitFailed",
        (Worker::Service { .. }, TaskProgress::Succeeded(_)) => "TaskSucceeded",
        (Worker::Service { .. }, TaskProgress::Failed(_)) => "TaskFailed",
        (Worker::Service { .. }, TaskProgress::TimedOut(_)) => "TaskTimedOut",
    }
}
