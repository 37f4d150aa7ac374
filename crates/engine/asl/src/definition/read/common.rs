//! Reading single values, and saying what they should have been.

use std::sync::Arc;

use super::super::document::{Member, Node, NodeKind};
use super::super::template::expression_text;
use super::super::{Dynamic, JsonataTemplate, QueryLanguage, Selector, Template};
use super::{Place, Reader};
use crate::diagnostic::Code;
use crate::jsonata::Expression;
use crate::jsonpath::Path;
use crate::payload;
use crate::value::Value;

/// The largest number of seconds that a field takes.
pub(super) const LARGEST_SECONDS: u64 = 99_999_999;

/// An object of a definition whose fields are being read.
#[derive(Clone, Copy)]
pub(super) struct Object<'o, 'n> {
    pub(super) node: &'o Node<'n>,
    pub(super) place: &'o Place<'o>,
    pub(super) language: QueryLanguage,
    pub(super) offers: Offers,
}

/// What of `$states` its `Output` and `Assign` see, beside the input and the context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offers {
    Nothing,
    Result,
    ErrorOutput,
}

impl<'n> Reader<'_> {
    pub(super) fn object<'o>(
        &mut self,
        place: &Place<'_>,
        node: &'o Node<'n>,
    ) -> Option<&'o [Member<'n>]> {
        let members = node.as_object();
        if members.is_none() {
            self.schema(place, &node.span, "Value must be an object");
        }
        members
    }

    pub(super) fn array<'o>(
        &mut self,
        place: &Place<'_>,
        node: &'o Node<'n>,
    ) -> Option<&'o [Node<'n>]> {
        let items = node.as_array();
        if items.is_none() {
            self.schema(place, &node.span, "Value must be an array");
        }
        items
    }

    /// An array that holds something.
    pub(super) fn filled<'o>(
        &mut self,
        place: &Place<'_>,
        node: &'o Node<'n>,
    ) -> Option<&'o [Node<'n>]> {
        let items = self.array(place, node)?;
        if items.is_empty() {
            self.schema(place, &node.span, "Value cannot be empty");
            return None;
        }
        Some(items)
    }

    pub(super) fn text(&mut self, place: &Place<'_>, node: &Node<'_>) -> Option<Arc<str>> {
        let text = node.as_str();
        if text.is_none() {
            self.schema(place, &node.span, "Value must be a string");
        }
        text.map(Arc::from)
    }

    pub(super) fn flag(&mut self, place: &Place<'_>, node: &Node<'_>) -> Option<bool> {
        match node.kind {
            NodeKind::Bool(flag) => Some(flag),
            _ => {
                self.schema(place, &node.span, "Value must be a boolean");
                None
            }
        }
    }

    /// A string that is one of these.
    pub(super) fn one_of(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        field: &str,
        values: &[&'static str],
    ) -> Option<&'static str> {
        let found = node
            .as_str()
            .and_then(|text| values.iter().find(|value| **value == text));
        if found.is_none() {
            let message = format!(
                "The field '{field}' should have one of these values: [{}]",
                values.join(", ")
            );
            self.schema(place, &node.span, message);
        }
        found.copied()
    }

    /// A whole number within bounds.
    pub(super) fn integer(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        let number = match node.kind {
            NodeKind::Number(text) => text.parse::<u64>().ok(),
            _ => None,
        };
        let fits = number.filter(|number| (least..=most).contains(number));
        if fits.is_none() {
            let message = format!("Value must be an integer between {least} and {most}");
            self.schema(place, &node.span, message);
        }
        fits
    }

    /// A number within bounds.
    pub(super) fn float(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        least: f64,
        most: f64,
    ) -> Option<f64> {
        let number = match node.kind {
            NodeKind::Number(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        let fits = number.filter(|number| (least..=most).contains(number));
        if fits.is_none() {
            let bound = if most.is_finite() {
                format!("between {least} and {most}")
            } else {
                format!("of at least {least}")
            };
            self.schema(place, &node.span, format!("Value must be a number {bound}"));
        }
        fits
    }

    pub(super) fn texts(&mut self, place: &Place<'_>, node: &Node<'_>) -> Vec<Arc<str>> {
        let items = self.filled(place, node).unwrap_or_default();
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.text(&place.index(index), item))
            .collect()
    }

    /// Notes which of these fields an object lacks.
    pub(super) fn required(&mut self, place: &Place<'_>, node: &Node<'_>, fields: &[&str]) {
        let missing: Vec<&str> = fields
            .iter()
            .copied()
            .filter(|field| node.get(field).is_none())
            .collect();
        if !missing.is_empty() {
            self.schema(
                place,
                &node.span,
                format!("These fields are required: [{}]", missing.join(", ")),
            );
        }
    }

    /// Notes that an object has more than one of these fields.
    pub(super) fn exclusive(&mut self, place: &Place<'_>, node: &Node<'_>, fields: &[&str]) {
        let present: Vec<&str> = fields
            .iter()
            .copied()
            .filter(|field| node.get(field).is_some())
            .collect();
        if present.len() > 1 {
            let message = format!(
                "These fields are mutually exclusive: [{}]",
                present.join(", ")
            );
            self.schema(place, &node.span, message);
        }
    }

    /// Notes fields of an object that it cannot have.
    pub(super) fn known(&mut self, object: Object<'_, '_>, fields: &[&str]) {
        for member in object.node.as_object().unwrap_or_default() {
            if !fields.contains(&&*member.name) && member.name != "Comment" {
                let message = format!("Field '{}' is not supported", member.name);
                self.schema(object.place, &member.name_span, message);
            }
        }
    }

    /// A path in JSONPath.
    pub(super) fn path(&mut self, place: &Place<'_>, node: &Node<'_>) -> Option<Path> {
        let text = self.text(place, node)?;
        match Path::parse(&text) {
            Ok(path) => Some(path),
            Err(_) => {
                self.schema(place, &node.span, "Value must be a valid JSONPath.");
                None
            }
        }
    }

    /// `InputPath` and its like: a path, or null.
    pub(super) fn selector(&mut self, object: Object<'_, '_>, field: &str) -> Selector {
        let Some(node) = object.node.get(field) else {
            return Selector::Whole;
        };
        match &node.kind {
            NodeKind::Null => Selector::Nothing,
            NodeKind::String(text) if text == "$" => Selector::Whole,
            _ => self
                .path(&object.place.field(field), node)
                .map_or(Selector::Whole, Selector::At),
        }
    }

    /// A field that is a whole number, or in JSONPath the field with `Path` behind its name, or in
    /// JSONata an expression.
    pub(super) fn dynamic_integer(
        &mut self,
        object: Object<'_, '_>,
        field: &str,
        least: u64,
    ) -> Option<Dynamic<u64>> {
        self.dynamic(object, field, |reader, place, node| {
            reader.integer(place, node, least, LARGEST_SECONDS)
        })
    }

    /// A field that is of one form by itself, a path in JSONPath or an expression in JSONata.
    pub(super) fn dynamic<T>(
        &mut self,
        object: Object<'_, '_>,
        field: &str,
        fixed: impl FnOnce(&mut Self, &Place<'_>, &Node<'_>) -> Option<T>,
    ) -> Option<Dynamic<T>> {
        if let Some(node) = object.node.get(field) {
            let place = object.place.field(field);
            if object.language == QueryLanguage::Jsonata && node.as_str().is_some_and(is_marked) {
                return self
                    .jsonata(&place, node)
                    .map(Template::Jsonata)
                    .map(Dynamic::Expression);
            }
            return fixed(self, &place, node).map(Dynamic::Fixed);
        }
        let path_field = format!("{field}Path");
        let node = object.node.get(&path_field)?;
        self.path(&object.place.field(&path_field), node)
            .map(Dynamic::Path)
    }

    /// A field whose value is computed in the state's language; there or not.
    pub(super) fn template(&mut self, object: Object<'_, '_>, field: &str) -> Option<Template> {
        let node = object.node.get(field)?;
        let place = object.place.field(field);
        match object.language {
            QueryLanguage::JsonPath => self.payload(&place, node).map(Template::JsonPath),
            QueryLanguage::Jsonata => {
                let template = self.jsonata(&place, node)?;
                let offers = match field {
                    "Output" | "Assign" => object.offers,
                    _ => Offers::Nothing,
                };
                self.reserved(&place, node, &template, offers);
                Some(Template::Jsonata(template))
            }
        }
    }

    /// Notes expressions that read what of `$states` is not there.
    fn reserved(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        template: &JsonataTemplate,
        offers: Offers,
    ) {
        match (template, &node.kind) {
            (JsonataTemplate::Expression(expression), _) => {
                let unavailable =
                    expression.unavailable(offers == Offers::Result, offers == Offers::ErrorOutput);
                if let Some(message) = unavailable {
                    self.problem(
                        Code::UnsupportedJsonataExpression,
                        place,
                        &node.span,
                        message,
                    );
                }
            }
            (JsonataTemplate::Array(items), NodeKind::Array(nodes)) => {
                for (index, (item, node)) in items.iter().zip(nodes).enumerate() {
                    self.reserved(&place.index(index), node, item, offers);
                }
            }
            (JsonataTemplate::Object(fields), NodeKind::Object(members)) => {
                for ((name, item), member) in fields.iter().zip(members) {
                    self.reserved(&place.field(name), &member.value, item, offers);
                }
            }
            _ => {}
        }
    }

    /// A payload template in JSONPath.
    pub(super) fn payload(
        &mut self,
        place: &Place<'_>,
        node: &Node<'n>,
    ) -> Option<payload::Template> {
        let before = self.problems.len();
        self.payload_fields(place, node);
        if self.problems[before..]
            .iter()
            .any(|it| it.code != Code::NoDollar)
        {
            return None;
        }
        let template = payload::Template::parse(&self.value(place, node)?);
        template
            .map_err(|error| self.schema(place, &node.span, error.to_string()))
            .ok()
    }

    /// Checks the fields of a payload template one by one, so that each problem has its place.
    fn payload_fields(&mut self, place: &Place<'_>, node: &Node<'n>) {
        match &node.kind {
            NodeKind::Object(members) => {
                for member in members {
                    let Some(name) = member.name.strip_suffix(".$") else {
                        self.hint_dollar(&place.field(&member.name), member);
                        self.payload_fields(&place.field(&member.name), &member.value);
                        continue;
                    };
                    if node.get(name).is_some() {
                        let message = format!(
                            "The field '{name}' is there twice, as '{name}' and as '{name}.$'"
                        );
                        self.schema(place, &member.name_span, message);
                    }
                    let valid = member
                        .value
                        .as_str()
                        .is_some_and(|text| payload::Source::parse(text).is_ok());
                    if !valid {
                        let message = format!(
                            "The value for the field '{}' must be a valid JSONPath or a valid intrinsic function call",
                            member.name
                        );
                        self.schema(place, &member.value.span, message);
                    }
                }
            }
            NodeKind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.payload_fields(&place.index(index), item);
                }
            }
            _ => {}
        }
    }

    /// JSON with JSONata in it.
    pub(super) fn jsonata(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
    ) -> Option<JsonataTemplate> {
        match &node.kind {
            NodeKind::String(text) if is_marked(text) => {
                let Some(text) = expression_text(text) else {
                    let message = "A JSONata expression must begin with '{%' and end with '%}'";
                    self.problem(Code::InvalidJsonataExpression, place, &node.span, message);
                    return None;
                };
                match Expression::parse(text) {
                    Ok(expression) => Some(JsonataTemplate::Expression(Arc::new(expression))),
                    Err(error) => {
                        self.jsonata_problem(place, node, &error);
                        None
                    }
                }
            }
            NodeKind::Array(items) => {
                let read: Vec<Option<JsonataTemplate>> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.jsonata(&place.index(index), item))
                    .collect();
                let read: Vec<JsonataTemplate> = read.into_iter().collect::<Option<_>>()?;
                if read.iter().all(JsonataTemplate::is_literal) {
                    return self.value(place, node).map(JsonataTemplate::Literal);
                }
                Some(JsonataTemplate::Array(read))
            }
            NodeKind::Object(members) => {
                let mut read: Vec<(Arc<str>, JsonataTemplate)> = Vec::with_capacity(members.len());
                let mut complete = true;
                for member in members {
                    match self.jsonata(&place.field(&member.name), &member.value) {
                        Some(template) => read.push((Arc::from(&*member.name), template)),
                        None => complete = false,
                    }
                }
                if !complete {
                    return None;
                }
                if read.iter().all(|(_, it)| it.is_literal()) {
                    return self.value(place, node).map(JsonataTemplate::Literal);
                }
                Some(JsonataTemplate::Object(read))
            }
            _ => self.value(place, node).map(JsonataTemplate::Literal),
        }
    }

    fn jsonata_problem(
        &mut self,
        place: &Place<'_>,
        node: &Node<'_>,
        error: &crate::jsonata::ParseError,
    ) {
        let code = if error.is_unsupported() {
            Code::UnsupportedJsonataExpression
        } else {
            Code::InvalidJsonataExpression
        };
        self.problem(code, place, &node.span, error.to_string());
    }

    /// The JSON value that stands there.
    pub(super) fn value(&mut self, place: &Place<'_>, node: &Node<'_>) -> Option<Value> {
        let value = Value::parse(&self.text[node.span.clone()]);
        value
            .map_err(|error| self.schema(place, &node.span, error.to_string()))
            .ok()
    }
}

/// Whether a string is meant to be an expression. Half a mark is an error and no text
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>).
fn is_marked(text: &str) -> bool {
    text.starts_with("{%") || text.ends_with("%}")
}
