//! The service's own module, and `api.rs`: the trait that a service implements, and the two ways
//! in: over HTTP and from another service.

use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Protocol};
use super::names::snake;
use super::shapes;

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
             let input = decode(&PROTOCOL, request)?;\n\
             encode(&PROTOCOL, service.{method}(caller, input).await?, {status}, of)\n}}"
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
    Ok(format!(
        "use std::any::Any;\n\nuse http::Response;\nuse http::request::Parts;\n\n\
         use super::operations::{{self, {title}Operation}};\nuse super::structures::*;\n\
         use crate::protocol::{{Answered, Head, Protocol as _, Request, {protocol}, decode, encode}};\n\
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
         match operation {{\n{serve}{rest}}}\n}}\n\n\
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
    let known = |trait_name: &str, value: &Option<String>| {
        value
            .clone()
            .ok_or_else(|| CodegenError::Unknown(trait_name.to_owned(), context.service.to_owned()))
    };
    Ok(match context.protocol {
        Protocol::RestJson => ("RestJson", "RestJson".to_owned(), "&operations::ROUTES, "),
        Protocol::Json => {
            let value = format!(
                "AwsJson {{ content_type: \"application/x-amz-json-{}\", target: {:?}, \
                 validation_code: {:?} }}",
                known("jsonVersion", &metadata.json_version)?,
                known("targetPrefix", &metadata.target_prefix)?,
                context.settings.validation_code,
            );
            ("AwsJson", value, "")
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
                known("xmlNamespace", &metadata.xml_namespace)?,
            );
            ("Query", value, "")
        }
    })
}
