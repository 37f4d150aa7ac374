//! `errors.rs`.

use std::fmt::Write as _;

use super::CodegenError;
use super::context::Context;
use super::names::{constant, snake};

pub(super) fn file(context: &Context<'_>) -> Result<String, CodegenError> {
    let mut code = String::from("use crate::{ErrorShape, Fault, ServiceError};\n\n");
    for (name, shape) in context.errors()? {
        let traits = shape.error.as_ref();
        let wire_name = traits
            .and_then(|traits| traits.code.as_deref())
            .unwrap_or(name);
        let status = traits
            .and_then(|traits| traits.http_status_code)
            .unwrap_or(if shape.fault { 500 } else { 400 });
        let fault = if shape.fault || status >= 500 {
            "Server"
        } else {
            "Client"
        };
        let message = shape
            .members
            .0
            .iter()
            .map(|(member, _)| member.as_str())
            .find(|member| member.eq_ignore_ascii_case("message"))
            .unwrap_or("message");
        let typed = shape.members.get("Type").is_some();
        let _ = write!(
            code,
            "const {shape}: ErrorShape = ErrorShape {{ code: {wire_name:?}, status: {status}, \
             fault: Fault::{fault}, message_member: {message:?}, typed: {typed} }};\n\n\
             #[must_use]\npub fn {function}(message: impl Into<String>) -> ServiceError {{\n\
             {shape}.error(message)\n}}\n\n",
            shape = constant(name),
            function = snake(name),
        );
    }
    Ok(code)
}
