//! What policies are asked.

use crate::{Context, Principal};

/// A question: may `principal` do `action` to `resource`?
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// What: `lambda:InvokeFunction`.
    pub action: &'a str,
    /// To which resource, by ARN; `*` for actions that have none.
    pub resource: &'a str,
    /// The circumstances. [`authorize`](crate::authorize) and [`evaluate()`](crate::evaluate()) do not add to them: see
    /// [`Principal::describe`].
    pub context: &'a Context,
}
