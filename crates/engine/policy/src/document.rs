//! Documents.

use crate::PolicyError;
use crate::condition::Condition;
use crate::pattern::Pattern;
use crate::principal::{Named, Naming};
use crate::request::Request;

mod parse;
mod resource;

/// What a document is attached to, and so what it must and must not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A user or a role: says no principal.
    Identity,
    /// A resource: says principals and resources.
    Resource,
    /// A role, about who may assume it: says principals and no resources.
    Trust,
}

/// What a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It permits.
    Allow,
    /// It forbids.
    Deny,
}

/// A policy document, ready to be asked. The default one says nothing.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// One or several of something, or all but those.
#[derive(Debug, Clone)]
enum Of<T> {
    Any(Vec<T>),
    Not(Vec<T>),
}

#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    /// `None` in policies of identities.
    principals: Option<Of<Named>>,
    actions: Of<Pattern>,
    /// `None` in trust policies.
    resources: Option<Of<Pattern>>,
    conditions: Vec<Condition>,
}

impl Policy {
    /// The longest managed policy, in characters other than white space.
    pub const MANAGED_LIMIT: usize = 6_144;
    /// The longest trust policy, likewise.
    pub const TRUST_LIMIT: usize = 2_048;
    /// The most that the inline policies of one user may have together, likewise.
    pub const USER_INLINE_LIMIT: usize = 2_048;
    /// The most that the inline policies of one role may have together, likewise.
    pub const ROLE_INLINE_LIMIT: usize = 10_240;

    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, in IAM's words.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        parse::policy(text, kind)
    }

    /// How long `text` is as IAM counts: white space is free.
    #[must_use]
    pub fn size(text: &str) -> usize {
        text.chars().filter(|c| !c.is_whitespace()).count()
    }

    /// Whether it asks for a key that begins so, such as [`crate::key::RESOURCE_TAG`]: what is dear
    /// to find out need not be where nobody asks.
    #[must_use]
    pub fn mentions(&self, key: &str) -> bool {
        self.statements.iter().any(|statement| {
            let resources = match &statement.resources {
                Some(Of::Any(list) | Of::Not(list)) => list.as_slice(),
                None => &[],
            };
            statement.conditions.iter().any(|c| c.mentions(key))
                || resources.iter().any(|pattern| pattern.mentions(key))
        })
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

impl<T> Of<T> {
    /// Whether what `is` tells is meant.
    fn means(&self, is: impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::Any(list) => list.iter().any(is),
            Self::Not(list) => !list.iter().any(is),
        }
    }
}

impl Statement {
    /// Whether it has something to say about `request`, and how firmly it names who asks.
    pub(crate) fn applies(&self, request: &Request<'_>) -> Option<Naming> {
        let context = request.context;
        if !self
            .actions
            .means(|pattern| pattern.matches(request.action, context))
        {
            return None;
        }
        let naming = match &self.principals {
            None => Naming::Itself,
            Some(Of::Any(named)) => named
                .iter()
                .filter_map(|named| named.names(request.principal))
                .max()?,
            Some(not) => not
                .means(|named| named.names(request.principal).is_some())
                .then_some(Naming::Account)?,
        };
        let resources = self.resources.as_ref();
        let about = resources.is_none_or(|resources| {
            resources.means(|pattern| pattern.matches(request.resource, context))
        });
        let holds = about && self.conditions.iter().all(|c| c.holds(context));
        holds.then_some(naming)
    }
}
