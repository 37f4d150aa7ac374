//! Resource policies: who may call a function, kept for each function, version and alias.
//!
//! A policy is a list of statements, each made from the members of one AddPermission. It is written
//! as AWS writes it, down to the order of its keys.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html>.

use std::collections::BTreeMap;

use ids::Qualifier;
use policy::{Kind, Policy, PolicyError};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use store::Migration;
use wire::lambda::AddPermissionRequest;

use super::key::FunctionKey;
use super::record::LATEST;
use super::tables::{Outcome, Tables, sql};

/// The table of this module. A version or an alias takes its policy with it.
pub(crate) const MIGRATION: Migration = Migration {
    name: "resource policies",
    sql: "
        CREATE TABLE lambda_policy (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            qualifier TEXT NOT NULL,
            revision TEXT NOT NULL,
            statements TEXT NOT NULL,
            PRIMARY KEY (account, region, name, qualifier),
            FOREIGN KEY (account, region, name)
                REFERENCES lambda_function (account, region, name) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER lambda_policy_of_version AFTER DELETE ON lambda_version BEGIN
            DELETE FROM lambda_policy
            WHERE account = OLD.account AND region = OLD.region AND name = OLD.name
                AND qualifier = CAST(OLD.version AS TEXT);
        END;
        CREATE TRIGGER lambda_policy_of_alias AFTER DELETE ON lambda_alias BEGIN
            DELETE FROM lambda_policy
            WHERE account = OLD.account AND region = OLD.region AND name = OLD.name
                AND qualifier = OLD.alias;
        END;
    ",
};

/// The policy of a function, a version or an alias.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResourcePolicy {
    /// Changes with every change.
    pub(crate) revision: String,
    /// In the order in which they were added.
    pub(crate) statements: Vec<Statement>,
}

/// A permission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    pub(crate) sid: String,
    effect: String,
    principal: Grantee,
    action: String,
    resource: String,
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    condition: Conditions,
}

/// Who is permitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Grantee {
    Service(String),
    #[serde(rename = "AWS")]
    Aws(String),
    #[serde(rename = "*")]
    Everyone,
}

/// What must hold, as the operator's keys with their values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Conditions {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    string_equals: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    arn_like: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    bool: BTreeMap<String, String>,
}

impl Conditions {
    fn is_empty(&self) -> bool {
        self.string_equals.is_empty() && self.arn_like.is_empty() && self.bool.is_empty()
    }
}

/// A document, as GetPolicy answers it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    id: &'static str,
    statement: &'a [Statement],
}

impl Grantee {
    /// Whom `principal` names: a service by its host name, an account by its number, a user or a
    /// role by its ARN, or everyone.
    fn read(principal: &str) -> Self {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        match principal {
            "*" => Self::Everyone,
            account if account.len() == 12 && digits(account) => {
                Self::Aws(format!("arn:aws:iam::{account}:root"))
            }
            arn if arn.starts_with("arn:") => Self::Aws(arn.to_owned()),
            host => Self::Service(host.to_owned()),
        }
    }

    /// Whether there can be somebody of that name. Other hosts than these have no services.
    fn is_possible(&self) -> bool {
        let domains = [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"];
        match self {
            Self::Service(host) => domains.iter().any(|domain| host.ends_with(domain)),
            Self::Aws(_) | Self::Everyone => true,
        }
    }
}

impl Statement {
    /// The statement that `input` asks for, about `resource`; `None` where its principal names
    /// nobody.
    pub(crate) fn new(input: AddPermissionRequest, resource: String) -> Option<Self> {
        let equals = [
            ("aws:PrincipalOrgID", input.principal_org_id),
            ("AWS:SourceAccount", input.source_account),
            ("lambda:EventSourceToken", input.event_source_token),
            (
                "lambda:FunctionUrlAuthType",
                input.function_url_auth_type.map(|t| t.as_str().to_owned()),
            ),
        ];
        let via_url = input.invoked_via_function_url.map(|via| via.to_string());
        let condition = Conditions {
            string_equals: present(equals),
            arn_like: present([("AWS:SourceArn", input.source_arn)]),
            bool: present([("lambda:InvokedViaFunctionUrl", via_url)]),
        };
        let statement = Self {
            sid: input.statement_id.unwrap_or_default(),
            effect: "Allow".to_owned(),
            principal: Grantee::read(&input.principal.unwrap_or_default()),
            action: input.action.unwrap_or_default(),
            resource,
            condition,
        };
        // What the evaluator cannot read it must never be given.
        let alone = ResourcePolicy {
            revision: String::new(),
            statements: vec![statement.clone()],
        };
        (statement.principal.is_possible() && alone.parsed().is_ok()).then_some(statement)
    }
}

fn present<const N: usize>(entries: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    let given = |(key, value): (&str, Option<String>)| Some((key.to_owned(), value?));
    entries.into_iter().filter_map(given).collect()
}

impl ResourcePolicy {
    /// The document.
    pub(crate) fn document(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Document {
            version: "2012-10-17",
            id: "default",
            statement: &self.statements,
        })
    }

    /// The policy, ready to judge by.
    pub(crate) fn parsed(&self) -> Result<Policy, PolicyError> {
        Policy::parse(&self.document().unwrap_or_default(), Kind::Resource)
    }

    /// Whether a statement has that id.
    pub(crate) fn has(&self, sid: &str) -> bool {
        self.statements.iter().any(|statement| statement.sid == sid)
    }
}

impl Tables<'_> {
    /// The policy of a function, a version or an alias, where it has one.
    pub(crate) fn resource_policy(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Outcome<Option<ResourcePolicy>> {
        self.0
            .prepare_cached(
                "SELECT revision, statements FROM lambda_policy
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
            )?
            .query_row(
                params![key.account, key.region, key.name, qualifier.to_string()],
                |row| Ok((row.get(0)?, row.get::<_, String>(1)?)),
            )
            .optional()?
            .map(|(revision, statements)| {
                Ok(ResourcePolicy {
                    revision,
                    statements: serde_json::from_str(&statements)?,
                })
            })
            .transpose()
    }

    /// Writes a policy, new or old; one without statements is none.
    pub(crate) fn put_resource_policy(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
        policy: &ResourcePolicy,
    ) -> Outcome<()> {
        let qualifier = qualifier.to_string();
        if policy.statements.is_empty() {
            self.0
                .prepare_cached(
                    "DELETE FROM lambda_policy
                     WHERE account = ?1 AND region = ?2 AND name = ?3 AND qualifier = ?4",
                )?
                .execute(params![key.account, key.region, key.name, qualifier])?;
            return Ok(());
        }
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO lambda_policy
                     (account, region, name, qualifier, revision, statements)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                key.account,
                key.region,
                key.name,
                qualifier,
                policy.revision,
                serde_json::to_string(&policy.statements)?
            ])?;
        Ok(())
    }

    /// Gives a version or an alias a new revision id.
    pub(crate) fn set_revision(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
        revision: &str,
    ) -> Outcome<()> {
        let FunctionKey {
            account,
            region,
            name,
        } = key;
        let number = match qualifier {
            Qualifier::Latest => LATEST,
            Qualifier::Version(number) => *number,
            Qualifier::Alias(alias) => {
                self.0
                    .prepare_cached(
                        "UPDATE lambda_alias
                         SET record = json_set(record, '$.configuration.RevisionId', ?5)
                         WHERE account = ?1 AND region = ?2 AND name = ?3 AND alias = ?4",
                    )?
                    .execute(params![account, region, name, alias, revision])?;
                return Ok(());
            }
        };
        self.0
            .prepare_cached(
                "UPDATE lambda_version
                 SET record = json_set(record, '$.configuration.RevisionId', ?5)
                 WHERE account = ?1 AND region = ?2 AND name = ?3 AND version = ?4",
            )?
            .execute(params![account, region, name, sql(number), revision])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn request(principal: &str) -> AddPermissionRequest {
        AddPermissionRequest {
            statement_id: Some("s".to_owned()),
            action: Some("lambda:InvokeFunction".to_owned()),
            principal: Some(principal.to_owned()),
            ..AddPermissionRequest::default()
        }
    }

    fn written(input: AddPermissionRequest) -> String {
        let statement = Statement::new(input, RESOURCE.to_owned()).unwrap();
        serde_json::to_string(&statement).unwrap()
    }

    #[test]
    fn a_statement_is_written_as_awss() {
        let input = AddPermissionRequest {
            source_arn: Some("arn:aws:s3:::bucket".to_owned()),
            source_account: Some("123456789012".to_owned()),
            ..request("s3.amazonaws.com")
        };
        assert_eq!(
            written(input),
            r#"{"Sid":"s","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"#.to_owned()
                + &format!(r#""Action":"lambda:InvokeFunction","Resource":"{RESOURCE}","#)
                + r#""Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"},"#
                + r#""ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}}}"#
        );
    }

    #[test]
    fn principals_are_services_accounts_arns_or_everyone() {
        let principal = |text: &str| {
            let statement = Statement::new(request(text), RESOURCE.to_owned())?;
            Some(serde_json::to_string(&statement.principal).unwrap())
        };
        for (given, shown) in [
            ("*", r#""*""#),
            (
                "123456789012",
                r#"{"AWS":"arn:aws:iam::123456789012:root"}"#,
            ),
            (
                "arn:aws:iam::123456789012:role/r",
                r#"{"AWS":"arn:aws:iam::123456789012:role/r"}"#,
            ),
            (
                "alexa-appkit.amazon.com",
                r#"{"Service":"alexa-appkit.amazon.com"}"#,
            ),
        ] {
            assert_eq!(principal(given).as_deref(), Some(shown), "{given}");
        }
        for nobody in ["example.com", "12345", "arn:aws:s3:::bucket", "bob"] {
            assert_eq!(principal(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_statement_reads_back() {
        let input = AddPermissionRequest {
            invoked_via_function_url: Some(true),
            ..request("*")
        };
        let text = written(input.clone());
        let read: Statement = serde_json::from_str(&text).unwrap();
        assert_eq!(Statement::new(input, RESOURCE.to_owned()), Some(read));
        assert!(
            text.ends_with(r#""Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}"#),
            "{text}"
        );
    }
}
