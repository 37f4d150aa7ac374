//! `bindings.rs`: inputs out of requests, outputs into responses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Place, Protocol};
use super::names::{snake, type_name};
use crate::model::Operation;

pub(super) fn file(context: &Context<'_>) -> Result<String, CodegenError> {
    let mut inputs: BTreeMap<&str, &Operation> = BTreeMap::new();
    let mut outputs: BTreeMap<&str, ()> = BTreeMap::new();
    for (_, operation) in &context.served {
        if let Some(input) = &operation.input {
            inputs.insert(&input.shape, operation);
        }
        if let Some(output) = &operation.output {
            outputs.insert(&output.shape, ());
        }
    }
    let mut code = String::from(
        "use http::Response;\n\n\
         use super::structures::*;\n\
         use crate::protocol::{Input, Output, Protocol, Reply, Request};\n\
         use crate::{Body, ServiceError};\n\n",
    );
    for (name, operation) in inputs {
        code.push_str(&input(context, name, operation)?);
    }
    for name in outputs.into_keys() {
        code.push_str(&output(context, name)?);
    }
    Ok(code)
}

fn input(context: &Context<'_>, name: &str, operation: &Operation) -> Result<String, CodegenError> {
    let shape = context.shape(name)?;
    let labels = Context::labels(operation);
    let mut in_document = false;
    let mut fields = String::new();
    for (member_name, member) in &shape.members.0 {
        let field = snake(member_name);
        let kind = context.shape(&member.shape)?.kind.as_str();
        let read = match context.place(shape, member_name, member)? {
            Place::Document => {
                in_document = true;
                continue;
            }
            Place::Payload if kind == "blob" => "request.payload()".to_owned(),
            Place::Payload => "Some(request.document(protocol)?)".to_owned(),
            Place::Label => {
                let there = member.location_name.as_deref().unwrap_or(member_name);
                let index = labels.iter().position(|label| *label == there);
                let index = index.ok_or_else(|| {
                    CodegenError::Unsupported(name.to_owned(), format!("the label {there}"))
                })?;
                format!("request.label({index})?")
            }
            Place::Query(there) => match kind {
                "list" => format!("request.query_list({there:?})?"),
                "map" => format!("request.query_map(&{:?})?", bound_queries(context, name)?),
                _ => format!("request.query({there:?})?"),
            },
            Place::Header(there) => {
                format!("request.header({:?})?", there.to_ascii_lowercase())
            }
            Place::Status | Place::Events => {
                return Err(CodegenError::Unsupported(
                    name.to_owned(),
                    "a status or events in a request".to_owned(),
                ));
            }
        };
        let _ = writeln!(fields, "{field}: {read},");
    }
    let body = match (in_document, fields.is_empty()) {
        (true, true) => "request.document(protocol)".to_owned(),
        (true, false) => format!("Ok(Self {{ {fields} ..request.document(protocol)? }})"),
        (false, _) => format!("Ok(Self {{ {fields} }})"),
    };
    let name = type_name(name);
    let (protocol, request) = (used(&body, "protocol"), used(&body, "request"));
    Ok(format!(
        "impl Input for {name} {{\n\
         fn decode<P: Protocol>({protocol}: &P, {request}: &Request<'_>) \
         -> Result<Self, ServiceError> {{\n{body}\n}}\n}}\n\n"
    ))
}

/// The parameter `name`, or none where the body does without.
fn used<'n>(body: &str, name: &'n str) -> &'n str {
    if body.contains(name) { name } else { "_" }
}

fn bound_queries<'m>(context: &Context<'m>, name: &str) -> Result<Vec<&'m str>, CodegenError> {
    let shape = context.shape(name)?;
    let mut bound = Vec::new();
    for (member_name, member) in &shape.members.0 {
        if let Place::Query(there) = context.place(shape, member_name, member)?
            && context.shape(&member.shape)?.kind != "map"
        {
            bound.push(there);
        }
    }
    Ok(bound)
}

fn output(context: &Context<'_>, name: &str) -> Result<String, CodegenError> {
    let shape = context.shape(name)?;
    let mut sets = String::new();
    let mut end = None;
    let mut events = None;
    for (member_name, member) in &shape.members.0 {
        let field = snake(member_name);
        match context.place(shape, member_name, member)? {
            Place::Document => {
                end.get_or_insert_with(|| "reply.document(protocol, &self)".to_owned());
            }
            Place::Payload if context.shape(&member.shape)?.kind == "blob" => {
                end = Some(format!("Ok(reply.payload(self.{field}))"));
            }
            Place::Payload => end = Some(format!("reply.document(protocol, &self.{field})")),
            Place::Status => {
                let _ = writeln!(sets, "reply.status(self.{field});");
            }
            Place::Header(there) => {
                let there = there.to_ascii_lowercase();
                let _ = writeln!(sets, "reply.header({there:?}, self.{field}.as_ref())?;");
            }
            Place::Events if context.protocol == Protocol::RestJson => {
                end = Some(format!("Ok(reply.events(self.{field}))"));
            }
            Place::Events => {
                events = Some(field.clone());
                end = Some("reply.events_after(protocol, &self, events)".to_owned());
            }
            Place::Label | Place::Query(_) => {
                return Err(CodegenError::Unsupported(
                    name.to_owned(),
                    "path and query in a response".to_owned(),
                ));
            }
        }
    }
    // An output without members is a document all the same, except where the body is a payload.
    let end = end.unwrap_or_else(|| match context.protocol {
        Protocol::RestJson => "Ok(reply.payload(None))".to_owned(),
        _ => "reply.document(protocol, &self)".to_owned(),
    });
    let this = match &events {
        Some(field) => {
            sets.push_str(&format!("let events = self.{field}.take();\n"));
            "mut self"
        }
        None => "self",
    };
    let reply = match sets.contains("reply.") {
        true => "mut reply",
        false => "reply",
    };
    let name = type_name(name);
    let protocol = used(&end, "protocol");
    Ok(format!(
        "impl Output for {name} {{\n\
         fn encode<P: Protocol>({this}, {protocol}: &P, {reply}: Reply) \
         -> Result<Response<Body>, ServiceError> {{\n{sets}{end}\n}}\n}}\n\n"
    ))
}
