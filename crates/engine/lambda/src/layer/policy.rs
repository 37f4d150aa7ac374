//! The resource policy of a layer version: which other accounts may use it.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html>.

use ids::RequestId;
use policy::{Context, Kind, Outcome, Policy, Principal, Request, evaluate};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::ServiceError;
use wire::lambda::errors;

/// The one action that a layer version's policy can allow.
pub(crate) const GET_LAYER_VERSION: &str = "lambda:GetLayerVersion";

/// The longest policy in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const LIMIT: usize = 20_480;

/// A statement, its members in the order in which AWS writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    sid: String,
    effect: String,
    principal: Value,
    action: String,
    resource: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

impl Statement {
    /// That `principal` (an account, the ARN of its root, or `*`) may use the layer version,
    /// perhaps only as a member of an organization.
    pub(crate) fn new(
        sid: String,
        principal: &str,
        organization: Option<&str>,
        layer_version: String,
    ) -> Self {
        let is_account = principal.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            sid,
            effect: "Allow".to_owned(),
            principal: match principal {
                "*" => json!("*"),
                account if is_account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
                arn => json!({"AWS": arn}),
            },
            action: GET_LAYER_VERSION.to_owned(),
            resource: layer_version,
            condition: organization.map(|id| json!({"StringEquals": {"aws:PrincipalOrgID": id}})),
        }
    }

    /// Itself, as AWS answers it.
    pub(crate) fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A policy and its revision, as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerPolicy {
    revision_id: String,
    /// In the order in which they came.
    statements: Vec<Statement>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'s> {
    version: &'static str,
    id: &'static str,
    statement: &'s [Statement],
}

impl LayerPolicy {
    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    pub(crate) fn revision_id(&self) -> &str {
        &self.revision_id
    }

    /// The document, as `GetLayerVersionPolicy` answers it.
    pub(crate) fn document(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Document {
            version: "2012-10-17",
            id: "default",
            statement: &self.statements,
        })
    }

    /// Adds a statement, as a new revision.
    pub(crate) fn add(
        &mut self,
        statement: Statement,
        asked_revision: Option<&str>,
        revision: RequestId,
    ) -> Result<(), ServiceError> {
        let sid = &statement.sid;
        if self.find(sid).is_some() {
            return Err(errors::resource_conflict_exception(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement \
                 id, or remove the existing statement."
            )));
        }
        self.check_revision(asked_revision)?;
        self.statements.push(statement);
        let size = self.document().map_or(usize::MAX, |text| text.len());
        if size > LIMIT {
            return Err(errors::policy_length_exceeded_exception(format!(
                "The final policy size ({size}) is bigger than the limit ({LIMIT})."
            )));
        }
        self.revision_id = revision.to_string();
        Ok(())
    }

    /// Removes a statement, as a new revision.
    pub(crate) fn remove(
        &mut self,
        sid: &str,
        asked_revision: Option<&str>,
        revision: RequestId,
    ) -> Result<(), ServiceError> {
        self.check_revision(asked_revision)?;
        let Some(at) = self.find(sid) else {
            return Err(errors::resource_not_found_exception(format!(
                "Statement {sid} is not found in resource policy."
            )));
        };
        self.statements.remove(at);
        self.revision_id = revision.to_string();
        Ok(())
    }

    fn find(&self, sid: &str) -> Option<usize> {
        self.statements.iter().position(|s| s.sid == sid)
    }

    /// Refuses where the caller knows another revision than the current one.
    fn check_revision(&self, asked: Option<&str>) -> Result<(), ServiceError> {
        if asked.is_none_or(|asked| asked == self.revision_id) {
            return Ok(());
        }
        Err(errors::precondition_failed_exception(
            "The Revision Id provided does not match the latest Revision Id. Call the \
             GetLayerPolicy API to retrieve the latest Revision Id",
        ))
    }

    /// Itself, for who judges by it; `None` where it has no statements.
    pub(crate) fn parsed(&self) -> Option<Policy> {
        if self.is_empty() {
            return None;
        }
        Policy::parse(&self.document().ok()?, Kind::Resource).ok()
    }

    /// Whether an account may use the layer version of that ARN. Of organizations the engine knows
    /// nothing, so that a statement for one's members allows nobody.
    pub(crate) fn allows(&self, account: &str, layer_version: &str) -> bool {
        let principal = Principal::Root {
            account: account.to_owned(),
        };
        let mut context = Context::new();
        principal.describe(&mut context);
        let request = Request {
            principal: &principal,
            action: GET_LAYER_VERSION,
            resource: layer_version,
            context: &context,
        };
        self.parsed()
            .is_some_and(|policy| evaluate(&request, &[&policy]).outcome == Outcome::Allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::SeededEntropy;

    const ARN: &str = "arn:aws:lambda:us-east-1:111111111111:layer:l:1";
    const FRIEND: &str = "222222222222";
    const STRANGER: &str = "333333333333";

    fn revision(seed: u64) -> RequestId {
        RequestId::draw(&SeededEntropy::new(seed))
    }

    fn allowing(principal: &str, organization: Option<&str>) -> LayerPolicy {
        let mut policy = LayerPolicy::default();
        let statement = Statement::new("s1".to_owned(), principal, organization, ARN.to_owned());
        policy.add(statement, None, revision(1)).unwrap();
        policy
    }

    #[test]
    fn statements_read_as_aws_writes_them() {
        let friend = Statement::new("s1".to_owned(), FRIEND, None, ARN.to_owned());
        assert_eq!(
            friend.text().unwrap(),
            format!(
                r#"{{"Sid":"s1","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{FRIEND}:root"}},"Action":"lambda:GetLayerVersion","Resource":"{ARN}"}}"#
            )
        );
        let members = Statement::new("s2".to_owned(), "*", Some("o-a1b2c3d4e5"), ARN.to_owned());
        assert_eq!(
            members.text().unwrap(),
            format!(
                r#"{{"Sid":"s2","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"{ARN}","Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}}}}}"#
            )
        );
    }

    #[test]
    fn an_account_everyone_or_nobody() {
        let policy = allowing(FRIEND, None);
        assert!(policy.allows(FRIEND, ARN));
        assert!(!policy.allows(STRANGER, ARN));
        assert!(allowing(&format!("arn:aws:iam::{FRIEND}:root"), None).allows(FRIEND, ARN));
        assert!(allowing("*", None).allows(STRANGER, ARN));
        assert!(!allowing("*", Some("o-a1b2c3d4e5")).allows(STRANGER, ARN));
        assert!(!LayerPolicy::default().allows(FRIEND, ARN));
    }

    #[test]
    fn revisions_guard_changes() {
        let mut policy = allowing("*", None);
        let first = policy.revision_id().to_owned();
        let statement = |sid: &str| Statement::new(sid.to_owned(), "*", None, ARN.to_owned());
        assert!(
            policy
                .add(statement("s2"), Some("other"), revision(2))
                .is_err()
        );
        policy
            .add(statement("s2"), Some(&first), revision(2))
            .unwrap();
        assert_ne!(policy.revision_id(), first);
        assert!(policy.remove("s1", Some(&first), revision(3)).is_err());
        assert!(policy.remove("s3", None, revision(3)).is_err());
        policy.remove("s1", None, revision(3)).unwrap();
        policy.remove("s2", None, revision(4)).unwrap();
        assert!(policy.is_empty());
    }

    #[test]
    fn a_policy_has_an_end() {
        let mut policy = LayerPolicy::default();
        let outcome = (0..1_000).try_for_each(|n| {
            let statement = Statement::new(format!("s{n}"), FRIEND, None, ARN.to_owned());
            policy.add(statement, None, revision(n))
        });
        assert_eq!(outcome.unwrap_err().code, "PolicyLengthExceededException");
    }
}
