//! What can be told of an expression without evaluating it.
//!
//! Step Functions evaluates with nothing as context, so what would read the context, a bare name or
//! `$`, is refused when a machine is created. Only the first step of a path reads it; later steps,
//! predicates, sort terms and groupings read what the step before them gave, and may name fields as
//! they like. The body of a function reads what the expression around it reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

use super::{References, functions};

pub(super) struct Analysis {
    pub(super) references: References,
    /// The functions of ours that it names.
    pub(super) functions: Vec<&'static str>,
    /// All functions that it calls by name.
    pub(super) called: BTreeSet<Arc<str>>,
    /// The first thing that Step Functions does not support, in AWS's words.
    pub(super) unsupported: Option<String>,
}

pub(super) fn analyse(tree: &AstNode) -> Analysis {
    let mut walker = Walker {
        analysis: Analysis {
            references: References::default(),
            functions: Vec::new(),
            called: BTreeSet::new(),
            unsupported: None,
        },
        local: Vec::new(),
    };
    walker.node(tree, true);
    walker.analysis
}

/// The names of `$a.b.c`, where the expression is nothing else.
pub(super) fn walk(tree: &AstNode) -> Option<Vec<Arc<str>>> {
    match tree {
        AstNode::Variable(name) if !name.is_empty() => Some(vec![name.as_str().into()]),
        AstNode::Path { steps } => {
            let (first, rest) = steps.split_first()?;
            let AstNode::Variable(variable) = plain(first)? else {
                return None;
            };
            let mut names = vec![variable.as_str().into()];
            for step in rest {
                let AstNode::Name(name) = plain(step)? else {
                    return None;
                };
                names.push(name.as_str().into());
            }
            (!variable.is_empty()).then_some(names)
        }
        _ => None,
    }
}

/// The node of a step that does nothing else.
fn plain(step: &PathStep) -> Option<&AstNode> {
    let alone = step.stages.is_empty()
        && step.focus.is_none()
        && step.index_var.is_none()
        && step.ancestor_label.is_none()
        && !step.is_tuple;
    alone.then_some(&step.node)
}

struct Walker {
    analysis: Analysis,
    /// Names that the expression itself binds, by now.
    local: Vec<String>,
}

impl Walker {
    fn unsupported(&mut self, message: impl FnOnce() -> String) {
        self.analysis.unsupported.get_or_insert_with(message);
    }

    fn top(&mut self, name: &str) {
        self.unsupported(|| format!("Reference to '{name}' at the top level is not supported."));
    }

    fn function(&mut self, name: &str) {
        if let Some(ours) = functions::ours(name)
            && !self.analysis.functions.contains(&ours)
        {
            self.analysis.functions.push(ours);
        }
    }

    fn variable(&mut self, name: &str) {
        // A function may be handed on by its name.
        self.function(name);
        if !self.local.iter().any(|local| local == name) {
            self.analysis.references.variables.insert(name.into());
        }
    }

    fn nodes<'a>(&mut self, nodes: impl IntoIterator<Item = &'a AstNode>, top: bool) {
        for node in nodes {
            self.node(node, top);
        }
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)], top: bool) {
        for (key, value) in pairs {
            self.node(key, top);
            self.node(value, top);
        }
    }

    /// What `read` binds ends with it.
    fn scoped(&mut self, read: impl FnOnce(&mut Self)) {
        let outer = self.local.len();
        read(self);
        self.local.truncate(outer);
    }

    /// `top` says whether the node reads the context that Step Functions leaves empty.
    fn node(&mut self, node: &AstNode, top: bool) {
        match node {
            AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Parent(_) => {}
            AstNode::Name(name) => {
                if top {
                    self.top(name);
                }
            }
            AstNode::Variable(name) if name.is_empty() => {
                if top {
                    self.top("$");
                }
            }
            AstNode::Variable(name) if name == "states" => {
                self.analysis.references.all_states = true;
            }
            AstNode::Variable(name) => self.variable(name),
            AstNode::ParentVariable(_) => {
                self.unsupported(|| "Reference to '$$' is not supported.".to_owned());
            }
            AstNode::Wildcard => {
                if top {
                    self.top("*");
                }
            }
            AstNode::Descendant => {
                if top {
                    self.top("**");
                }
            }
            AstNode::Path { steps } => self.path(steps, top),
            AstNode::Binary { op, lhs, rhs } => self.binary(*op, lhs, rhs, top),
            AstNode::Unary { operand, .. } => self.node(operand, top),
            AstNode::Function {
                name,
                args,
                is_builtin,
            } => {
                if top && !is_builtin {
                    self.top(name);
                }
                self.function(name);
                self.analysis.called.insert(name.as_str().into());
                self.nodes(args, top);
            }
            AstNode::Call { procedure, args } => {
                self.node(procedure, top);
                self.nodes(args, top);
            }
            AstNode::Lambda { params, body, .. } => self.scoped(|walker| {
                walker.local.extend(params.iter().cloned());
                walker.node(body, top);
            }),
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.nodes(items, top),
            AstNode::Object(pairs) => self.pairs(pairs, top),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input, top);
                self.pairs(pattern, false);
            }
            AstNode::Block(nodes) => self.scoped(|walker| walker.nodes(nodes, top)),
            AstNode::Conditional {
                condition,
                then_branch,
                else_branch,
            } => {
                self.node(condition, top);
                self.node(then_branch, top);
                self.nodes(else_branch.as_deref(), top);
            }
            AstNode::FunctionApplication(inner) => self.node(inner, top),
            AstNode::Sort { input, terms } => {
                self.node(input, top);
                self.nodes(terms.iter().map(|(term, _)| term), false);
            }
            AstNode::Transform {
                location,
                update,
                delete,
            } => {
                self.node(location, false);
                self.node(update, false);
                self.nodes(delete.as_deref(), false);
            }
        }
    }

    fn path(&mut self, steps: &[PathStep], top: bool) {
        self.scoped(|walker| {
            for (index, step) in steps.iter().enumerate() {
                match (&step.node, index) {
                    (AstNode::Variable(name), 0) if name == "states" => {
                        walker.states(step, steps.get(1));
                    }
                    (node, _) => walker.node(node, top && index == 0),
                }
                walker.local.extend(step.focus.clone());
                walker.local.extend(step.index_var.clone());
                for stage in &step.stages {
                    match stage {
                        Stage::Filter(condition) => walker.node(condition, false),
                        Stage::Index(name) => walker.local.push(name.clone()),
                        Stage::KeepArray => {}
                    }
                }
            }
        });
    }

    /// `$states`, and the step after it.
    fn states(&mut self, first: &PathStep, second: Option<&PathStep>) {
        let references = &mut self.analysis.references;
        match (plain(first), second.map(|step| &step.node)) {
            (Some(_), Some(AstNode::Name(field))) => {
                references.states.insert(field.as_str().into());
            }
            _ => references.all_states = true,
        }
    }

    fn binary(&mut self, op: BinaryOp, lhs: &AstNode, rhs: &AstNode, top: bool) {
        match (op, lhs) {
            (BinaryOp::ColonEqual, AstNode::Variable(name)) => {
                // A function may call itself by the name that it is given.
                self.local.push(name.clone());
                self.node(rhs, top);
            }
            _ => {
                self.node(lhs, top);
                self.node(rhs, top);
            }
        }
    }
}
