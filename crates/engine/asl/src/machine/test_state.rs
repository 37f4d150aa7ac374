//! TestState: one state tried by itself, with what its data become on the way
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html>).
//!
//! What works for a state is mocked, or done by whoever calls: [`Test::run`] then says what is
//! needed, and is asked again with the answer as the mock.

mod context;
mod data;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::evaluate::{Evaluator, QUERY, RUNTIME, Trouble};
use super::track::{Home, Stage, Track};
use super::{Environment, Execution, Info, Status};
use crate::definition::{Definition, Kind, MachineType, Next, State, StateId, document, retry};
use crate::diagnostic::Diagnostic;
use crate::history::{Chain, Failure, Millis};
use crate::scope::Variables;
use crate::value::{Map, Value};

pub use data::{ErrorDetails, Inspection};

/// A state and what it is tried with.
#[derive(Debug, Clone)]
pub struct Test<'t> {
    /// The machine that the state is of.
    pub definition: &'t Definition,
    /// The state.
    pub state: StateId,
    /// What it is given.
    pub input: Value,
    /// The context object; none is one as AWS makes it for a test.
    pub context: Option<Value>,
    /// The variables that it sees.
    pub variables: Map,
    /// What stands in for what works for it.
    pub mock: Option<Mock>,
    /// In what circumstances it is tried.
    pub configuration: Configuration,
}

/// What stands in for what works for a state.
#[derive(Debug, Clone, PartialEq)]
pub enum Mock {
    /// It answers so.
    Result(Value),
    /// It fails so.
    Error(Failure),
}

/// In what circumstances a state is tried.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// How often the retrier that takes the error has retried already.
    pub retrier_retry_count: u64,
    /// How many iterations of a Map state failed.
    pub map_iteration_failure_count: Option<u64>,
    /// What the ItemReader of a Map state read.
    pub map_item_reader_data: Option<Value>,
}

/// How a state ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestStatus {
    /// It gave its output.
    Succeeded,
    /// It failed, and nothing took the error.
    Failed,
    /// It failed, and a retrier would try it again.
    Retriable,
    /// It failed, and a catcher took the error.
    CaughtError,
}

impl TestStatus {
    /// The name that the API has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Retriable => "RETRIABLE",
            Self::CaughtError => "CAUGHT_ERROR",
        }
    }
}

/// What became of a state.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// How it ended.
    pub status: TestStatus,
    /// What it gives.
    pub output: Option<Value>,
    /// What it failed with.
    pub failure: Option<Failure>,
    /// The state that comes next.
    pub next_state: Option<Arc<str>>,
    /// What its data became on the way.
    pub inspection: Inspection,
}

/// What came of trying.
#[derive(Debug, Clone, PartialEq)]
pub enum Trial {
    /// It is over.
    Over(Box<Tested>),
    /// The state is a Task that nothing stands in for: its answer is wanted as the mock.
    Needs(Value),
}

/// A test that cannot be made, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TestError {
    /// The definition is wrong.
    #[error("{}", crate::diagnostic::invalid_definition(.0))]
    Definition(Vec<Diagnostic>),
    /// Nothing works for a state of that type.
    #[error("State type '{0}' is not supported when a mock is specified")]
    NotMocked(&'static str),
    /// A state of that type runs others, which TestState does not do.
    #[error("State type '{0}' is not supported when a mock is not specified")]
    OnlyMocked(&'static str),
    /// Iterations fail in mocks alone.
    #[error("TestState does not support MapIterationFailureCount when a mock is not specified.")]
    FailuresWithoutMock,
    /// The result of a Map state is an array.
    #[error("Mocked result must be an array.")]
    NoArray,
    /// The result of a Map state that writes its results is an object.
    #[error("Mocked result must be a JSON object.")]
    NoObject,
    /// The context object cannot be so.
    #[error("Invalid Context object provided: {0}")]
    Context(String),
}

/// Reads the definition of a single state, as TestState takes it.
///
/// What it leads to is taken to be there.
///
/// # Errors
///
/// All that is wrong with it.
pub fn single_state(text: &str) -> Result<(Definition, StateId), TestError> {
    const NAME: &str = "StateName";
    let node = document::parse(text).map_err(|_| {
        let problems = Definition::parse(text, MachineType::Standard).err();
        TestError::Definition(problems.unwrap_or_default())
    })?;
    let rules = ["Choices", "Catch"]
        .into_iter()
        .filter_map(|field| node.get(field)?.as_array())
        .flatten()
        .filter_map(|rule| rule.get("Next"));
    let own = ["Next", "Default"]
        .into_iter()
        .filter_map(|field| node.get(field));
    let names = rules.chain(own).filter_map(document::Node::as_str);
    let targets: BTreeSet<&str> = names.filter(|name| *name != NAME).collect();
    let stub = |name: &&str| format!(",{}:{{\"Type\":\"Succeed\"}}", Value::from(*name));
    let stubs: String = targets.iter().map(stub).collect();
    let before = format!("{{\"StartAt\":\"{NAME}\",\"States\":{{\"{NAME}\":");
    let whole = format!("{before}{text}{stubs}}}}}");
    let definition = Definition::parse(&whole, MachineType::Standard).map_err(|mut problems| {
        let shift = |at: usize| at.saturating_sub(before.len()).min(text.len());
        for problem in &mut problems {
            problem.span = shift(problem.span.start)..shift(problem.span.end);
        }
        TestError::Definition(problems)
    })?;
    let state = definition
        .find(NAME)
        .unwrap_or(definition.flow(definition.main()).start);
    Ok((definition, state))
}

impl Test<'_> {
    /// Tries the state.
    ///
    /// # Errors
    ///
    /// Where it cannot be tried so.
    pub fn run(&self, environment: Environment<'_>) -> Result<Trial, TestError> {
        let state = self.definition.state(self.state);
        self.check(state)?;
        let (execution, track) = self.surroundings(environment);
        let context = self
            .context
            .clone()
            .unwrap_or_else(|| context::example(&execution, state, environment.now));
        let cell = OnceCell::new();
        let evaluator = Evaluator::in_test(&execution, environment, &track, state, context, &cell);
        let mut inspection = Inspection {
            input: self.input.clone(),
            ..Inspection::default()
        };
        let worked = match self.work(state, &evaluator, &mut inspection) {
            Ok(Worked::Needs(input)) => return Ok(Trial::Needs(input)),
            Ok(Worked::Done(output, next)) => Ok((output, next)),
            Ok(Worked::Fails(failure)) => Err(failure),
            Err(trouble) => Err(told(trouble)),
        };
        let tested = match worked {
            Ok((output, next)) => Tested {
                status: TestStatus::Succeeded,
                output: Some(output),
                failure: None,
                next_state: next.map(|next| Arc::clone(&self.definition.state(next).name)),
                inspection,
            },
            Err(failure) => self.handled(state, &evaluator, &failure, inspection),
        };
        Ok(Trial::Over(Box::new(tested)))
    }

    fn check(&self, state: &State) -> Result<(), TestError> {
        if let Some(context) = &self.context {
            context::check(context).map_err(TestError::Context)?;
        }
        let type_name = state.kind.type_name();
        if self.configuration.map_iteration_failure_count.is_some() && self.mock.is_none() {
            return Err(TestError::FailuresWithoutMock);
        }
        match (&state.kind, &self.mock) {
            (Kind::Map(_) | Kind::Parallel(_), None) => Err(TestError::OnlyMocked(type_name)),
            (Kind::Task(_) | Kind::Map(_) | Kind::Parallel(_), _) | (_, None) => Ok(()),
            (_, Some(_)) => Err(TestError::NotMocked(type_name)),
        }?;
        match (&state.kind, &self.mock) {
            (Kind::Map(map), Some(Mock::Result(result))) => match &map.writer {
                Some(_) if result.as_object().is_none() => Err(TestError::NoObject),
                None if result.as_array().is_none() => Err(TestError::NoArray),
                _ => Ok(()),
            },
            (Kind::Parallel(_), Some(Mock::Result(result))) if result.as_array().is_none() => {
                Err(TestError::NoArray)
            }
            _ => Ok(()),
        }
    }

    /// An execution that is in the state and in nothing else.
    fn surroundings(&self, environment: Environment<'_>) -> (Execution, Track) {
        let now = Millis::from(environment.now);
        let execution = Execution {
            info: Arc::new(Info::example()),
            flow: self.definition.main(),
            input: self.input.clone(),
            started: now,
            deadline: None,
            redrives: 0,
            status: Status::Running,
            events: 0,
            tracks: super::track::Tracks::default(),
            unfinished: None,
        };
        let track = Track {
            flow: self.definition.state(self.state).flow,
            home: Home::Main,
            variables: Variables::from(self.variables.clone()),
            chain: Chain::default(),
            state: self.state,
            input: self.input.clone(),
            entered: 0,
            entered_at: now,
            attempts: Vec::new(),
            stage: Stage::Begun,
        };
        (execution, track)
    }

    /// What retriers and catchers make of a failure.
    fn handled(
        &self,
        state: &State,
        evaluator: &Evaluator<'_>,
        failure: &Failure,
        mut inspection: Inspection,
    ) -> Tested {
        let error = failure.error.as_deref().unwrap_or_default();
        let taken = |errors: &[Arc<str>]| retry::takes(errors, error);
        let mut tested = |status, output, next_state, details: Option<ErrorDetails>| {
            inspection.error_details = details;
            Tested {
                status,
                output,
                failure: Some(failure.clone()),
                next_state,
                inspection: inspection.clone(),
            }
        };
        let retrier = state
            .retry()
            .iter()
            .enumerate()
            .find(|(_, retrier)| error != RUNTIME && taken(&retrier.errors));
        if let Some((index, retrier)) = retrier
            && let Some(delay) = retrier.delay_millis(self.configuration.retrier_retry_count, 1.0)
        {
            let details = ErrorDetails {
                retry_index: Some(index),
                retry_backoff_seconds: Some(delay / 1000),
                catch_index: None,
            };
            return tested(TestStatus::Retriable, None, None, Some(details));
        }
        let catcher = state
            .catch()
            .iter()
            .enumerate()
            .find(|(_, catcher)| taken(&catcher.errors));
        let Some((index, catcher)) = catcher else {
            return tested(TestStatus::Failed, None, None, None);
        };
        match evaluator.exit_by_catcher(index, super::failure::error_output(failure)) {
            Ok(exit) => {
                let details = ErrorDetails {
                    catch_index: Some(index),
                    ..ErrorDetails::default()
                };
                let next = Arc::clone(&self.definition.state(catcher.next).name);
                tested(
                    TestStatus::CaughtError,
                    Some(exit.output),
                    Some(next),
                    Some(details),
                )
            }
            Err(trouble) => Tested {
                status: TestStatus::Failed,
                output: None,
                failure: Some(told(trouble)),
                next_state: None,
                inspection,
            },
        }
    }
}

/// What a state's work came to.
enum Worked {
    Done(Value, Option<StateId>),
    Fails(Failure),
    Needs(Value),
}

/// The state that a transition leads to.
fn target(next: Next) -> Option<StateId> {
    match next {
        Next::State(state) => Some(state),
        Next::End => None,
    }
}

/// A test's failures do not say in which state they were.
fn told(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Named(error, cause) | Trouble::Whole(error, cause) => Failure::new(error, cause),
        Trouble::Query { cause, .. } => Failure::new(QUERY, cause),
    }
}
