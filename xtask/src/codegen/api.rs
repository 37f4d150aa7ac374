//! The service's own module, and `api.rs`: the trait that a service implements, and the two ways
//! in: over HTTP and from another service.

use std::fmt::Write as _;

use super::CodegenError;
use super::context::Context;
use super::names::snake;

pub(super) fn root(context: &Context<'_>) -> String {
    let title = &context.title;
    format!(
        "mod api;\nmod bindings;\nmod enums;\npub mod errors;\npub mod operations;\n\
         mod structures;\nmod validation;\n\n\
         pub use api::{{{title}Api, dispatch, serve}};\n\
         pub use enums::*;\npub use operations::{title}Operation;\npub use structures::*;\n"
    )
}

pub(super) fn file(context: &Context<'_>) -> Result<String, CodegenError> {
    let title = &context.title;
    let service = context.service;
    let format = match context.model.metadata.protocol.as_str() {
        "rest-json" => "RestJson",
        other => {
            return Err(CodegenError::Unsupported(
                service.to_owned(),
                format!("the protocol {other}"),
            ));
        }
    };
    let mut methods = String::new();
    let mut serve = String::new();
    let mut dispatch = String::new();
    for (name, operation) in &context.served {
        let (input, output) = Context::types(operation);
        let method = snake(name);
        let status = operation.http.response_code.unwrap_or(200);
        let _ = write!(
            methods,
            "fn {method}(&self, caller: &Caller, input: {input}) \
             -> impl Future<Output = Result<{output}, ServiceError>> + Send;\n\n"
        );
        let _ = writeln!(
            serve,
            "{title}Operation::{name} => {{\n\
             let input = decode::<{format}, {input}>(request)?;\n\
             encode::<{format}, {output}>(service.{method}(caller, input).await?, {status})\n}}"
        );
        let _ = writeln!(
            dispatch,
            "{name:?} => {{\n\
             let (caller, input) = call.open::<operations::{name}>()?;\n\
             input.check()?;\n\
             Ok(Box::new(service.{method}(&caller, input).await?))\n}}"
        );
    }
    Ok(format!(
        "use std::any::Any;\n\nuse bytes::Bytes;\nuse http::Response;\n\n\
         use super::operations::{{self, {title}Operation}};\nuse super::structures::*;\n\
         use crate::protocol::{{Request, {format}, decode, encode}};\n\
         use crate::validation::Validate;\n\
         use crate::{{Call, Caller, ServiceError}};\n\n\
         /// The operations that this engine serves.\n\
         pub trait {title}Api: Send + Sync + 'static {{\n{methods}}}\n\n\
         /// Serves a request: reads and checks the input, calls the service, writes the output.\n\
         ///\n\
         /// # Errors\n\
         /// What the service answers, and 400 for a request that is malformed, breaks a\n\
         /// constraint, or asks for an operation that is not served.\n\
         pub async fn serve<S: {title}Api>(service: &S, operation: {title}Operation, \
         caller: &Caller, request: Request<'_>) -> Result<Response<Bytes>, ServiceError> {{\n\
         match operation {{\n{serve}\
         _ => Err(ServiceError::not_served({service:?}, operation.name())),\n}}\n}}\n\n\
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
