//! The service's own module, and `api.rs`: the trait that a service implements, and the two ways
//! in: over HTTP and from another service.

use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Protocol};
use super::names::snake;
use super::shapes;
use crate::settings::QueryNames;

pub(super) fn root(context: &Context<'_>) -> String {
    let title = &context.title;
    let (enums, exported) = match shapes::enums(context) {
        Some(_) => ("mod enums;\n", "pub use enums::*;\n"),
        None => ("", ""),
    };
    format!(
        "mod api;\nmod bindings;\n{enums}pub mod errors;\npub mod operations;\n\
         mod structures;\nmod validation;\n\n\
         pub use api::{{PROTOCOL, {title}Api, dispatch, head, serve}};\n\
         {exported}pub use operations::{title}Operation;\npub use structures::*;\n"
    )
}

pub(super) fn file(context: &Context<'_>) -> Result<String, CodegenError> {
    let title = &context.title;
    let service = context.service;
    // Where there are two protocols, the request says which one to answer in.
    let (spoken, speaks) = match context.protocol {
        Protocol::JsonAndQuery => ("let protocol = PROTOCOL.of(request.parts);\n", "protocol"),
        _ => ("", "PROTOCOL"),
    };
    let mut methods = String::new();
    let mut serve = String::new();
    let mut dispatch = String::new();
    let mut listed = String::new();
    for (name, operation) in &context.served {
        let (input, output) = Context::types(operation);
        let method = snake(name);
        let status = operation.http.response_code.unwrap_or(200);
        let _ = write!(
            methods,
            "fn {method}(&self, caller: &Caller, input: {input}) \
             -> impl Future<Output = Result<{output}, ServiceError>> + Send;\n\n"
        );
        let _ = writeln!(listed, "{method}: {input} => {output},");
        let _ = writeln!(
            serve,
            "{title}Operation::{name} => {{\n\
             let input = decode(&{speaks}, request)?;\n\
             encode(&{speaks}, service.{method}(caller, input).await?, {status}, of)\n}}"
        );
        let _ = writeln!(
            dispatch,
            "{name:?} => {{\n\
             let (caller, input) = call.open::<operations::{name}>()?;\n\
             PROTOCOL.check(&input)?;\n\
             Ok(Box::new(service.{method}(&caller, input).await?))\n}}"
        );
    }
    let rest = if context.served.len() < context.model.operations.len() {
        format!("_ => Err(ServiceError::not_served({service:?}, operation.name())),\n")
    } else {
        String::new()
    };
    let (protocol, value, routes) = protocol(context)?;
    let more = match context.protocol {
        Protocol::JsonAndQuery => "AwsJson, Element, Query, QueryError, QueryNames, Spoken, ",
        _ => "",
    };
    Ok(format!(
        "use std::any::Any;\n\nuse http::Response;\nuse http::request::Parts;\n\n\
         use super::operations::{{self, {title}Operation}};\nuse super::structures::*;\n\
         use crate::protocol::{{Answered, Head, {protocol}, {more}Protocol as _, Request, decode, encode}};\n\
         use crate::{{Body, Call, Caller, Named as _, ServiceError}};\n\n\
         /// How the service writes documents and errors.\n\
         pub const PROTOCOL: {protocol} = {value};\n\n\
         /// The operations that this engine serves.\n\
         pub trait {title}Api: Send + Sync + 'static {{\n{methods}}}\n\n\
         /// Hands the methods of `{title}Api` to a macro, each as `method: Input => Output,`, for\n\
         /// those who implement all of them alike.\n\
         #[macro_export]\nmacro_rules! {service}_methods {{\n\
         ($to:ident) => {{ $to! {{\n{listed}}} }};\n}}\n\n\
         /// Reads the head of a request.\n\
         ///\n\
         /// # Errors\n\
         /// When it names no operation.\n\
         pub fn head(parts: &Parts) -> Result<Head<'_, {title}Operation>, ServiceError> {{\n\
         PROTOCOL.head({routes}parts)\n}}\n\n\
         /// Serves a request: reads and checks the input, calls the service, writes the output.\n\
         ///\n\
         /// # Errors\n\
         /// What the service answers, and 400 for a request that is malformed, breaks a\n\
         /// constraint, or asks for an operation that is not served.\n\
         pub async fn serve<S: {title}Api>(service: &S, operation: {title}Operation, \
         caller: &Caller, request: Request<'_>) -> Result<Response<Body>, ServiceError> {{\n\
         let of = Answered {{ operation: operation.name(), request_id: caller.request_id }};\n\
         {spoken}match operation {{\n{serve}{rest}}}\n}}\n\n\
         /// Serves a call from another service: checks the input and calls the service.\n\
         ///\n\
         /// # Errors\n\
         /// What the service answers, and 400 for an input that breaks a constraint or an\n\
         /// operation that is not served.\n\
         pub async fn dispatch<S: {title}Api>(service: &S, call: Call) \
         -> Result<Box<dyn Any + Send>, ServiceError> {{\n\
         match call.operation {{\n{dispatch}\
         other => Err(ServiceError::not_served({service:?}, other)),\n}}\n}}\n"
    ))
}

/// The protocol's type, the service's value of it, and what `head` takes before the request.
fn protocol(context: &Context<'_>) -> Result<(&'static str, String, &'static str), CodegenError> {
    let metadata = &context.model.metadata;
    Ok(match context.protocol {
        Protocol::RestJson => ("RestJson", "RestJson".to_owned(), "&operations::ROUTES, "),
        Protocol::Json => ("AwsJson", json(context)?, ""),
        Protocol::JsonAndQuery => {
            let names = context.settings.query.as_ref().ok_or_else(|| {
                CodegenError::Unsupported(
                    context.service.to_owned(),
                    "a service of two protocols without `query` in the settings".to_owned(),
                )
            })?;
            let value = format!(
                "JsonAndQuery {{ json: {}, query: Query {{ version: {:?}, namespace: {:?} }}, \
                 names: &{}, spoken: Spoken::Json }}",
                json(context)?,
                context.settings.api_version,
                names.namespace,
                query_names(names),
            );
            ("JsonAndQuery", value, "")
        }
        Protocol::Query => {
            for (name, operation) in &context.served {
                let wrapper = operation
                    .output
                    .as_ref()
                    .map(|output| output.result_wrapper.as_deref());
                if wrapper.is_some_and(|wrapper| wrapper != Some(&format!("{name}Result"))) {
                    return Err(CodegenError::Unsupported(
                        (*name).to_owned(),
                        format!("the result wrapper {wrapper:?}"),
                    ));
                }
            }
            let value = format!(
                "Query {{ version: {:?}, namespace: {:?} }}",
                context.settings.api_version,
                known(context, "xmlNamespace", metadata.xml_namespace.as_ref())?,
            );
            ("Query", value, "")
        }
    })
}

fn json(context: &Context<'_>) -> Result<String, CodegenError> {
    let metadata = &context.model.metadata;
    Ok(format!(
        "AwsJson {{ content_type: \"application/x-amz-json-{}\", target: {:?}, \
         validation_code: {:?} }}",
        known(context, "jsonVersion", metadata.json_version.as_ref())?,
        known(context, "targetPrefix", metadata.target_prefix.as_ref())?,
        context.settings.validation_code,
    ))
}

fn query_names(names: &QueryNames) -> String {
    let mut elements = String::new();
    for (member, element) in &names.elements {
        let _ = write!(
            elements,
            "Element {{ member: {member:?}, name: {:?}, key: {:?} }},",
            element.name, element.key
        );
    }
    let mut errors = String::new();
    for (code, error) in &names.errors {
        let _ = write!(
            errors,
            "QueryError {{ code: {code:?}, query: {:?}, message: {:?} }},",
            error.code, error.message
        );
    }
    format!("QueryNames {{ elements: &[{elements}], errors: &[{errors}] }}")
}

/// A trait of the model without which there is no protocol.
fn known(
    context: &Context<'_>,
    name: &str,
    value: Option<&String>,
) -> Result<String, CodegenError> {
    value
        .cloned()
        .ok_or_else(|| CodegenError::Unknown(name.to_owned(), context.service.to_owned()))
}
