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

    fn answer(&self, principal: &Principal, identity: &[Sourced]) -> Vec<EvaluationResult> {
        let policies = Policies {
            identity: identity.iter().map(|sourced| &sourced.policy).collect(),
            boundary: self.boundary.as_ref(),
            resource: self.resource_policy.iter().collect(),
            resource_account: self.resource_account.as_deref(),
            ..Policies::default()
        };
        let mut results = Vec::new();
        for action in &self.actions {
            for resource in &self.resources {
                let request = Request {
                    principal,
                    action,
                    resource,
                    context: &self.context,
                };
                let decision = authorize(&request, &policies);
                let matched = match &decision.reason {
                    Reason::Statement(source) => vec![statement(source, identity)],
                    Reason::Missing(_) | Reason::Root => Vec::new(),
                };
                let bounded = decision.reason == Reason::Missing(Tier::Boundary);
                results.push(EvaluationResult {
                    eval_action_name: Some(action.clone()),
                    eval_resource_name: Some(resource.clone()),
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
                });
            }
        }
        results
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
        Ok(paged(
            &page,
            question.answer(&authority.principal, &policies),
        ))
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
        Ok(paged(&page, question.answer(&principal, &policies)))
    }
}

fn paged(page: &Page, results: Vec<EvaluationResult>) -> SimulatePolicyResponse {
    let numbered = results.into_iter().enumerate().collect();
    let paged = page.of(numbered, |(number, _)| format!("{number:010}"));
    let paged = paged.map(|(_, result)| result);
    SimulatePolicyResponse {
        is_truncated: Some(paged.truncated()),
        marker: paged.marker,
        evaluation_results: Some(paged.items),
    }
}
