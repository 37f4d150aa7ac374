//! The fields of Choice states.

use super::super::document::{Node, NodeKind};
use super::super::graph::Edges;
use super::super::{Choice, Condition, QueryLanguage, Rule, Template};
use super::common::Object;
use super::{InFlow, Place, Reader};
use crate::choice::{Comparison, Operand, Operator, Pattern};

/// The fields of a rule that are no operator.
const RULE: [&str; 5] = ["Next", "Assign", "Output", "Comment", "Variable"];

impl Reader<'_> {
    pub(super) fn choice(
        &mut self,
        object: Object<'_, '_>,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Choice> {
        let choices_place = object.place.field("Choices");
        let rules = object.node.get("Choices").and_then(|choices| {
            let items = self.filled(&choices_place, choices)?;
            let rules: Vec<Option<Rule>> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let place = choices_place.index(index);
                    self.rule(
                        Object {
                            node: item,
                            place: &place,
                            ..object
                        },
                        in_flow,
                        edges,
                    )
                })
                .collect();
            rules.into_iter().collect::<Option<Vec<_>>>()
        });
        let default = match object.node.get("Default") {
            Some(node) => {
                let target = self.target(&object.place.field("Default"), node, in_flow.targets);
                target.iter().for_each(|target| edges.leads_to(*target));
                Some(target?)
            }
            None => None,
        };
        Some(Choice {
            rules: rules?,
            default,
        })
    }

    fn rule(
        &mut self,
        object: Object<'_, '_>,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Rule> {
        self.object(object.place, object.node)?;
        self.required(object.place, object.node, &["Next"]);
        let next = object
            .node
            .get("Next")
            .and_then(|node| self.target(&object.place.field("Next"), node, in_flow.targets));
        next.iter().for_each(|target| edges.leads_to(*target));
        let assign = self.assign(object);
        let (condition, output) = match object.language {
            QueryLanguage::JsonPath => (self.condition(object, true), None),
            QueryLanguage::Jsonata => {
                self.required(object.place, object.node, &["Condition"]);
                self.known(object, &["Condition", "Next", "Assign", "Output"]);
                let condition = object.node.get("Condition").and_then(|node| {
                    let place = object.place.field("Condition");
                    let expression = matches!(node.kind, NodeKind::Bool(_) | NodeKind::String(_));
                    if !expression {
                        self.schema(
                            &place,
                            &node.span,
                            "Value must be a JSONata expression or a boolean",
                        );
                        return None;
                    }
                    self.jsonata(&place, node)
                        .map(Template::Jsonata)
                        .map(Condition::Expression)
                });
                (condition, self.template(object, "Output"))
            }
        };
        Some(Rule {
            condition: condition?,
            next: next?,
            assign,
            output,
        })
    }

    /// A condition in JSONPath: `And`, `Or`, `Not`, or a comparison of a variable.
    fn condition(&mut self, object: Object<'_, '_>, outermost: bool) -> Option<Condition> {
        let members = self.object(object.place, object.node)?;
        for member in members {
            let nested = ["Next", "Assign"].contains(&&*member.name) && !outermost;
            let operator = ["And", "Or", "Not"].contains(&&*member.name)
                || Operator::named(&member.name).is_some();
            let language = member.name == "Output" || member.name == "Condition";
            if nested || language || (!operator && !RULE.contains(&&*member.name)) {
                let message = match language {
                    true => format!(
                        "The QueryLanguage is set to 'JSONPath', but field '{}' is only supported for the 'JSONata' QueryLanguage",
                        member.name
                    ),
                    false => format!("Field '{}' is not supported", member.name),
                };
                self.schema(object.place, &member.name_span, message);
            }
        }
        let mut operators = members.iter().filter(|member| {
            ["And", "Or", "Not"].contains(&&*member.name) || Operator::named(&member.name).is_some()
        });
        let (Some(operator), None) = (operators.next(), operators.next()) else {
            self.schema(
                object.place,
                &object.node.span,
                "A choice rule must have exactly one comparison operator",
            );
            return None;
        };
        let place = object.place.field(&operator.name);
        match &*operator.name {
            "And" | "Or" => {
                let items = self.filled(&place, &operator.value)?;
                let read: Vec<Option<Condition>> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        let place = place.index(index);
                        self.condition(
                            Object {
                                node: item,
                                place: &place,
                                ..object
                            },
                            false,
                        )
                    })
                    .collect();
                let read = read.into_iter().collect::<Option<Vec<_>>>()?;
                Some(if operator.name == "And" {
                    Condition::And(read)
                } else {
                    Condition::Or(read)
                })
            }
            "Not" => {
                let inner = self.condition(
                    Object {
                        node: &operator.value,
                        place: &place,
                        ..object
                    },
                    false,
                )?;
                Some(Condition::Not(Box::new(inner)))
            }
            _ => {
                self.required(object.place, object.node, &["Variable"]);
                let variable = object
                    .node
                    .get("Variable")
                    .and_then(|node| self.path(&object.place.field("Variable"), node));
                let comparison = self.comparison(&place, &operator.name, &operator.value);
                Some(Condition::Compare {
                    variable: variable?,
                    comparison: comparison?,
                })
            }
        }
    }

    fn comparison(&mut self, place: &Place<'_>, name: &str, node: &Node<'_>) -> Option<Comparison> {
        Some(match Operator::named(name)? {
            Operator::Order(domain, relation) => {
                let value = self.value(place, node)?;
                if !domain.contains(&value) {
                    let message = match domain {
                        crate::choice::Domain::Timestamp => {
                            "String does not match RFC3339 timestamp".to_owned()
                        }
                        other => format!("Value must be a {}", other.name()),
                    };
                    self.schema(place, &node.span, message);
                    return None;
                }
                Comparison::Order {
                    domain,
                    relation,
                    operand: Operand::Value(value),
                }
            }
            Operator::OrderPath(domain, relation) => {
                let path = self.path(place, node)?;
                Comparison::Order {
                    domain,
                    relation,
                    operand: Operand::Path(path),
                }
            }
            Operator::Matches => {
                let text = self.text(place, node)?;
                let pattern = Pattern::parse(&text);
                if pattern.is_none() {
                    self.schema(place, &node.span, "A backslash escapes '*' and '\\' alone");
                }
                Comparison::Matches(pattern?)
            }
            Operator::Is(domain) => Comparison::Is {
                domain,
                expected: self.flag(place, node)?,
            },
            Operator::IsNull => Comparison::IsNull(self.flag(place, node)?),
            Operator::IsPresent => Comparison::IsPresent(self.flag(place, node)?),
        })
    }
}
