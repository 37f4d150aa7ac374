//! Reading a definition: from a JSON text with positions to [`Definition`], noting every problem on
//! the way instead of stopping at the first.

mod choice;
mod common;
mod data;
mod hints;
mod map;
mod place;
mod state;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::document::{self, Node, NodeKind, Span};
use super::graph::{self, Edges};
use super::{Definition, Flow, FlowId, MachineType, QueryLanguage, State, StateId, names};
use crate::diagnostic::{Code, Diagnostic, Severity};

use place::Place;

/// How deep workflows may lie in one another.
const MAX_NESTING: usize = 50;

/// Reads a machine: the definition as far as it could be made, and every problem.
pub(super) fn machine(
    text: &str,
    machine_type: MachineType,
) -> (Option<Definition>, Vec<Diagnostic>) {
    let mut reader = Reader {
        text,
        flows: Vec::new(),
        states: Vec::new(),
        names: HashSet::new(),
        labels: HashSet::new(),
        problems: Vec::new(),
        graph: Vec::new(),
    };
    if text.trim().is_empty() {
        let message = "No state machine definition was given".to_owned();
        return (
            None,
            vec![Diagnostic {
                code: Code::MissingDescription,
                message,
                location: None,
                span: 0..0,
            }],
        );
    }
    let document = match document::parse(text) {
        Ok(document) => document,
        Err(error) => return (None, vec![syntax_problem(text, &error)]),
    };
    let definition = reader.machine(&document, machine_type);
    let Reader {
        mut problems,
        graph,
        ..
    } = reader;
    // What a state that could not be read leads to is not known, so that nothing can be said about
    // states that nothing leads to.
    let readable = problems.iter().all(|it| it.severity() < Severity::Error);
    problems.extend(
        graph
            .into_iter()
            .filter(|(certain, _)| *certain || readable)
            .map(|(_, problem)| problem),
    );
    (definition, problems)
}

fn syntax_problem(text: &str, error: &document::SyntaxError) -> Diagnostic {
    let (line, column) = document::position(text, error.at);
    Diagnostic {
        code: Code::InvalidJsonDescription,
        message: error.message.clone(),
        location: Some(format!(
            "[Source: (String); line: {line}, column: {column}]"
        )),
        span: error.at..text.len().min(error.at + 1),
    }
}

/// What is known so far, and what was wrong with it.
struct Reader<'t> {
    text: &'t str,
    flows: Vec<Option<Flow>>,
    states: Vec<Option<State>>,
    /// The names of all states, which are unique in the machine.
    names: HashSet<String>,
    labels: HashSet<String>,
    problems: Vec<Diagnostic>,
    /// Problems of the ways between states, and whether they are certain where states could not be
    /// read.
    graph: Vec<(bool, Diagnostic)>,
}

/// What holds for all states of a workflow.
#[derive(Clone, Copy)]
struct Surroundings {
    /// The machine's language.
    language: QueryLanguage,
    /// Whether it runs in an express execution.
    express: bool,
    /// How many workflows lie around it.
    depth: usize,
}

/// What holds for one state.
struct InFlow<'s> {
    flow: FlowId,
    id: StateId,
    /// The states that it may lead to.
    targets: &'s HashMap<Arc<str>, StateId>,
    surroundings: Surroundings,
}

impl Reader<'_> {
    fn problem(&mut self, code: Code, place: &Place<'_>, span: &Span, message: impl Into<String>) {
        let (message, span) = (message.into(), span.clone());
        self.problems.push(Diagnostic {
            code,
            message,
            location: Some(place.to_string()),
            span,
        });
    }

    fn schema(&mut self, place: &Place<'_>, span: &Span, message: impl Into<String>) {
        self.problem(Code::SchemaValidationFailed, place, span, message);
    }

    fn machine(&mut self, document: &Node<'_>, machine_type: MachineType) -> Option<Definition> {
        let place = Place::root();
        self.duplicates(&place, document, false);
        let Some(members) = document.as_object() else {
            self.schema(&place, &document.span, "Value must be an object");
            return None;
        };
        self.required(&place, document, &["States", "StartAt"]);
        for member in members {
            let known = [
                "Comment",
                "StartAt",
                "States",
                "TimeoutSeconds",
                "Version",
                "QueryLanguage",
            ];
            if !known.contains(&&*member.name) {
                self.schema(
                    &place,
                    &member.name_span,
                    format!("Field '{}' is not supported", member.name),
                );
            }
        }
        let language = self.query_language(&place, document).unwrap_or_default();
        if let Some(version) = document.get("Version") {
            self.one_of(&place.field("Version"), version, "Version", &["1.0"]);
        }
        let timeout_seconds = document.get("TimeoutSeconds").and_then(|node| {
            self.integer(
                &place.field("TimeoutSeconds"),
                node,
                1,
                common::LARGEST_SECONDS,
            )
        });
        let express = machine_type == MachineType::Express;
        let surroundings = Surroundings {
            language,
            express,
            depth: 0,
        };
        self.flow(&place, document, None, surroundings)?;
        let flows = self.flows.drain(..).collect::<Option<Vec<_>>>()?;
        let states = self.states.drain(..).collect::<Option<Vec<_>>>()?;
        Some(Definition {
            query_language: language,
            timeout_seconds,
            flows,
            states,
        })
    }

    /// `QueryLanguage`. What is there and not `JSONPath` counts as JSONata, as on AWS
    /// (<https://github.com/floci-io/floci/issues/2968>).
    fn query_language(&mut self, place: &Place<'_>, node: &Node<'_>) -> Option<QueryLanguage> {
        let field = node.get("QueryLanguage")?;
        self.one_of(
            &place.field("QueryLanguage"),
            field,
            "QueryLanguage",
            &["JSONPath", "JSONata"],
        );
        Some(match field.as_str() {
            Some("JSONPath") => QueryLanguage::JsonPath,
            _ => QueryLanguage::Jsonata,
        })
    }

    /// Notes fields that come twice in an object.
    fn duplicates(&mut self, place: &Place<'_>, node: &Node<'_>, of_states: bool) {
        match &node.kind {
            NodeKind::Object(members) => {
                let mut seen = HashSet::new();
                for member in members {
                    let inner = place.field(&member.name);
                    if !seen.insert(&*member.name) {
                        if of_states {
                            self.duplicate_state(&inner, &member.name_span, &member.name);
                        } else {
                            let message = format!("Duplicate field '{}'", member.name);
                            self.problem(
                                Code::InvalidJsonDescription,
                                &inner,
                                &member.name_span,
                                message,
                            );
                        }
                    }
                    self.duplicates(&inner, &member.value, member.name == "States");
                }
            }
            NodeKind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.duplicates(&place.index(index), item, false);
                }
            }
            _ => {}
        }
    }

    fn duplicate_state(&mut self, place: &Place<'_>, span: &Span, name: &str) {
        self.problem(
            Code::DuplicateStateName,
            place,
            span,
            format!("Duplicate State name: {name}"),
        );
    }

    /// Reads `StartAt` and `States` of a workflow.
    fn flow(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        parent: Option<StateId>,
        surroundings: Surroundings,
    ) -> Option<FlowId> {
        if surroundings.depth > MAX_NESTING {
            let message = format!("States are nested deeper than {MAX_NESTING} levels");
            self.problem(Code::TooDeeplyNested, place, &node.span, message);
            return None;
        }
        let flow = FlowId(u32::try_from(self.flows.len()).ok()?);
        self.flows.push(None);
        let states_place = place.field("States");
        let states = node.get("States").and_then(|states| {
            let members = self.object(&states_place, states)?;
            if members.is_empty() {
                self.schema(&states_place, &states.span, "Value cannot be empty");
            }
            Some(members)
        });
        let mut targets: HashMap<Arc<str>, StateId> = HashMap::new();
        let mut edges = Edges::default();
        let mut read = Vec::new();
        for member in states.unwrap_or_default() {
            // Of states with one name the last counts; the others have been noted.
            if targets.contains_key(&*member.name) {
                continue;
            }
            let inner = states_place.field(&member.name);
            if let Some(message) = names::state_name(&member.name) {
                self.problem(Code::InvalidStateName, &inner, &member.name_span, message);
            }
            if !self.names.insert(member.name.clone().into_owned()) {
                self.duplicate_state(&inner, &member.name_span, &member.name);
            }
            let id = StateId(u32::try_from(self.states.len()).ok()?);
            self.states.push(None);
            targets.insert(Arc::from(&*member.name), id);
            read.push((id, &member.name, &member.name_span));
        }
        let start_place = place.field("StartAt");
        let start = node.get("StartAt").and_then(|start| {
            let name = self.text(&start_place, start)?;
            edges.start(targets.get(&*name).copied());
            states?;
            self.target(&start_place, start, &targets)
        });
        for (id, name, name_span) in read {
            let inner = states_place.field(name);
            let Some(node) = node.get("States").and_then(|states| states.get(name)) else {
                continue;
            };
            let in_flow = InFlow {
                flow,
                id,
                targets: &targets,
                surroundings,
            };
            let state = self.state(&inner, node, name, &in_flow, &mut edges);
            edges.state(id, name, inner.to_string(), name_span.clone());
            self.states[id.0 as usize] = state;
        }
        if states.is_some() {
            self.graph
                .extend(graph::problems(&edges).map(|problem| (false, problem)));
        }
        self.flows[flow.0 as usize] = start.map(|start| Flow {
            start,
            states: targets,
            parent,
        });
        Some(flow)
    }

    /// The state that a field names, which must be one of the same workflow.
    ///
    /// AWS speaks of a `Next` target whatever the field is called
    /// (<https://github.com/floci-io/floci/pull/2786>).
    fn target(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        targets: &HashMap<Arc<str>, StateId>,
    ) -> Option<StateId> {
        let name = self.text(place, node)?;
        let target = targets.get(&*name).copied();
        if target.is_none() {
            let problem = Diagnostic {
                code: Code::MissingTransitionTarget,
                message: format!("Missing 'Next' target: {name}"),
                location: Some(place.to_string()),
                span: node.span.clone(),
            };
            self.graph.push((true, problem));
        }
        target
    }
}
