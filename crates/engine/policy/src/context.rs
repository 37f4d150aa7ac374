//! What conditions ask about.

/// The condition keys that the engine fills in, by the names AWS gives them.
pub mod key {
    /// The resource that a service acts for.
    pub const SOURCE_ARN: &str = "aws:SourceArn";
    /// The account that a service acts for.
    pub const SOURCE_ACCOUNT: &str = "aws:SourceAccount";
    /// The caller: user, or role behind a session.
    pub const PRINCIPAL_ARN: &str = "aws:PrincipalArn";
    /// The caller's account.
    pub const PRINCIPAL_ACCOUNT: &str = "aws:PrincipalAccount";
    /// `Account`, `User`, `AssumedRole`, `Anonymous`.
    pub const PRINCIPAL_TYPE: &str = "aws:PrincipalType";
    /// The caller's unique id; a session's name behind a colon.
    pub const USER_ID: &str = "aws:userid";
    /// The name of an IAM user.
    pub const USER_NAME: &str = "aws:username";
    /// Now, in ISO 8601.
    pub const CURRENT_TIME: &str = "aws:CurrentTime";
    /// Now, in seconds since 1970.
    pub const EPOCH_TIME: &str = "aws:EpochTime";
    /// The region the call is for.
    pub const REQUESTED_REGION: &str = "aws:RequestedRegion";
    /// The caller's address.
    pub const SOURCE_IP: &str = "aws:SourceIp";
    /// Whether TLS was used.
    pub const SECURE_TRANSPORT: &str = "aws:SecureTransport";
    /// The client.
    pub const USER_AGENT: &str = "aws:UserAgent";
    /// The keys of the tags in the request.
    pub const TAG_KEYS: &str = "aws:TagKeys";
    /// Before the key of a tag of the caller.
    pub const PRINCIPAL_TAG: &str = "aws:PrincipalTag/";
    /// Before the key of a tag in the request.
    pub const REQUEST_TAG: &str = "aws:RequestTag/";
    /// Before the key of a tag of the resource.
    pub const RESOURCE_TAG: &str = "aws:ResourceTag/";
    /// The function that an event source mapping or a URL belongs to.
    pub const LAMBDA_FUNCTION_ARN: &str = "lambda:FunctionArn";
    /// `NONE` or `AWS_IAM`.
    pub const LAMBDA_FUNCTION_URL_AUTH_TYPE: &str = "lambda:FunctionUrlAuthType";
    /// Whether an invocation came through a function URL.
    pub const LAMBDA_INVOKED_VIA_FUNCTION_URL: &str = "lambda:InvokedViaFunctionUrl";
    /// The principal that AddPermission names.
    pub const LAMBDA_PRINCIPAL: &str = "lambda:Principal";
    /// The layers that a function is given.
    pub const LAMBDA_LAYER: &str = "lambda:Layer";
    /// The service that a role is passed to.
    pub const PASSED_TO_SERVICE: &str = "iam:PassedToService";
}

/// The values of condition keys in one request. Names of keys have no case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// A request has a dozen keys: a search in line is quicker than a map.
    entries: Vec<(String, Vec<String>)>,
}

impl Context {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one value for `key`, in place of what it had.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(key, [value.into()]);
        self
    }

    /// With any number of values for `key`, in place of what it had.
    #[must_use]
    pub fn with_all<V: Into<String>>(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.set(key, values);
        self
    }

    /// Gives `key` these values in place of what it had.
    pub fn set<V: Into<String>>(
        &mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) {
        let key = key.into();
        let values = values.into_iter().map(Into::into).collect();
        match self.position(&key) {
            Some(at) => self.entries[at].1 = values,
            None => self.entries.push((key, values)),
        }
    }

    /// The values of `key`; `None` where nothing is known of it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.position(key).map(|at| self.entries[at].1.as_slice())
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_case_and_are_replaced() {
        let context = Context::new()
            .with("aws:SourceIp", "10.0.0.1")
            .with(key::SOURCE_IP.to_lowercase(), "10.0.0.2")
            .with_all(key::TAG_KEYS, ["a", "b"]);
        assert_eq!(context.get("AWS:SOURCEIP").unwrap(), ["10.0.0.2"]);
        assert_eq!(context.get("aws:TagKeys").unwrap(), ["a", "b"]);
        assert_eq!(context.get("aws:userid"), None);
    }
}
