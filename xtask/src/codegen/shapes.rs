//! `structures.rs` and `enums.rs`.

use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Place};
use super::names::{snake, type_name, variant};
use crate::model::Shape;

/// None where the service has no enums.
pub(super) fn enums(context: &Context<'_>) -> Option<String> {
    let has_enums = |(_, shape): (&str, &Shape)| shape.values.is_some();
    if !context.reached_of_kind("string").any(has_enums) {
        return None;
    }
    let mut code = String::from("use crate::shape::string_enums;\n\nstring_enums! {\n");
    for (name, shape) in context.reached_of_kind("string") {
        let Some(values) = context.enum_values(name, shape) else {
            continue;
        };
        let _ = writeln!(code, "{} {{", type_name(name));
        for value in values {
            let _ = writeln!(code, "{} = {value:?},", variant(value));
        }
        code.push_str("}\n");
    }
    code.push_str("}\n");
    Some(code)
}

pub(super) fn structures(context: &Context<'_>) -> Result<String, CodegenError> {
    let mut types = String::new();
    let mut documents = String::new();
    for (name, shape) in context.structures() {
        let mut fields = String::new();
        let mut members = String::new();
        let mut debug = String::new();
        let mut redacts = false;
        let mut streams = false;
        for (member_name, member) in &shape.members.0 {
            let field = snake(member_name);
            let place = context.place(shape, member_name, member)?;
            streams |= place == Place::Events;
            let inner = match place {
                _ if member.event_payload => payload_type(context, &member.shape)?,
                Place::Payload => payload_type(context, &member.shape)?,
                _ => context.rust_type(&member.shape)?,
            };
            let rust = match place {
                Place::Label => inner,
                _ => format!("Option<{inner}>"),
            };
            let _ = writeln!(fields, "pub {field}: {rust},");
            if place == Place::Document && !member.event_payload {
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
        let name = type_name(name);
        let shown = if redacts { "" } else { "Debug, " };
        // There is no second stream with the same events.
        let same = if streams {
            "Default"
        } else {
            "Clone, Default, PartialEq"
        };
        let _ = writeln!(
            types,
            "#[derive({shown}{same})]\npub struct {name} {{\n{fields}}}\n"
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
    let events = events(context)?;
    types.push_str(&events);
    let imports = imports(
        &[
            ("EventStream<", "use crate::EventStream;"),
            ("Event for", "use crate::{Event, Frame, ServiceError};"),
            ("<DateTime>", "use crate::DateTime;"),
            ("fmt::", "use std::fmt;"),
            ("BTreeMap<", "use std::collections::BTreeMap;"),
            ("<Bytes>", "use bytes::Bytes;"),
            ("<Blob>", "use crate::Blob;"),
            ("<EpochSeconds>", "use crate::EpochSeconds;"),
            ("Redacted(", "use crate::shape::Redacted;"),
        ],
        &types,
    );
    let enums = enums(context).map_or("", |_| "use super::enums::*;\n");
    Ok(format!(
        "{imports}{enums}use crate::shape::document;\n\n\
         {types}document! {{\n{documents}}}\n"
    ))
}

/// The streams of events: an enum each, whose variants are the kinds of events. Those kinds that are
/// errors end the stream, as the `Err` of its items.
fn events(context: &Context<'_>) -> Result<String, CodegenError> {
    let mut code = String::new();
    for (name, shape) in context.reached_of_kind("structure") {
        if !shape.event_stream {
            continue;
        }
        let name = type_name(name);
        let mut variants = String::new();
        let mut frames = String::new();
        for (kind, member) in &shape.members.0 {
            let event = context.shape(&member.shape)?;
            if event.exception {
                continue;
            }
            let variant = variant(kind);
            let _ = writeln!(variants, "{variant}({}),", type_name(&member.shape));
            let payload = event.members.0.iter().find(|(_, m)| m.event_payload);
            let frame = match payload {
                Some((payload, _)) => {
                    format!("Frame::payload({kind:?}, event.{})", snake(payload))
                }
                None => format!("Frame::document({kind:?}, &event)"),
            };
            let _ = writeln!(frames, "Self::{variant}(event) => {frame},");
        }
        let _ = write!(
            code,
            "#[derive(Debug, Clone, PartialEq)]\npub enum {name} {{\n{variants}}}\n\n\
             impl Event for {name} {{\n\
             fn frame(self) -> Result<Frame, ServiceError> {{\nmatch self {{\n{frames}}}\n}}\n}}\n\n"
        );
    }
    Ok(code)
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
