//! `operations.rs`: every operation of the service by name and route, the served ones as types.

use std::fmt::Write as _;

use super::CodegenError;
use super::context::{Context, Protocol};
use crate::model::Operation;

pub(super) fn file(context: &Context<'_>) -> Result<String, CodegenError> {
    let title = &context.title;
    let all = &context.model.operations;
    let rest = context.protocol == Protocol::RestJson;
    let mut code =
        String::from("use super::structures::*;\nuse crate::{Named, Operation, Service};\n");
    if rest {
        code.push_str(
            "use crate::route::{Labels, NoRoute, Route, Segment, Table};\n\
             use http::{Method, Uri};\n",
        );
    }
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    let _ = write!(
        code,
        "\n/// Every operation of the service, served or not.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\n\
         pub enum {title}Operation {{ {} }}\n\n",
        names.join(",\n")
    );
    let arms = names.iter().fold(String::new(), |arms, name| {
        arms + &format!("Self::{name} => {name:?},\n")
    });
    let served: Vec<String> = context
        .served
        .iter()
        .map(|(name, _)| format!("Self::{name}"))
        .collect();
    let variants: Vec<String> = names.iter().map(|name| format!("Self::{name}")).collect();
    let _ = write!(
        code,
        "impl Named for {title}Operation {{\n\
         const SERVICE: Service = Service::{title};\n\
         const ALL: &'static [Self] = &[{variants}];\n\n\
         fn name(self) -> &'static str {{ match self {{ {arms} }} }}\n\n\
         fn served(self) -> bool {{ matches!(self, {served}) }}\n}}\n\n",
        variants = variants.join(", "),
        served = served.join(" | "),
    );
    if rest {
        code.push_str(&routes(context)?);
    }
    for (name, operation) in &context.served {
        let (input, output) = Context::types(operation);
        let _ = write!(
            code,
            "#[derive(Debug, Clone, Copy)]\npub struct {name};\n\n\
             impl Operation for {name} {{\n\
             type Input = {input};\ntype Output = {output};\n\
             const SERVICE: Service = Service::{title};\n\
             const NAME: &'static str = {name:?};\n}}\n\n"
        );
    }
    Ok(code)
}

fn routes(context: &Context<'_>) -> Result<String, CodegenError> {
    let title = &context.title;
    let mut code = format!(
        "impl {title}Operation {{\n\
         /// The operation of a request, and its path's labels.\n\
         ///\n\
         /// # Errors\n\
         /// When the service has none there.\n\
         pub fn route<'p>(method: &Method, uri: &'p Uri) -> Result<(Self, Labels<'p>), NoRoute> {{\n\
         ROUTES.find(method, uri)\n}}\n\n\
         /// Every route of the service.\n\
         #[must_use]\npub fn routes() -> &'static [Route<Self>] {{ ROUTES.0 }}\n}}\n\n"
    );
    let mut routes: Vec<(&String, &Operation)> = context.model.operations.iter().collect();
    // One that asks for a query parameter goes before those on the same path that ask for none.
    routes.sort_by_key(|(_, operation)| !operation.http.request_uri.contains('?'));
    let _ = writeln!(
        code,
        "pub(super) static ROUTES: Table<{title}Operation> = Table(&[\n"
    );
    for (name, operation) in routes {
        code.push_str(&route(title, name, operation)?);
    }
    code.push_str("]);\n\n");
    Ok(code)
}

fn route(title: &str, name: &str, operation: &Operation) -> Result<String, CodegenError> {
    let http = &operation.http;
    let (path, query) = match http.request_uri.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (http.request_uri.as_str(), None),
    };
    let query = match query.map(|query| query.split_once('=').filter(|_| !query.contains('&'))) {
        None => "None".to_owned(),
        Some(Some((key, value))) => format!("Some(({key:?}, {value:?}))"),
        Some(None) => {
            return Err(CodegenError::Unsupported(
                name.to_owned(),
                format!("the query of {}", http.request_uri),
            ));
        }
    };
    let segments: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|segment| match segment.strip_prefix('{') {
            Some(label) if label.ends_with("+}") => "Segment::Greedy".to_owned(),
            Some(_) => "Segment::Label".to_owned(),
            None => format!("Segment::Literal({segment:?})"),
        })
        .collect();
    Ok(format!(
        "Route {{ method: {:?}, path: &[{}], query: {query}, operation: {title}Operation::{name} }},\n",
        http.method,
        segments.join(", ")
    ))
}
