//! `bindings.rs`: inputs out of requests, outputs into responses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Place};
use super::names::snake;
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
        "use bytes::Bytes;\nuse http::Response;\n\n\
         use super::structures::*;\n\
         use crate::ServiceError;\n\
         use crate::protocol::{Format, Input, Output, Reply, Request};\n\n",
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
            Place::Payload => "Some(request.document::<F, _>()?)".to_owned(),
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
            Place::Status => {
                return Err(CodegenError::Unsupported(
                    name.to_owned(),
                    "a status in a request".to_owned(),
                ));
            }
        };
        let _ = writeln!(fields, "{field}: {read},");
    }
    let body = match (in_document, fields.is_empty()) {
        (true, true) => "request.document::<F, Self>()".to_owned(),
        (true, false) => format!("Ok(Self {{ {fields} ..request.document::<F, Self>()? }})"),
        (false, _) => format!("Ok(Self {{ {fields} }})"),
    };
    Ok(format!(
        "impl Input for {name} {{\n\
         fn decode<F: Format>(request: &Request<'_>) -> Result<Self, ServiceError> {{\n\
         {body}\n}}\n}}\n\n"
    ))
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
    for (member_name, member) in &shape.members.0 {
        let field = snake(member_name);
        match context.place(shape, member_name, member)? {
            Place::Document => {
                end.get_or_insert_with(|| "reply.document::<F, _>(&self)".to_owned());
            }
            Place::Payload if context.shape(&member.shape)?.kind == "blob" => {
                end = Some(format!("Ok(reply.payload(self.{field}))"));
            }
            Place::Payload => end = Some(format!("reply.document::<F, _>(&self.{field})")),
            Place::Status => {
                let _ = writeln!(sets, "reply.status(self.{field});");
            }
            Place::Header(there) => {
                let there = there.to_ascii_lowercase();
                let _ = writeln!(sets, "reply.header({there:?}, self.{field}.as_ref())?;");
            }
            Place::Label | Place::Query(_) => {
                return Err(CodegenError::Unsupported(
                    name.to_owned(),
                    "path and query in a response".to_owned(),
                ));
            }
        }
    }
    let end = end.unwrap_or_else(|| "Ok(reply.payload(None))".to_owned());
    let binding = if sets.is_empty() {
        "reply"
    } else {
        "mut reply"
    };
    Ok(format!(
        "impl Output for {name} {{\n\
         fn encode<F: Format>(self, {binding}: Reply) -> Result<Response<Bytes>, ServiceError> {{\n\
         {sets}{end}\n}}\n}}\n\n"
    ))
}
