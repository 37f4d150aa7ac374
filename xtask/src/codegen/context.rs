//! What the submodules know of a service.

use std::collections::{BTreeMap, BTreeSet};

use super::CodegenError;
use super::names::{type_name, variant};
use crate::model::{Member, Model, Operation, Shape};
use crate::settings::Service;

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `rest-json`.
    RestJson,
    /// `json`, 1.0 or 1.1.
    Json,
    /// `query`.
    Query,
    /// `json`, and `query` as it once was.
    JsonAndQuery,
}

/// One service and what is generated of it.
#[derive(Debug)]
pub struct Context<'m> {
    /// Its name in the model's folder: `lambda`.
    pub service: &'m str,
    /// Its name in types: `Lambda`.
    pub title: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its model.
    pub model: &'m Model,
    /// The settings.
    pub settings: &'m Service,
    /// The served operations, in the order of their names.
    pub served: Vec<(&'m str, &'m Operation)>,
    /// The shapes that served operations reach.
    pub reached: BTreeSet<&'m str>,
    /// Those that requests can hold.
    pub requested: BTreeSet<&'m str>,
}

/// Where a member travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'m> {
    /// In the document.
    Document,
    /// It is the body.
    Payload,
    /// In the path.
    Label,
    /// In the query string, under this name.
    Query(&'m str),
    /// In this header.
    Header(&'m str),
    /// It is the status.
    Status,
    /// It is the body, as a stream of events.
    Events,
}

impl<'m> Context<'m> {
    /// Reads the settings against the model.
    ///
    /// # Errors
    /// When they name what the model does not have.
    pub fn new(
        service: &'m str,
        model: &'m Model,
        settings: &'m Service,
    ) -> Result<Self, CodegenError> {
        let unknown = |name: &str| CodegenError::Unknown(name.to_owned(), service.to_owned());
        let mut served = Vec::new();
        for name in &settings.served {
            let operation = model.operations.get(name).ok_or_else(|| unknown(name))?;
            served.push((name.as_str(), operation));
        }
        for name in settings.shape.keys() {
            if !model.shapes.contains_key(name) {
                return Err(unknown(name));
            }
        }
        for name in &settings.unchecked {
            let member = name
                .split_once('.')
                .and_then(|(shape, member)| model.shapes.get(shape)?.members.get(member));
            if member.is_none() {
                return Err(unknown(name));
            }
        }
        let protocol = match model.metadata.protocol.as_str() {
            "rest-json" => Protocol::RestJson,
            "json" if model.metadata.aws_query_compatible.is_some() => Protocol::JsonAndQuery,
            "json" => Protocol::Json,
            "query" => Protocol::Query,
            other => {
                return Err(CodegenError::Unsupported(
                    service.to_owned(),
                    format!("the protocol {other}"),
                ));
            }
        };
        let mut context = Self {
            service,
            title: variant(service),
            protocol,
            model,
            settings,
            served,
            reached: BTreeSet::new(),
            requested: BTreeSet::new(),
        };
        let mut inputs = BTreeSet::new();
        let mut all = BTreeSet::new();
        for (_, operation) in &context.served {
            if let Some(input) = &operation.input {
                context.reach(&input.shape, &mut inputs)?;
                context.reach(&input.shape, &mut all)?;
            }
            if let Some(output) = &operation.output {
                context.reach(&output.shape, &mut all)?;
            }
        }
        context.requested = inputs;
        context.reached = all;
        Ok(context)
    }

    fn reach(&self, name: &'m str, reached: &mut BTreeSet<&'m str>) -> Result<(), CodegenError> {
        if !reached.insert(name) {
            return Ok(());
        }
        let shape = self.shape(name)?;
        for (_, member) in &shape.members.0 {
            self.reach(&member.shape, reached)?;
        }
        for element in [&shape.member, &shape.key, &shape.value]
            .into_iter()
            .flatten()
        {
            self.reach(&element.shape, reached)?;
        }
        Ok(())
    }

    /// The shape `name`.
    ///
    /// # Errors
    /// When the model refers to a shape that it does not have.
    pub fn shape(&self, name: &str) -> Result<&'m Shape, CodegenError> {
        self.model.shapes.get(name).ok_or_else(|| {
            CodegenError::Unknown(format!("the shape {name}"), self.service.to_owned())
        })
    }

    /// The reached structures that are structures in Rust too, by name. Streams of events become
    /// enums and errors functions.
    pub fn structures(&self) -> impl Iterator<Item = (&'m str, &'m Shape)> {
        self.reached_of_kind("structure")
            .filter(|(_, shape)| !shape.event_stream && !shape.exception)
    }

    /// The reached shapes of a kind, by name.
    pub fn reached_of_kind(
        &self,
        kind: &'static str,
    ) -> impl Iterator<Item = (&'m str, &'m Shape)> {
        self.reached
            .iter()
            .filter_map(|name| Some((*name, self.model.shapes.get(*name)?)))
            .filter(move |(_, shape)| shape.kind == kind)
    }

    /// An enum's values, in the order in which they are printed.
    #[must_use]
    pub fn enum_values(&self, name: &str, shape: &'m Shape) -> Option<Vec<&'m str>> {
        let model = shape.values.as_ref()?;
        let first = self
            .settings
            .shape
            .get(name)
            .and_then(|correction| correction.values.as_ref())
            .map_or(&[][..], Vec::as_slice);
        let mut values: Vec<&str> = first.iter().map(String::as_str).collect();
        let rest = model
            .iter()
            .map(String::as_str)
            .filter(|v| !first.iter().any(|f| f == v));
        values.extend(rest);
        Some(values)
    }

    /// Where a member of a structure travels.
    ///
    /// # Errors
    /// When it travels where no served operation's has before.
    pub fn place(
        &self,
        structure: &'m Shape,
        name: &'m str,
        member: &'m Member,
    ) -> Result<Place<'m>, CodegenError> {
        let there = member.location_name.as_deref().unwrap_or(name);
        Ok(match member.location.as_deref() {
            _ if self.shape(&member.shape)?.event_stream => Place::Events,
            None if structure.payload.as_deref() == Some(name) => Place::Payload,
            None => Place::Document,
            Some("uri") => Place::Label,
            Some("querystring") => Place::Query(there),
            Some("header") => Place::Header(there),
            Some("statusCode") => Place::Status,
            Some(other) => {
                return Err(CodegenError::Unsupported(
                    name.to_owned(),
                    format!("members at {other}"),
                ));
            }
        })
    }

    /// The Rust type of a shape.
    ///
    /// # Errors
    /// When it has none yet.
    pub fn rust_type(&self, name: &str) -> Result<String, CodegenError> {
        let shape = self.shape(name)?;
        let element = |reference: &Option<crate::model::Reference>| match reference {
            Some(reference) => self.rust_type(&reference.shape),
            None => Err(CodegenError::Unsupported(
                name.to_owned(),
                "lists and maps without an element".to_owned(),
            )),
        };
        if shape.flattened && self.protocol == Protocol::Query {
            return Err(CodegenError::Unsupported(
                name.to_owned(),
                "flattened lists and maps in the query protocol".to_owned(),
            ));
        }
        Ok(match shape.kind.as_str() {
            "string" if shape.values.is_some() => type_name(name),
            "structure" if shape.event_stream => format!("EventStream<{}>", type_name(name)),
            "structure" => type_name(name),
            "string" => "String".to_owned(),
            "integer" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            "double" | "float" => "f64".to_owned(),
            "boolean" => "bool".to_owned(),
            "blob" => "Blob".to_owned(),
            "timestamp" if self.protocol == Protocol::Query => "DateTime".to_owned(),
            "timestamp" => "EpochSeconds".to_owned(),
            "list" => format!("Vec<{}>", element(&shape.member)?),
            "map" => format!("BTreeMap<String, {}>", element(&shape.value)?),
            other => {
                return Err(CodegenError::Unsupported(
                    name.to_owned(),
                    format!("the kind {other}"),
                ));
            }
        })
    }

    /// The labels of an operation's path, in their order.
    #[must_use]
    pub fn labels(operation: &'m Operation) -> Vec<&'m str> {
        operation
            .http
            .request_uri
            .split(['{', '}'])
            .skip(1)
            .step_by(2)
            .map(|label| label.trim_end_matches('+'))
            .collect()
    }

    /// Input and output types of a served operation; `()` where it has none.
    #[must_use]
    pub fn types(operation: &'m Operation) -> (String, String) {
        let name = |reference: &'m Option<crate::model::Reference>| {
            reference
                .as_ref()
                .map_or_else(|| "()".to_owned(), |reference| type_name(&reference.shape))
        };
        (name(&operation.input), name(&operation.output))
    }

    /// The error shapes of the served operations and of their events, by name.
    ///
    /// # Errors
    /// When the model refers to one that it does not have.
    pub fn errors(&self) -> Result<BTreeMap<&'m str, &'m Shape>, CodegenError> {
        let events = self
            .reached_of_kind("structure")
            .filter(|(_, shape)| shape.exception);
        self.served
            .iter()
            .flat_map(|(_, operation)| &operation.errors)
            .map(|reference| Ok((reference.shape.as_str(), self.shape(&reference.shape)?)))
            .chain(events.map(Ok))
            .collect()
    }
}
