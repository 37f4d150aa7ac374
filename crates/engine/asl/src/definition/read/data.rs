//! The fields by which data flows through a state.

use super::super::document::{Node, NodeKind};
use super::super::{DataFlow, JsonataFlow, PathFlow, QueryLanguage, ResultPath, Template, names};
use super::Reader;
use super::common::Object;
use crate::jsonpath::ReferencePath;

impl Reader<'_> {
    /// The data flow of a state. Which fields its type has is checked elsewhere.
    pub(super) fn data(&mut self, object: Object<'_, '_>) -> DataFlow {
        match object.language {
            QueryLanguage::JsonPath => DataFlow::JsonPath(Box::new(PathFlow {
                input_path: self.selector(object, "InputPath"),
                parameters: self.template(object, "Parameters"),
                result_selector: self.template(object, "ResultSelector"),
                result_path: self.result_path(object),
                output_path: self.selector(object, "OutputPath"),
                assign: self.assign(object),
            })),
            QueryLanguage::Jsonata => DataFlow::Jsonata(Box::new(JsonataFlow {
                arguments: self.template(object, "Arguments"),
                output: self.template(object, "Output"),
                assign: self.assign(object),
            })),
        }
    }

    /// `ResultPath` of a state or of a catcher.
    pub(super) fn result_path(&mut self, object: Object<'_, '_>) -> ResultPath {
        let Some(node) = object.node.get("ResultPath") else {
            return ResultPath::Replace;
        };
        let place = object.place.field("ResultPath");
        match &node.kind {
            NodeKind::Null => ResultPath::Discard,
            NodeKind::String(text) if text == "$" => ResultPath::Replace,
            _ => {
                let path = self
                    .text(&place, node)
                    .map(|text| ReferencePath::parse(&text));
                match path {
                    Some(Ok(path)) => ResultPath::At(path),
                    Some(Err(_)) => {
                        self.schema(&place, &node.span, "Value must be a valid Reference Path.");
                        ResultPath::Replace
                    }
                    None => ResultPath::Replace,
                }
            }
        }
    }

    /// `Assign` of a state, a rule or a catcher: an object whose fields are variables.
    pub(super) fn assign(&mut self, object: Object<'_, '_>) -> Option<Template> {
        let node: &Node<'_> = object.node.get("Assign")?;
        let place = object.place.field("Assign");
        for member in self.object(&place, node)? {
            let name = match object.language {
                QueryLanguage::JsonPath => member.name.strip_suffix(".$").unwrap_or(&member.name),
                QueryLanguage::Jsonata => &member.name,
            };
            if let Some(message) = names::variable(name) {
                self.schema(&place, &member.name_span, message);
            }
        }
        self.template(object, "Assign")
    }
}
