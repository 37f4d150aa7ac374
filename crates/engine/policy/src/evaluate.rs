//! Policies put together.
//!
//! 1. A statement that forbids wins, wherever it stands.
//! 2. A caller of the resource's own account needs one permission, from its own policies or from
//!    the resource's. A caller of another account needs both.
//! 3. A boundary and a session's policies permit nothing by themselves: they limit what the
//!    caller's policies permit, and what a resource policy grants its role, but not what a resource
//!    policy grants the user or the session itself.
//! 4. A resource policy that names the account leaves it to the account's policies.
//! 5. Services and strangers have no policies of their own: only the resource's count.

use crate::Principal;
use crate::decision::{Decision, Outcome, Reason, Source, Tier};
use crate::document::{Effect, Policy};
use crate::principal::Naming;
use crate::request::Request;

/// The policies that have a say.
#[derive(Debug, Clone, Default)]
pub struct Policies<'a> {
    /// Those of the user or role.
    pub identity: Vec<&'a Policy>,
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'a Policy>,
    /// Those given when the session began; none limit nothing.
    pub session: Vec<&'a Policy>,
    /// Those of the resource.
    pub resource: Vec<&'a Policy>,
    /// The account of the resource; `None` where it is the caller's.
    pub resource_account: Option<&'a str>,
    /// Whether the resource's policy must allow also what the caller's own policies allow, as a
    /// role's trust policy must.
    pub resource_must_allow: bool,
}

/// What the policies of one tier say.
#[derive(Debug, Default)]
struct Verdict {
    denied: Option<Source>,
    allowed: Option<(Naming, Source)>,
}

impl Verdict {
    fn of(tier: Tier, policies: &[&Policy], request: &Request<'_>) -> Self {
        let mut verdict = Self::default();
        for (index, policy) in policies.iter().enumerate() {
            for (number, statement) in policy.statements().iter().enumerate() {
                let Some(naming) = statement.applies(request) else {
                    continue;
                };
                let source = || Source {
                    tier,
                    policy: index,
                    statement: number,
                    sid: statement.sid.clone(),
                };
                match statement.effect {
                    Effect::Deny => {
                        verdict.denied = Some(source());
                        return verdict;
                    }
                    Effect::Allow => {
                        let firmer = verdict
                            .allowed
                            .as_ref()
                            .is_none_or(|(known, _)| naming > *known);
                        if firmer {
                            verdict.allowed = Some((naming, source()));
                        }
                    }
                }
            }
        }
        verdict
    }
}

/// Judges `request` by resource policies alone: all that counts where a service or a stranger
/// calls.
#[must_use]
pub fn evaluate(request: &Request<'_>, policies: &[&Policy]) -> Decision {
    let verdict = Verdict::of(Tier::Resource, policies, request);
    match (verdict.denied, verdict.allowed) {
        (Some(source), _) => denied(source),
        (None, Some((_, source))) => allowed(source),
        (None, None) => missing(Tier::Resource),
    }
}

/// Judges `request` by every policy that has a say.
#[must_use]
pub fn authorize(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    let boundary: Vec<&Policy> = policies.boundary.into_iter().collect();
    let identity = Verdict::of(Tier::Identity, &policies.identity, request);
    let limits = [
        (Tier::Boundary, boundary.as_slice()),
        (Tier::Session, policies.session.as_slice()),
    ]
    .map(|(tier, list)| (tier, list, Verdict::of(tier, list, request)));
    let resource = Verdict::of(Tier::Resource, &policies.resource, request);

    let denials = [&identity, &limits[0].2, &limits[1].2, &resource];
    if let Some(source) = denials.into_iter().find_map(|v| v.denied.clone()) {
        return denied(source);
    }
    let own = match request.principal {
        Principal::Service(_) | Principal::Anonymous => {
            return resource
                .allowed
                .map_or_else(|| missing(Tier::Resource), |(_, source)| allowed(source));
        }
        Principal::Root { .. } => Some(Decision {
            outcome: Outcome::Allow,
            reason: Reason::Root,
        }),
        _ => identity.allowed.map(|(_, source)| allowed(source)),
    };
    let limit = limits
        .iter()
        .find(|(_, list, verdict)| !list.is_empty() && verdict.allowed.is_none())
        .map(|(tier, ..)| missing(*tier));
    let at_home = policies
        .resource_account
        .is_none_or(|account| request.principal.account() == Some(account));

    if at_home && let Some((naming, source)) = &resource.allowed {
        let suffices = match naming {
            Naming::Itself => true,
            Naming::Role => limit.is_none(),
            Naming::Account => false,
        };
        if suffices {
            return allowed(source.clone());
        }
    }
    if (!at_home || policies.resource_must_allow) && resource.allowed.is_none() {
        return missing(if own.is_some() {
            Tier::Resource
        } else {
            Tier::Identity
        });
    }
    match (own, limit) {
        (None, _) => missing(Tier::Identity),
        (Some(_), Some(limit)) => limit,
        (Some(own), None) => own,
    }
}

fn allowed(source: Source) -> Decision {
    Decision {
        outcome: Outcome::Allow,
        reason: Reason::Statement(source),
    }
}

fn denied(source: Source) -> Decision {
    Decision {
        outcome: Outcome::ExplicitDeny,
        reason: Reason::Statement(source),
    }
}

fn missing(tier: Tier) -> Decision {
    Decision {
        outcome: Outcome::ImplicitDeny,
        reason: Reason::Missing(tier),
    }
}
