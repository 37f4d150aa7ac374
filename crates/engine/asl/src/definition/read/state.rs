//! The states, by their types.

use std::sync::Arc;

use super::super::document::Node;
use super::super::fields::{self, StateType};
use super::super::graph::Edges;
use super::super::resource::Resource;
use super::super::{
    Catcher, Dynamic, Fail, Kind, Next, Parallel, QueryLanguage, ResultPath, Retrier, State, Task,
    Template, Wait,
};
use super::common::{Object, Offers};
use super::{InFlow, Place, Reader, Surroundings};
use crate::intrinsics::Call;
use crate::payload::Source;
use crate::time;

impl Reader<'_> {
    pub(super) fn state(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        name: &str,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<State> {
        self.object(place, node)?;
        let own = self.query_language(place, node);
        let language = own.unwrap_or(in_flow.surroundings.language);
        if own == Some(QueryLanguage::JsonPath)
            && in_flow.surroundings.language == QueryLanguage::Jsonata
        {
            let message =
                "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
            self.schema(place, &node.span, message);
        }
        self.required(place, node, &["Type"]);
        let types = StateType::ALL.map(|(name, _)| name);
        let state_type = node
            .get("Type")
            .and_then(|it| self.one_of(&place.field("Type"), it, "Type", &types));
        let state_type = StateType::named(state_type?)?;
        let offers = match state_type {
            StateType::Task | StateType::Parallel | StateType::Map => Offers::Result,
            _ => Offers::Nothing,
        };
        let object = Object {
            node,
            place,
            language,
            offers,
        };
        self.state_fields(object, state_type);
        let data = self.data(object);
        let next = self.next(object, state_type, in_flow, edges);
        let kind = self.kind(object, state_type, in_flow, edges);
        Some(State {
            name: name.into(),
            flow: in_flow.flow,
            data,
            next: next?,
            kind: kind?,
        })
    }

    /// Whether a state has the fields of its type, and no others.
    fn state_fields(&mut self, object: Object<'_, '_>, state_type: StateType) {
        let Object {
            node,
            place,
            language,
            ..
        } = object;
        let required: &[&str] = match state_type {
            StateType::Task => &["Resource"],
            StateType::Choice => &["Choices"],
            StateType::Parallel => &["Branches"],
            StateType::Map if node.get("Iterator").is_none() => &["ItemProcessor"],
            _ => &[],
        };
        self.required(place, node, required);
        for member in node.as_object().unwrap_or_default() {
            if let Some(message) = fields::refusal(&member.name, state_type, language) {
                self.schema(place, &member.name_span, message);
            }
        }
        for pair in fields::EXCLUSIVE {
            self.exclusive(place, node, pair);
        }
        if language == QueryLanguage::JsonPath {
            self.hint_paths(place, node);
        }
    }

    /// `Next` or `End`.
    fn next(
        &mut self,
        object: Object<'_, '_>,
        state_type: StateType,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Next> {
        if !state_type.has_transition() {
            if state_type != StateType::Choice {
                edges.ends();
            }
            return Some(Next::End);
        }
        let next = object.node.get("Next");
        let end = object
            .node
            .get("End")
            .map(|node| self.flag(&object.place.field("End"), node));
        match (next, end) {
            (Some(node), _) => {
                let target = self.target(&object.place.field("Next"), node, in_flow.targets)?;
                edges.leads_to(target);
                Some(Next::State(target))
            }
            (None, Some(Some(true))) => {
                edges.ends();
                Some(Next::End)
            }
            (None, Some(None)) => None,
            (None, _) => {
                let message = "Exactly one of these fields is required: [Next, End]";
                self.schema(object.place, &object.node.span, message);
                None
            }
        }
    }

    fn kind(
        &mut self,
        object: Object<'_, '_>,
        state_type: StateType,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Kind> {
        Some(match state_type {
            StateType::Pass => {
                let result = object.node.get("Result");
                if let Some(result) = result {
                    self.hint_result(&object.place.field("Result"), result);
                }
                Kind::Pass {
                    result: result.and_then(|node| self.value(&object.place.field("Result"), node)),
                }
            }
            StateType::Task => Kind::Task(Box::new(self.task(object, in_flow, edges)?)),
            StateType::Choice => Kind::Choice(Box::new(self.choice(object, in_flow, edges)?)),
            StateType::Wait => Kind::Wait(Box::new(self.wait(object)?)),
            StateType::Succeed => Kind::Succeed,
            StateType::Fail => Kind::Fail(Box::new(self.fail(object))),
            StateType::Parallel => Kind::Parallel(Box::new(self.parallel(object, in_flow, edges)?)),
            StateType::Map => Kind::Map(Box::new(self.map(object, in_flow, edges)?)),
        })
    }

    fn task(
        &mut self,
        object: Object<'_, '_>,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Task> {
        let place = object.place.field("Resource");
        let resource = object.node.get("Resource").and_then(|node| {
            let text = self.text(&place, node)?;
            let resource = Resource::of_task(&text, in_flow.surroundings.express);
            resource
                .map_err(|error| self.schema(&place, &node.span, error.to_string()))
                .ok()
        });
        let timeout = self.dynamic_integer(object, "TimeoutSeconds", 1);
        let heartbeat = self.dynamic_integer(object, "HeartbeatSeconds", 1);
        if let (Some(Dynamic::Fixed(timeout)), Some(Dynamic::Fixed(heartbeat))) =
            (&timeout, &heartbeat)
            && heartbeat >= timeout
        {
            let message = "HeartbeatSeconds must be smaller than TimeoutSeconds";
            self.schema(object.place, &object.node.span, message);
        }
        let credentials = self.credentials(object);
        let retry = self.retry(object);
        let catch = self.catch(object, in_flow, edges);
        Some(Task {
            resource: resource?,
            timeout,
            heartbeat,
            credentials,
            retry: retry?,
            catch: catch?,
        })
    }

    fn credentials(&mut self, object: Object<'_, '_>) -> Option<Template> {
        let node = object.node.get("Credentials")?;
        let place = object.place.field("Credentials");
        let whole = object.language == QueryLanguage::Jsonata && node.as_str().is_some();
        if !whole {
            self.object(&place, node)?;
            if node.get("RoleArn").is_none() && node.get("RoleArn.$").is_none() {
                self.schema(
                    &place,
                    &node.span,
                    "The field 'RoleArn' is required but was missing",
                );
            }
        }
        self.template(object, "Credentials")
    }

    fn wait(&mut self, object: Object<'_, '_>) -> Option<Wait> {
        let fields = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
        let present = fields
            .iter()
            .filter(|field| object.node.get(field).is_some())
            .count();
        if present != 1 {
            let message = format!(
                "Exactly one of these fields is required: [{}]",
                fields.join(", ")
            );
            self.schema(object.place, &object.node.span, message);
            return None;
        }
        if object.node.get("Seconds").is_some() || object.node.get("SecondsPath").is_some() {
            return self
                .dynamic_integer(object, "Seconds", 0)
                .map(Wait::Seconds);
        }
        let timestamp = self.dynamic(object, "Timestamp", |reader, place, node| {
            let text = node.as_str().filter(|text| time::parse(text).is_some());
            if text.is_none() {
                reader.schema(place, &node.span, "String does not match RFC3339 timestamp");
            }
            text.map(Arc::from)
        });
        timestamp.map(Wait::Timestamp)
    }

    fn fail(&mut self, object: Object<'_, '_>) -> Fail {
        Fail {
            error: self.words(object, "Error"),
            cause: self.words(object, "Cause"),
        }
    }

    /// `Error` or `Cause`, whose paths may be intrinsic functions.
    fn words(&mut self, object: Object<'_, '_>, field: &str) -> Option<Dynamic<Arc<str>>> {
        let path_field = format!("{field}Path");
        if let Some(node) = object.node.get(&path_field)
            && let Some(call) = node.as_str().filter(|text| Call::is_call(text))
        {
            return match Source::parse(call) {
                Ok(source) => Some(Dynamic::Call(source)),
                Err(_) => {
                    let message = format!(
                        "The value for the field '{path_field}' must be a valid JSONPath or a valid intrinsic function call"
                    );
                    self.schema(object.place, &node.span, message);
                    None
                }
            };
        }
        self.dynamic(object, field, Self::text)
    }

    fn parallel(
        &mut self,
        object: Object<'_, '_>,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Parallel> {
        let place = object.place.field("Branches");
        let branches = object.node.get("Branches").and_then(|node| {
            let items = self.filled(&place, node)?;
            let branches: Vec<_> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let place = place.index(index);
                    self.object(&place, item)?;
                    self.required(&place, item, &["States", "StartAt"]);
                    let branch = Object {
                        node: item,
                        place: &place,
                        ..object
                    };
                    self.known(branch, &["StartAt", "States"]);
                    let surroundings = Surroundings {
                        depth: in_flow.surroundings.depth + 1,
                        ..in_flow.surroundings
                    };
                    self.flow(&place, item, Some(in_flow.id), surroundings)
                })
                .collect();
            branches.into_iter().collect::<Option<Vec<_>>>()
        });
        let retry = self.retry(object);
        let catch = self.catch(object, in_flow, edges);
        Some(Parallel {
            branches: branches?,
            retry: retry?,
            catch: catch?,
        })
    }

    pub(super) fn retry(&mut self, object: Object<'_, '_>) -> Option<Vec<Retrier>> {
        let Some(node) = object.node.get("Retry") else {
            return Some(Vec::new());
        };
        let place = object.place.field("Retry");
        let items = self.array(&place, node)?;
        let retriers: Vec<Option<Retrier>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let last = index + 1 == items.len();
                self.retrier(
                    Object {
                        node: item,
                        place: &place.index(index),
                        ..object
                    },
                    last,
                )
            })
            .collect();
        retriers.into_iter().collect()
    }

    fn retrier(&mut self, object: Object<'_, '_>, last: bool) -> Option<Retrier> {
        let Object { node, place, .. } = object;
        let errors = self.error_equals(object, last)?;
        let fields = [
            "ErrorEquals",
            "IntervalSeconds",
            "MaxAttempts",
            "BackoffRate",
            "MaxDelaySeconds",
            "JitterStrategy",
        ];
        self.known(object, &fields);
        let mut integer = |field: &str, least, most| {
            node.get(field)
                .and_then(|value| self.integer(&place.field(field), value, least, most))
        };
        let interval_seconds =
            integer("IntervalSeconds", 1, super::common::LARGEST_SECONDS).unwrap_or(1);
        let max_attempts = integer("MaxAttempts", 0, super::common::LARGEST_SECONDS).unwrap_or(3);
        let max_delay_seconds = integer("MaxDelaySeconds", 1, 31_622_400);
        if max_delay_seconds.is_some_and(|longest| longest <= interval_seconds) {
            self.schema(
                place,
                &node.span,
                "MaxDelaySeconds must be greater than IntervalSeconds",
            );
        }
        let backoff_rate = node
            .get("BackoffRate")
            .and_then(|value| self.float(&place.field("BackoffRate"), value, 1.0, f64::INFINITY))
            .unwrap_or(2.0);
        let jitter = node.get("JitterStrategy").and_then(|value| {
            self.one_of(
                &place.field("JitterStrategy"),
                value,
                "JitterStrategy",
                &["FULL", "NONE"],
            )
        });
        let full_jitter = jitter == Some("FULL");
        Some(Retrier {
            errors,
            interval_seconds,
            max_attempts,
            backoff_rate,
            max_delay_seconds,
            full_jitter,
        })
    }

    pub(super) fn catch(
        &mut self,
        object: Object<'_, '_>,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Vec<Catcher>> {
        let Some(node) = object.node.get("Catch") else {
            return Some(Vec::new());
        };
        let place = object.place.field("Catch");
        let items = self.array(&place, node)?;
        let catchers: Vec<Option<Catcher>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let last = index + 1 == items.len();
                let place = place.index(index);
                self.catcher(
                    Object {
                        node: item,
                        place: &place,
                        offers: Offers::ErrorOutput,
                        ..object
                    },
                    last,
                    in_flow,
                    edges,
                )
            })
            .collect();
        catchers.into_iter().collect()
    }

    fn catcher(
        &mut self,
        object: Object<'_, '_>,
        last: bool,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Catcher> {
        let errors = self.error_equals(object, last);
        self.required(object.place, object.node, &["Next"]);
        let next = object
            .node
            .get("Next")
            .and_then(|node| self.target(&object.place.field("Next"), node, in_flow.targets));
        next.iter().for_each(|target| edges.leads_to(*target));
        let path = object.language == QueryLanguage::JsonPath;
        self.known(
            object,
            if path {
                &["ErrorEquals", "Next", "ResultPath", "Assign"]
            } else {
                &["ErrorEquals", "Next", "Output", "Assign"]
            },
        );
        let result_path = if path {
            self.result_path(object)
        } else {
            ResultPath::Replace
        };
        let output = if path {
            None
        } else {
            self.template(object, "Output")
        };
        let assign = self.assign(object);
        Some(Catcher {
            errors: errors?,
            next: next?,
            result_path,
            output,
            assign,
        })
    }

    /// `ErrorEquals`, in which `States.ALL` stands alone, and that in the last retrier or catcher.
    fn error_equals(&mut self, object: Object<'_, '_>, last: bool) -> Option<Vec<Arc<str>>> {
        let Object { node, place, .. } = object;
        self.object(place, node)?;
        self.required(place, node, &["ErrorEquals"]);
        let place = place.field("ErrorEquals");
        let field = node.get("ErrorEquals")?;
        let before = self.problems.len();
        let errors = self.texts(&place, field);
        let all = errors.iter().any(|error| &**error == "States.ALL");
        if all && (errors.len() > 1 || !last) {
            self.schema(
                &place,
                &field.span,
                "States.ALL must appear alone and in the last entry",
            );
        }
        (self.problems.len() == before).then_some(errors)
    }
}
