//! The policy simulator: what would be answered, without doing it.

use policy::{
    Context, Kind as PolicyKind, Outcome, Policies, Policy, Principal, Reason, Request, Tier,
    authorize,
};
use wire::Caller;
use wire::iam::{
    ContextEntry, EvaluationResult, PermissionsBoundaryDecisionDetail,
    PolicyEvaluationDecisionType, PolicySourceType, SimulateCustomPolicyRequest,
    SimulatePolicyResponse, SimulatePrincipalPolicyRequest, Statement,
};

use crate::authority::{Authority, Sourced};
use crate::credentials::{Holder, Identity};
use crate::error::{ApiError, invalid};
use crate::managed::name_of;
use crate::page::Page;
use crate::record::{Entity, RoleRecord, UserRecord};
use crate::service::{Inner, found};
use crate::tables::Tables;

/// What both operations ask.
#[derive(Debug, Default)]
struct Question {
    actions: Vec<String>,
    resources: Vec<String>,
    context: Context,
    boundary: Option<Policy>,
    resource_policy: Option<Policy>,
    resource_account: Option<String>,
}

impl Question {
    fn new(
        actions: Option<Vec<String>>,
        resources: Option<Vec<String>>,
        entries: Option<Vec<ContextEntry>>,
    ) -> Self {
        let mut context = Context::new();
        for entry in entries.unwrap_or_default() {
            if let Some(key) = entry.context_key_name {
                context.set(key, entry.context_key_values.unwrap_or_default());
            }
        }
        let resources = resources.filter(|resources| !resources.is_empty());
        Self {
            actions: actions.unwrap_or_default(),
            resources: resources.unwrap_or_else(|| vec!["*".to_owned()]),
            context,
            ..Self::default()
        }
    }

    fn with_policies(
        mut self,
        boundary: Option<Vec<String>>,
        resource_policy: Option<String>,
        owner: Option<String>,
    ) -> Result<Self, ApiError> {
        self.boundary = match boundary.unwrap_or_default().as_slice() {
            [] => None,
            [one] => Some(Policy::parse(one, PolicyKind::Identity)?),
            _ => return Err(invalid("Only one permissions boundary can be simulated.")),
        };
        self.resource_policy = resource_policy
            .map(|text| Policy::parse(&text, PolicyKind::Resource))
            .transpose()?;
        self.resource_account = owner.and_then(|arn| arn.split(':').nth(4).map(str::to_owned));
        Ok(self)
    }

    /// The page that is asked for. A request has room for millions of pairs of an action and a
    /// resource, so that only those of the page are judged.
    async fn answer(
        &self,
        page: &Page,
        principal: &Principal,
        identity: &[Sourced],
    ) -> SimulatePolicyResponse {
        let policies = Policies {
            identity: identity.iter().map(|sourced| &sourced.policy).collect(),
            boundary: self.boundary.as_ref(),
            resource: self.resource_policy.iter().collect(),
            resource_account: self.resource_account.as_deref(),
            ..Policies::default()
        };
        let from = page.from().parse().unwrap_or_default();
        let pairs = (from..).map_while(|number| Some((number, self.pair(number)?)));
        let mut results = Vec::new();
        for (number, (action, resource)) in pairs.take(page.wanted()) {
            results.push((
                number,
                self.judge(action, resource, principal, &policies, identity),
            ));
            // Others may have their turn.
            tokio::task::yield_now().await;
        }
        let paged = page.cut(results, |(number, _)| number.to_string());
        let paged = paged.map(|(_, result)| result);
        SimulatePolicyResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            evaluation_results: Some(paged.items),
        }
    }

    /// The pair of an action and a resource of that number: each action with all resources.
    fn pair(&self, number: usize) -> Option<(&str, &str)> {
        let action = number.checked_div(self.resources.len())?;
        let resource = number.checked_rem(self.resources.len())?;
        Some((self.actions.get(action)?, self.resources.get(resource)?))
    }

    fn judge(
        &self,
        action: &str,
        resource: &str,
        principal: &Principal,
        policies: &Policies<'_>,
        identity: &[Sourced],
    ) -> EvaluationResult {
        let request = Request {
            principal,
            action,
            resource,
            context: &self.context,
        };
        let decision = authorize(&request, policies);
        let matched = match &decision.reason {
            Reason::Statement(source) => vec![statement(source, identity)],
            Reason::Missing(_) | Reason::Root => Vec::new(),
        };
        let bounded = decision.reason == Reason::Missing(Tier::Boundary);
        EvaluationResult {
            eval_action_name: Some(action.to_owned()),
            eval_resource_name: Some(resource.to_owned()),
            eval_decision: Some(match decision.outcome {
                Outcome::Allow => PolicyEvaluationDecisionType::Allowed,
                Outcome::ImplicitDeny => PolicyEvaluationDecisionType::ImplicitDeny,
                Outcome::ExplicitDeny => PolicyEvaluationDecisionType::ExplicitDeny,
            }),
            matched_statements: Some(matched),
            missing_context_values: Some(Vec::new()),
            permissions_boundary_decision_detail: self.boundary.as_ref().map(|_| {
                PermissionsBoundaryDecisionDetail {
                    allowed_by_permissions_boundary: Some(!bounded),
                }
            }),
            ..EvaluationResult::default()
        }
    }
}

fn statement(source: &policy::Source, identity: &[Sourced]) -> Statement {
    let (id, kind) = match source.tier {
        Tier::Identity => {
            let sourced = identity.get(source.policy);
            let id = sourced.map_or("", |sourced| sourced.id.as_str());
            let kind = if id.starts_with("arn:aws:iam::aws:") {
                PolicySourceType::AwsManaged
            } else if id.starts_with("arn:") {
                PolicySourceType::UserManaged
            } else {
                PolicySourceType::None
            };
            (sourced.map_or("", Sourced::name).to_owned(), kind)
        }
        Tier::Boundary => (
            "PermissionsBoundaryPolicyInputList.1".to_owned(),
            PolicySourceType::None,
        ),
        Tier::Session => ("session".to_owned(), PolicySourceType::None),
        Tier::Resource => ("ResourcePolicy".to_owned(), PolicySourceType::Resource),
    };
    Statement {
        source_policy_id: Some(id),
        source_policy_type: Some(kind),
        ..Statement::default()
    }
}

/// The policies that a request brings along.
fn brought(documents: Option<Vec<String>>) -> Result<Vec<Sourced>, ApiError> {
    let documents = documents.unwrap_or_default();
    let numbered = documents.iter().zip(1..);
    numbered
        .map(|(text, number)| {
            Ok(Sourced {
                policy: Policy::parse(text, PolicyKind::Identity)?,
                id: format!("PolicyInputList.{number}"),
            })
        })
        .collect()
}

/// Makes sure that the user or role of that ARN exists, and says who it is.
fn identity(tables: &Tables<'_>, account: &str, arn: &str) -> Result<Identity, ApiError> {
    let kind = arn
        .split(':')
        .nth(5)
        .and_then(|rest| rest.split('/').next());
    let name = name_of(arn);
    let unknown = || {
        invalid(format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        ))
    };
    let (known, holder) = match kind {
        Some("user") => (
            found::<UserRecord>(tables, account, name)?.arn(account),
            Holder::User { name: name.into() },
        ),
        Some("role") => (
            found::<RoleRecord>(tables, account, name)?.arn(account),
            Holder::Session {
                role: name.into(),
                session: "simulation".into(),
                policies: [].into(),
                tags: [].into(),
            },
        ),
        _ => return Err(unknown()),
    };
    if known != arn {
        return Err(unknown());
    }
    Ok(Identity {
        account: account.into(),
        holder,
    })
}

impl Inner {
    pub(crate) async fn simulate_principal_policy(
        &self,
        caller: &Caller,
        input: SimulatePrincipalPolicyRequest,
    ) -> Result<SimulatePolicyResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let account = caller.account.to_string();
        let arn = input.policy_source_arn.unwrap_or_default();
        let source = self
            .read(move |tables| identity(tables, &account, &arn))
            .await?;
        let authority: Authority = self.authority(&source).await?.as_ref().clone();
        let mut question = Question::new(
            input.action_names,
            input.resource_arns,
            input.context_entries,
        )
        .with_policies(
            input.permissions_boundary_policy_input_list,
            input.resource_policy,
            input.resource_owner,
        )?;
        authority.describe(&mut question.context);
        if question.boundary.is_none() {
            question.boundary = authority.boundary;
        }
        let mut policies = authority.identity;
        policies.extend(brought(input.policy_input_list)?);
        Ok(question
            .answer(&page, &authority.principal, &policies)
            .await)
    }

    pub(crate) async fn simulate_custom_policy(
        &self,
        caller: &Caller,
        input: SimulateCustomPolicyRequest,
    ) -> Result<SimulatePolicyResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let question = Question::new(
            input.action_names,
            input.resource_arns,
            input.context_entries,
        )
        .with_policies(
            input.permissions_boundary_policy_input_list,
            input.resource_policy,
            input.resource_owner,
        )?;
        let arn = input
            .caller_arn
            .unwrap_or_else(|| format!("arn:aws:iam::{}:user/simulated", caller.account));
        let principal = Principal::User {
            name: name_of(&arn).to_owned(),
            id: "AIDASIMULATED".to_owned(),
            arn,
        };
        let policies = brought(input.policy_input_list)?;
        Ok(question.answer(&page, &principal, &policies).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty-five million pairs, of which a page is judged.
    #[tokio::test]
    async fn a_page_costs_what_is_on_it() {
        let names = |kind| Some((0..5_000).map(|n| format!("{kind}:{n}")).collect());
        let question = Question::new(names("lambda"), names("arn:aws:lambda"), None);
        let principal = Principal::Root {
            account: "111122223333".to_owned(),
        };
        let names = |answer: &SimulatePolicyResponse| {
            let results = answer.evaluation_results.iter().flatten();
            let name = |result: &EvaluationResult| {
                (
                    result.eval_action_name.clone().unwrap_or_default(),
                    result.eval_resource_name.clone().unwrap_or_default(),
                )
            };
            results.map(name).collect::<Vec<_>>()
        };
        let page = Page::asked(None, Some(2)).unwrap();
        let first = question.answer(&page, &principal, &[]).await;
        let pair = |a: &str, r: &str| (format!("lambda:{a}"), format!("arn:aws:lambda:{r}"));
        assert_eq!(names(&first), [pair("0", "0"), pair("0", "1")]);
        assert_eq!(first.is_truncated, Some(true));
        let page = Page::asked(first.marker.as_deref(), Some(1)).unwrap();
        let next = question.answer(&page, &principal, &[]).await;
        assert_eq!(names(&next), [pair("0", "2")]);
        // The end: "24999998" in Base64.
        let page = Page::asked(Some("MjQ5OTk5OTg"), None).unwrap();
        let last = question.answer(&page, &principal, &[]).await;
        assert_eq!(names(&last), [pair("4999", "4998"), pair("4999", "4999")]);
        assert_eq!((last.is_truncated, last.marker), (Some(false), None));
    }
}
