//! What is told of an invocation to who traces it: its spans.
//!
//! ```text
//! the function          from the call's arrival until all is done; a child of who called
//! ├── init | restore    where the environment was made for it
//! ├── invoke            while the runtime has the event: the parent of what the function calls
//! └── extensions        what extensions do behind the answer
//! ```
//!
//! Names of attributes: <https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/> and
//! <https://opentelemetry.io/docs/specs/semconv/resource/faas/>.

use std::sync::Arc;
use std::time::Duration;

use ids::{RequestId, Timestamp};
use serde::Deserialize;
use trace::{Header, Kind, Source, Span, SpanId, TraceId, Value};
use wire::lambda::{FunctionConfiguration, TracingMode};

use super::failure::Failure;
use super::report::Restore;
use crate::deployment::Deployment;
use crate::environment::{Environment, Init};
use crate::service::Inner;

/// What an invocation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A call of the API, or an event.
    Call,
    /// A request to the function's URL.
    Url,
}

/// An invocation of which spans are recorded.
#[derive(Debug)]
pub(super) struct Traced {
    trace: TraceId,
    /// Who called, where the trace does not begin here.
    parent: Option<SpanId>,
    whole: SpanId,
    invoke: SpanId,
    id: RequestId,
    invoked_arn: Arc<str>,
    trigger: Trigger,
    arrived: Timestamp,
}

/// When it did what.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) init: Option<Init>,
    pub(super) restore: Option<Restore>,
    /// When the runtime was given the event.
    pub(super) began: Timestamp,
    /// Until its answer.
    pub(super) runtime: Duration,
    /// From then on until the extensions had done, where there are any.
    pub(super) extensions: Option<Duration>,
}

/// Whether invocations are recorded of which their callers have not decided it.
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_TracingConfig.html>.
pub(crate) fn is_active(configuration: &FunctionConfiguration) -> bool {
    let tracing = configuration.tracing_config.as_ref();
    tracing.and_then(|tracing| tracing.mode.as_ref()) == Some(&TracingMode::Active)
}

impl Inner {
    /// Decides whether an invocation is recorded, if nobody has, and writes into its header what the
    /// function is to hand on. Nothing comes back where nothing is recorded.
    pub(super) fn begin_trace(
        &self,
        header: &mut Header,
        deployment: &Deployment,
        (id, invoked_arn): (RequestId, &Arc<str>),
        (trigger, arrived): (Trigger, Timestamp),
    ) -> Option<Traced> {
        let sampled = *header.sampled.get_or_insert(deployment.is_traced);
        let parent = header.parent;
        if !sampled || !self.tracer.is_on() {
            // What the function calls has a parent all the same, of which nobody is told.
            header.parent = parent.or_else(|| Some(SpanId::draw(&*self.entropy)));
            return None;
        }
        let invoke = SpanId::draw(&*self.entropy);
        header.parent = Some(invoke);
        Some(Traced {
            trace: header.root,
            parent,
            whole: SpanId::draw(&*self.entropy),
            invoke,
            id,
            invoked_arn: Arc::clone(invoked_arn),
            trigger,
            arrived,
        })
    }

    /// Tells of an invocation that is over.
    pub(super) fn end_trace(
        &self,
        traced: &Traced,
        environment: &Environment,
        course: &Course,
        failure: Option<&Failure>,
    ) {
        let draw = || SpanId::draw(&*self.entropy);
        let source = source(&environment.deployment);
        let part = |id, name: &str, began: Timestamp, took| Span {
            trace: traced.trace,
            id,
            parent: Some(traced.whole),
            name: name.into(),
            kind: Kind::Internal,
            began,
            ended: began.plus(took),
            attributes: Vec::new(),
            failure: None,
            source: Arc::clone(&source),
        };
        let told = failure.map(told);
        let failed = |mut span: Span| {
            if let Some((error_type, message)) = &told {
                span.attributes.push(("error.type", text(error_type)));
                span.failure = Some(message.clone());
            }
            span
        };
        let init = course.init.as_ref();
        let init = init.map(|init| part(draw(), "init", init.began, init.took));
        let restore = course.restore.as_ref();
        let restore = restore.map(|it| part(draw(), "restore", it.began, it.billed));
        let answered = course.began.plus(course.runtime);
        let extensions = course.extensions;
        let extensions = extensions.map(|took| part(draw(), "extensions", answered, took));
        let whole = Span {
            parent: traced.parent,
            kind: Kind::Server,
            ended: extensions.as_ref().map_or(answered, |last| last.ended),
            attributes: vec![
                ("faas.invocation_id", text(&traced.id)),
                ("faas.trigger", text(traced.trigger.name())),
                (
                    "faas.coldstart",
                    Value::Flag(init.is_some() || restore.is_some()),
                ),
                ("faas.instance", text(environment.log_stream())),
                ("cloud.resource_id", text(&traced.invoked_arn)),
            ],
            ..part(
                traced.whole,
                &environment.deployment.key.name,
                traced.arrived,
                Duration::ZERO,
            )
        };
        let invoke = part(traced.invoke, "invoke", course.began, course.runtime);
        let own = [failed(whole), failed(invoke)];
        let parts = init.into_iter().chain(restore).chain(extensions);
        self.tracer.record(own.into_iter().chain(parts));
    }
}

/// The type of a failure and what is said of it. What a function reports names both.
fn told(failure: &Failure) -> (String, String) {
    let reported = match failure {
        Failure::Reported { payload, .. } => serde_json::from_slice(payload).unwrap_or_default(),
        _ => Report::default(),
    };
    let error_type = reported.error_type;
    let message = reported.error_message;
    (
        error_type.unwrap_or_else(|| failure.error_type().to_owned()),
        message.unwrap_or_else(|| failure.to_string()),
    )
}

/// What a runtime says of a function's error, as far as it keeps to AWS's form.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Report {
    error_type: Option<String>,
    error_message: Option<String>,
}

/// The version that runs.
fn source(deployment: &Deployment) -> Arc<Source> {
    let key = &deployment.key;
    let memory = i64::from(deployment.memory_mb) << 20;
    Arc::new(Source {
        attributes: vec![
            ("service.name", text(&key.name)),
            ("faas.name", text(&key.name)),
            ("faas.version", text(&deployment.version)),
            ("faas.max_memory", Value::Number(memory)),
            ("cloud.provider", text("aws")),
            ("cloud.platform", text("aws_lambda")),
            ("cloud.region", text(&key.region)),
            ("cloud.account.id", text(&key.account)),
        ],
    })
}

fn text(value: &(impl ToString + ?Sized)) -> Value {
    Value::Text(value.to_string())
}

impl Trigger {
    fn name(self) -> &'static str {
        match self {
            Self::Call => "other",
            Self::Url => "http",
        }
    }
}
