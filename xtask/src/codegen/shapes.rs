//! `structures.rs` and `enums.rs`.

use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Place};
use super::names::{snake, variant};
use crate::model::Shape;

pub(super) fn enums(context: &Context<'_>) -> String {
    let mut code = String::from("use crate::shape::string_enums;\n\nstring_enums! {\n");
    for (name, shape) in context.reached_of_kind("string") {
        let Some(values) = context.enum_values(name, shape) else {
            continue;
        };
        let _ = writeln!(code, "{name} {{");
        for value in values {
            let _ = writeln!(code, "{} = {value:?},", variant(value));
        }
        code.push_str("}\n");
    }
    code.push_str("}\n");
    code
}

pub(super) fn structures(context: &Context<'_>) -> Result<String, CodegenError> {
    let mut types = String::new();
    let mut documents = String::new();
    for (name, shape) in context.reached_of_kind("structure") {
        let mut fields = String::new();
        let mut members = String::new();
        let mut debug = String::new();
        let mut redacts = false;
        for (member_name, member) in &shape.members.0 {
            let field = snake(member_name);
            let place = context.place(shape, member_name, member)?;
            let inner = match place {
                Place::Payload => payload_type(context, &member.shape)?,
                _ => context.rust_type(&member.shape)?,
            };
            let rust = match place {
                Place::Label => inner,
                _ => format!("Option<{inner}>"),
            };
            let _ = writeln!(fields, "pub {field}: {rust},");
            if place == Place::Document {
                let _ = writeln!(members, "{field}: {member_name:?},");
            }
            let shown = if is_sensitive(context, &member.shape)? && place != Place::Label {
                redacts = true;
                format!("&Redacted(&self.{field})")
            } else {
                format!("&self.{field}")
            };
            let bare = field.trim_start_matches("r#");
            let _ = write!(debug, ".field({bare:?}, {shown})");
        }
        let derived = if redacts { "" } else { "Debug, " };
        let _ = writeln!(
            types,
            "#[derive({derived}Clone, Default, PartialEq)]\npub struct {name} {{\n{fields}}}\n"
        );
        if redacts {
            let _ = writeln!(
                types,
                "impl fmt::Debug for {name} {{\n\
                 fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{\n\
                 f.debug_struct({name:?}){debug}.finish()\n}}\n}}\n"
            );
        }
        let _ = writeln!(documents, "{name} {{\n{members}}}");
    }
    let imports = imports(
        &[
            ("fmt::", "use std::fmt;"),
            ("BTreeMap<", "use std::collections::BTreeMap;"),
            ("<Bytes>", "use bytes::Bytes;"),
            ("<Blob>", "use crate::Blob;"),
            ("<EpochSeconds>", "use crate::EpochSeconds;"),
            ("Redacted(", "use crate::shape::Redacted;"),
        ],
        &types,
    );
    Ok(format!(
        "{imports}use super::enums::*;\nuse crate::shape::document;\n\n\
         {types}document! {{\n{documents}}}\n"
    ))
}

fn imports(candidates: &[(&str, &str)], code: &str) -> String {
    candidates
        .iter()
        .filter(|(used, _)| code.contains(used))
        .fold(String::new(), |all, (_, line)| all + line + "\n")
}

/// A payload is the body itself: bytes as they come, or a structure as a document.
pub(super) fn payload_type(context: &Context<'_>, name: &str) -> Result<String, CodegenError> {
    match context.shape(name)?.kind.as_str() {
        "blob" => Ok("Bytes".to_owned()),
        "structure" => Ok(name.to_owned()),
        other => Err(CodegenError::Unsupported(
            name.to_owned(),
            format!("payloads of the kind {other}"),
        )),
    }
}

/// Whether a value of the shape must not be printed. A structure guards its own members.
fn is_sensitive(context: &Context<'_>, name: &str) -> Result<bool, CodegenError> {
    let shape: &Shape = context.shape(name)?;
    let elements = [&shape.member, &shape.key, &shape.value];
    for element in elements.into_iter().flatten() {
        if is_sensitive(context, &element.shape)? {
            return Ok(true);
        }
    }
    Ok(shape.sensitive && shape.kind != "structure")
}
