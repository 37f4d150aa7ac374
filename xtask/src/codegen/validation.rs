//! `validation.rs`: the model's constraints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Place};
use super::names::{constant, lower_first, snake, type_name};
use crate::model::Shape;

/// A shape's constraints, corrected.
struct Bounds<'m> {
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<&'m str>,
}

impl<'m> Bounds<'m> {
    fn of(context: &Context<'m>, name: &str, shape: &'m Shape) -> Self {
        let correction = context.settings.shape.get(name);
        Self {
            min: correction.and_then(|c| c.min).or(shape.min),
            max: correction.and_then(|c| c.max).or(shape.max),
            pattern: correction
                .and_then(|c| c.pattern.as_deref())
                .or(shape.pattern.as_deref()),
        }
    }

    fn any(&self) -> bool {
        self.min.is_some() || self.max.is_some() || self.pattern.is_some()
    }

    fn size(&self) -> String {
        match (self.min, self.max) {
            (None, None) => "Size::ANY".to_owned(),
            (min, max) => format!(
                "Size {{ min: {:?}, max: {:?} }}",
                min.map(whole),
                max.map(whole)
            ),
        }
    }
}

/// The constraints on single values that are in use, by shape.
type Rules = BTreeMap<String, String>;

pub(super) fn file(context: &Context<'_>) -> Result<String, CodegenError> {
    let mut rules = Rules::new();
    let mut checks = String::new();
    for (name, shape) in context.structures() {
        if !context.requested.contains(name) {
            continue;
        }
        let body = structure(context, name, shape, &mut rules)?;
        let (at, found) = match body.as_str() {
            "" => ("_", "_"),
            _ => ("at", "found"),
        };
        let _ = write!(
            checks,
            "impl Validate for {name} {{\n\
             fn validate(&self, {at}: &Place<'_>, {found}: &mut Violations) {{\n{body}}}\n}}\n\n",
            name = type_name(name),
        );
    }
    let statics: String = rules.values().map(String::as_str).collect();
    let patterns: String = rules
        .iter()
        .filter(|(_, code)| code.contains("Pattern::new"))
        .fold(String::new(), |all, (name, _)| {
            all + &format!("{name}.pattern.as_ref(),\n")
        });
    let enums = if checks.contains("KeyChoice::<") {
        "use super::enums::*;\n"
    } else {
        ""
    };
    let tests = match patterns.as_str() {
        "" => String::new(),
        patterns => format!(
            "#[cfg(test)]\nmod tests {{\n#[test]\nfn every_pattern_compiles() {{\n\
             use super::*;\n\
             let patterns = [{patterns}];\n\
             for pattern in patterns.into_iter().flatten() {{\n\
             assert!(pattern.compiles(), \"{{}}\", pattern.source());\n}}\n}}\n}}\n"
        ),
    };
    Ok(format!(
        "use std::marker::PhantomData;\n\n\
         {enums}use super::structures::*;\n\
         use crate::validation::{{Choice, Free, KeyChoice, Number, Pattern, Place, Size, Text, \
         Validate, Violations}};\n\n\
         {statics}{checks}{tests}"
    ))
}

fn structure(
    context: &Context<'_>,
    name: &str,
    shape: &Shape,
    rules: &mut Rules,
) -> Result<String, CodegenError> {
    let mut body = String::new();
    let structure = context.shape(name)?;
    for (member_name, member) in &structure.members.0 {
        let field = snake(member_name);
        let said = lower_first(member_name);
        let label = context.place(structure, member_name, member)? == Place::Label;
        if shape.required.contains(member_name) && !label {
            let _ = writeln!(
                body,
                "found.required(at, {said:?}, self.{field}.is_some());"
            );
        }
        if context
            .settings
            .unchecked
            .contains(&format!("{name}.{member_name}"))
        {
            continue;
        }
        let inner = context.shape(&member.shape)?;
        let bounds = Bounds::of(context, &member.shape, inner);
        let borrowed = if label {
            format!("Some(&self.{field})")
        } else {
            format!("self.{field}.as_ref()")
        };
        match inner.kind.as_str() {
            "structure" => {
                let _ = writeln!(body, "found.structure(at, {said:?}, {borrowed});");
            }
            "list" => body.push_str(&list(context, &said, &borrowed, &member.shape, rules)?),
            "map" => body.push_str(&map(context, &said, &borrowed, &member.shape, rules)?),
            "boolean" | "timestamp" => {}
            "blob" if bounds.any() => {
                return Err(CodegenError::Unsupported(
                    member.shape.clone(),
                    "bounds of a blob".to_owned(),
                ));
            }
            "blob" => {}
            _ if inner.values.is_some() || bounds.any() => {
                let text: &str = if inner.kind == "string" && inner.values.is_none() {
                    if label {
                        "Some(self.FIELD.as_str())"
                    } else {
                        "self.FIELD.as_deref()"
                    }
                } else {
                    &borrowed
                };
                let constraint = constraint(context, &member.shape, rules)?;
                let _ = writeln!(
                    body,
                    "found.value(at, {said:?}, {}, &{constraint});",
                    text.replace("FIELD", &field)
                );
            }
            _ => {}
        }
    }
    Ok(body)
}

fn list(
    context: &Context<'_>,
    said: &str,
    borrowed: &str,
    name: &str,
    rules: &mut Rules,
) -> Result<String, CodegenError> {
    let shape = context.shape(name)?;
    let bounds = Bounds::of(context, name, shape);
    let size = bounds.size();
    let Some(element) = &shape.member else {
        return Ok(String::new());
    };
    let inner = context.shape(&element.shape)?;
    if inner.kind == "structure" {
        return Ok(format!(
            "found.structures(at, {said:?}, {borrowed}, {size});\n"
        ));
    }
    let free = inner.values.is_none() && !Bounds::of(context, &element.shape, inner).any();
    if free && !bounds.any() {
        return Ok(String::new());
    }
    let constraint = constraint(context, &element.shape, rules)?;
    Ok(format!(
        "found.list(at, {said:?}, {borrowed}, {size}, &{constraint});\n"
    ))
}

fn map(
    context: &Context<'_>,
    said: &str,
    borrowed: &str,
    name: &str,
    rules: &mut Rules,
) -> Result<String, CodegenError> {
    let shape = context.shape(name)?;
    let (Some(key), Some(value)) = (&shape.key, &shape.value) else {
        return Ok(String::new());
    };
    let keys = match context.shape(&key.shape)?.values {
        Some(_) => format!("KeyChoice::<{}>(PhantomData)", type_name(&key.shape)),
        None => constraint(context, &key.shape, rules)?,
    };
    let size = Bounds::of(context, name, shape).size();
    if context.shape(&value.shape)?.kind == "structure" {
        return Ok(format!(
            "found.structure_map(at, {said:?}, {borrowed}, {size}, &{keys});\n"
        ));
    }
    let values = constraint(context, &value.shape, rules)?;
    Ok(format!(
        "found.map(at, {said:?}, {borrowed}, {size}, &{keys}, &{values});\n"
    ))
}

/// The expression of the constraint on a single value, which is noted in `rules`.
fn constraint(
    context: &Context<'_>,
    name: &str,
    rules: &mut Rules,
) -> Result<String, CodegenError> {
    let shape = context.shape(name)?;
    if shape.values.is_some() {
        return Ok("Choice".to_owned());
    }
    let bounds = Bounds::of(context, name, shape);
    let rule = constant(name);
    let code = match (shape.kind.as_str(), bounds.any()) {
        ("string", false) => return Ok(format!("Free {{ sensitive: {} }}", shape.sensitive)),
        ("string", true) => {
            let pattern = bounds.pattern.map_or_else(
                || "None".to_owned(),
                |pattern| format!("Some(Pattern::new(r#\"{pattern}\"#))"),
            );
            format!(
                "static {rule}: Text = Text {{ size: {}, pattern: {pattern}, sensitive: {} }};\n\n",
                bounds.size(),
                shape.sensitive
            )
        }
        ("integer" | "long", true) => {
            let rust = context.rust_type(name)?;
            format!(
                "static {rule}: Number<{rust}> = Number {{ min: {:?}, max: {:?} }};\n\n",
                bounds.min.map(whole),
                bounds.max.map(whole)
            )
        }
        ("double" | "float", true) => format!(
            "static {rule}: Number<f64> = Number {{ min: {:?}, max: {:?} }};\n\n",
            bounds.min, bounds.max
        ),
        (kind, _) => {
            return Err(CodegenError::Unsupported(
                name.to_owned(),
                format!("constraints on elements of the kind {kind}"),
            ));
        }
    };
    rules.insert(rule.clone(), code);
    Ok(rule)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the bounds of integers in a model are integers"
)]
fn whole(bound: f64) -> i64 {
    bound as i64
}
