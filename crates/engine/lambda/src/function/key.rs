//! Which function is meant.

use std::sync::Arc;

use ids::Arn;
use wire::Caller;

/// A function's place and name: what makes it one and the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FunctionKey {
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl FunctionKey {
    /// The function `name` in the caller's account and region.
    pub(crate) fn of(caller: &Caller, name: &str) -> Self {
        Self {
            account: Arc::clone(&caller.account),
            region: Arc::clone(&caller.region),
            name: name.into(),
        }
    }

    /// `arn:aws:lambda:…:function:NAME`.
    pub(crate) fn arn(&self) -> String {
        let resource = format!("function:{}", self.name);
        Arn::new("lambda", &self.region, &self.account, resource).to_string()
    }

    /// The same with `:QUALIFIER`.
    pub(crate) fn qualified_arn(&self, qualifier: &str) -> String {
        format!("{}:{qualifier}", self.arn())
    }
}
