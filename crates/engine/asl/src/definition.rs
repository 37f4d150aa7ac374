//! State machines as they are written, read once into the form in which they run.
//!
//! [`Definition::parse`] reads a definition, says everything that is wrong with it, and resolves what
//! can be: names of states into [`StateId`]s, paths and expressions into their parsed form. A
//! definition that parsed has no error left that running it could stumble over.

pub mod document;
mod fields;
mod graph;
mod names;
mod read;
pub mod resource;
pub mod retry;
mod template;

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity};
use crate::jsonpath::{Path, ReferencePath};
use crate::payload::Source;
use crate::value::Value;

pub use resource::{Integration, Pattern, Resource};
pub use retry::{Catcher, Retrier};
pub use template::{FieldPath, JsonataTemplate, Template};

/// The largest definition, in bytes
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>).
pub const MAX_SIZE: usize = 1_048_576;

/// Whether executions are kept and may last a year, or are quick and leave a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MachineType {
    /// Durable, exactly once, up to a year.
    #[default]
    Standard,
    /// Up to five minutes; no callbacks, no activities, no waiting for jobs.
    Express,
}

/// In what a state selects and computes its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryLanguage {
    /// Paths, payload templates and intrinsic functions.
    #[default]
    JsonPath,
    /// JSONata expressions in `{% … %}`.
    Jsonata,
}

impl QueryLanguage {
    /// The value of the field `QueryLanguage`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }
}

/// A state of a [`Definition`], wherever it lies in it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct StateId(u32);

/// A workflow of a [`Definition`]: the machine itself, a branch of a Parallel state, or what a Map state
/// runs for each item.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct FlowId(u32);

/// A state machine that may run.
#[derive(Debug, Clone)]
pub struct Definition {
    query_language: QueryLanguage,
    timeout_seconds: Option<u64>,
    flows: Vec<Flow>,
    states: Vec<State>,
}

/// States that lead to one another.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Where it begins.
    pub start: StateId,
    /// Its states by name.
    pub states: HashMap<Arc<str>, StateId>,
    /// The Parallel or Map state that it is part of.
    pub parent: Option<StateId>,
}

/// A state.
#[derive(Debug, Clone)]
pub struct State {
    /// Its name, unique in the machine.
    pub name: Arc<str>,
    /// The workflow that it is part of.
    pub flow: FlowId,
    /// How its input becomes its output.
    pub data: DataFlow,
    /// Where it leads; for Choice, Succeed and Fail, which say so otherwise, [`Next::End`].
    pub next: Next,
    /// What it does.
    pub kind: Kind,
}

/// Where a state leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// To another state of its workflow.
    State(StateId),
    /// To the end of its workflow.
    End,
}

/// How a state's input becomes what it works on, and its result its output.
#[derive(Debug, Clone)]
pub enum DataFlow {
    /// With paths and payload templates.
    JsonPath(Box<PathFlow>),
    /// With JSONata.
    Jsonata(Box<JsonataFlow>),
}

/// The fields of a state in JSONPath.
#[derive(Debug, Clone, Default)]
pub struct PathFlow {
    /// `InputPath`.
    pub input_path: Selector,
    /// `Parameters`; a Map's `Parameters` of old is its item selector.
    pub parameters: Option<Template>,
    /// `ResultSelector`.
    pub result_selector: Option<Template>,
    /// `ResultPath`.
    pub result_path: ResultPath,
    /// `OutputPath`.
    pub output_path: Selector,
    /// `Assign`.
    pub assign: Option<Template>,
}

/// The fields of a state in JSONata.
#[derive(Debug, Clone, Default)]
pub struct JsonataFlow {
    /// `Arguments`.
    pub arguments: Option<Template>,
    /// `Output`.
    pub output: Option<Template>,
    /// `Assign`.
    pub assign: Option<Template>,
}

/// `InputPath` and `OutputPath`.
#[derive(Debug, Clone, Default)]
pub enum Selector {
    /// Not given, or `$`: everything.
    #[default]
    Whole,
    /// `null`: an empty object.
    Nothing,
    /// Part of it, of the context object or of a variable.
    At(Path),
}

/// `ResultPath`.
#[derive(Debug, Clone, Default)]
pub enum ResultPath {
    /// Not given, or `$`: the result takes the input's place.
    #[default]
    Replace,
    /// `null`: the result is dropped.
    Discard,
    /// The result is put into the input there.
    At(ReferencePath),
}

/// What a state does, with the fields of its type.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Hands its input on, or a value of its own.
    Pass {
        /// `Result`.
        result: Option<Value>,
    },
    /// Has work done.
    Task(Box<Task>),
    /// Decides.
    Choice(Box<Choice>),
    /// Waits.
    Wait(Box<Wait>),
    /// Ends its workflow with success.
    Succeed,
    /// Ends the execution, or the branch, with an error.
    Fail(Box<Fail>),
    /// Runs its branches side by side.
    Parallel(Box<Parallel>),
    /// Runs a workflow for each item.
    Map(Box<Map>),
}

impl Kind {
    /// The value of the field `Type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Pass { .. } => "Pass",
            Self::Task(_) => "Task",
            Self::Choice(_) => "Choice",
            Self::Wait(_) => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail(_) => "Fail",
            Self::Parallel(_) => "Parallel",
            Self::Map(_) => "Map",
        }
    }
}

/// A field that is a value, a path to one, or an expression for one. Which forms a field takes, the
/// reader of definitions has checked.
#[derive(Debug, Clone)]
pub enum Dynamic<T> {
    /// The value itself.
    Fixed(T),
    /// The field with `Path` at the end of its name.
    Path(Path),
    /// An intrinsic function, in a field with `Path` at the end of its name.
    Call(Source),
    /// A JSONata expression.
    Expression(Template),
}

/// The fields of a Task state.
#[derive(Debug, Clone)]
pub struct Task {
    /// Who does the work.
    pub resource: Resource,
    /// `TimeoutSeconds`.
    pub timeout: Option<Dynamic<u64>>,
    /// `HeartbeatSeconds`.
    pub heartbeat: Option<Dynamic<u64>>,
    /// `Credentials`.
    pub credentials: Option<Template>,
    /// `Retry`.
    pub retry: Vec<Retrier>,
    /// `Catch`.
    pub catch: Vec<Catcher>,
}

/// The fields of a Choice state.
#[derive(Debug, Clone)]
pub struct Choice {
    /// `Choices`, of which the first that is true decides.
    pub rules: Vec<Rule>,
    /// `Default`.
    pub default: Option<StateId>,
}

/// One of a Choice state's `Choices`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// When it holds.
    pub condition: Condition,
    /// Where it leads.
    pub next: StateId,
    /// What it assigns then.
    pub assign: Option<Template>,
    /// What it makes the state's output then, in JSONata.
    pub output: Option<Template>,
}

/// When a rule of a Choice state holds.
#[derive(Debug, Clone)]
pub enum Condition {
    /// All of them hold.
    And(Vec<Condition>),
    /// One of them holds.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A comparison in JSONPath.
    Compare {
        /// `Variable`.
        variable: Path,
        /// How it is compared, and with what.
        comparison: crate::choice::Comparison,
    },
    /// A JSONata expression, or a boolean.
    Expression(Template),
}

/// The fields of a Wait state.
#[derive(Debug, Clone)]
pub enum Wait {
    /// So many seconds.
    Seconds(Dynamic<u64>),
    /// Until then.
    Timestamp(Dynamic<Arc<str>>),
}

/// The fields of a Fail state.
#[derive(Debug, Clone, Default)]
pub struct Fail {
    /// `Error` or `ErrorPath`.
    pub error: Option<Dynamic<Arc<str>>>,
    /// `Cause` or `CausePath`.
    pub cause: Option<Dynamic<Arc<str>>>,
}

/// The fields of a Parallel state.
#[derive(Debug, Clone)]
pub struct Parallel {
    /// `Branches`.
    pub branches: Vec<FlowId>,
    /// `Retry`.
    pub retry: Vec<Retrier>,
    /// `Catch`.
    pub catch: Vec<Catcher>,
}

/// The fields of a Map state.
#[derive(Debug, Clone)]
pub struct Map {
    /// `ItemProcessor`, or the `Iterator` of old.
    pub processor: FlowId,
    /// How its items are run.
    pub mode: MapMode,
    /// `ItemsPath`, in JSONPath.
    pub items_path: Selector,
    /// `Items`, in JSONata.
    pub items: Option<Template>,
    /// `ItemSelector`.
    pub item_selector: Option<Template>,
    /// `MaxConcurrency`; 0 is no limit.
    pub max_concurrency: Option<Dynamic<u64>>,
    /// `ToleratedFailurePercentage`.
    pub tolerated_percentage: Option<Dynamic<f64>>,
    /// `ToleratedFailureCount`.
    pub tolerated_count: Option<Dynamic<u64>>,
    /// `ItemReader`.
    pub reader: Option<ItemReader>,
    /// `ItemBatcher`.
    pub batcher: Option<ItemBatcher>,
    /// `ResultWriter`.
    pub writer: Option<ResultWriter>,
    /// `Retry`.
    pub retry: Vec<Retrier>,
    /// `Catch`.
    pub catch: Vec<Catcher>,
}

/// How a Map state's items are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapMode {
    /// Within the execution, 40 at a time at most.
    Inline,
    /// Each as an execution of its own.
    Distributed {
        /// `ExecutionType`.
        execution_type: MachineType,
        /// `Label`.
        label: Option<Arc<str>>,
    },
}

/// Where a distributed Map's items come from.
#[derive(Debug, Clone)]
pub struct ItemReader {
    /// `Resource`.
    pub resource: Resource,
    /// `Parameters` or `Arguments`.
    pub parameters: Option<Template>,
    /// `ReaderConfig`.
    pub config: ReaderConfig,
}

/// `ReaderConfig`.
#[derive(Debug, Clone, Default)]
pub struct ReaderConfig {
    /// `InputType`: `CSV`, `JSON`, `JSONL`, `MANIFEST` or `PARQUET`; none for listings of S3.
    pub input_type: Option<Arc<str>>,
    /// `CSVHeaderLocation`: `FIRST_ROW` or `GIVEN`.
    pub csv_header_location: Option<Arc<str>>,
    /// `CSVHeaders`.
    pub csv_headers: Vec<Arc<str>>,
    /// `CSVDelimiter`, as `COMMA`.
    pub csv_delimiter: Option<Arc<str>>,
    /// `MaxItems`.
    pub max_items: Option<Dynamic<u64>>,
    /// `ItemsPointer`: a JSON pointer into a JSON file.
    pub items_pointer: Option<Arc<str>>,
    /// `Transformation`: `NONE` or `LOAD_AND_FLATTEN`.
    pub transformation: Option<Arc<str>>,
    /// `ManifestType`: `ATHENA_DATA` or `S3_INVENTORY`.
    pub manifest_type: Option<Arc<str>>,
}

/// `ItemBatcher`.
#[derive(Debug, Clone, Default)]
pub struct ItemBatcher {
    /// `BatchInput`.
    pub batch_input: Option<Template>,
    /// `MaxItemsPerBatch`.
    pub max_items: Option<Dynamic<u64>>,
    /// `MaxInputBytesPerBatch`.
    pub max_input_bytes: Option<Dynamic<u64>>,
}

/// `ResultWriter`.
#[derive(Debug, Clone)]
pub struct ResultWriter {
    /// `Resource`; none where results are only brought into another form.
    pub resource: Option<Resource>,
    /// `Parameters` or `Arguments`.
    pub parameters: Option<Template>,
    /// `WriterConfig.Transformation`: `NONE`, `COMPACT` or `FLATTEN`.
    pub transformation: Option<Arc<str>>,
    /// `WriterConfig.OutputType`: `JSON` or `JSONL`.
    pub output_type: Option<Arc<str>>,
}

impl Definition {
    /// Reads a definition.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, with warnings among it, if something is.
    pub fn parse(text: &str, machine_type: MachineType) -> Result<Self, Vec<Diagnostic>> {
        let (definition, problems) = read::machine(text, machine_type);
        match definition {
            Some(definition) if problems.iter().all(|it| it.severity() < Severity::Error) => {
                Ok(definition)
            }
            _ => Err(problems),
        }
    }

    /// The language of states that say none, as the machine has it.
    pub fn query_language(&self) -> QueryLanguage {
        self.query_language
    }

    /// How long an execution may last.
    pub fn timeout_seconds(&self) -> Option<u64> {
        self.timeout_seconds
    }

    /// The machine's own workflow.
    pub fn main(&self) -> FlowId {
        FlowId(0)
    }

    /// A workflow.
    pub fn flow(&self, id: FlowId) -> &Flow {
        &self.flows[id.0 as usize]
    }

    /// A state.
    pub fn state(&self, id: StateId) -> &State {
        &self.states[id.0 as usize]
    }

    /// All states, those within branches and Maps too.
    pub fn states(&self) -> impl Iterator<Item = (StateId, &State)> {
        (0..).map(StateId).zip(&self.states)
    }

    /// The state of that name, wherever it lies.
    pub fn find(&self, name: &str) -> Option<StateId> {
        self.states()
            .find(|(_, state)| &*state.name == name)
            .map(|(id, _)| id)
    }

    /// Whether there is such a workflow, for ids that come from elsewhere than this definition.
    pub fn contains_flow(&self, id: FlowId) -> bool {
        (id.0 as usize) < self.flows.len()
    }

    /// Whether there is such a state, for ids that come from elsewhere than this definition.
    pub fn contains_state(&self, id: StateId) -> bool {
        (id.0 as usize) < self.states.len()
    }
}

impl State {
    /// In what its data is selected and computed.
    pub fn query_language(&self) -> QueryLanguage {
        match self.data {
            DataFlow::JsonPath(_) => QueryLanguage::JsonPath,
            DataFlow::Jsonata(_) => QueryLanguage::Jsonata,
        }
    }

    /// `Retry`.
    pub fn retry(&self) -> &[Retrier] {
        match &self.kind {
            Kind::Task(task) => &task.retry,
            Kind::Parallel(parallel) => &parallel.retry,
            Kind::Map(map) => &map.retry,
            _ => &[],
        }
    }

    /// `Catch`.
    pub fn catch(&self) -> &[Catcher] {
        match &self.kind {
            Kind::Task(task) => &task.catch,
            Kind::Parallel(parallel) => &parallel.catch,
            Kind::Map(map) => &map.catch,
            _ => &[],
        }
    }
}

/// Everything that is wrong with a definition, errors and warnings, without making it.
pub fn validate(text: &str, machine_type: MachineType) -> Vec<Diagnostic> {
    read::machine(text, machine_type).1
}
