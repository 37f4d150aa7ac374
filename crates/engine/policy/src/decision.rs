//! What comes of judging a request.

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It may be done.
    Allow,
    /// Nothing allows it.
    ImplicitDeny,
    /// A statement forbids it, whatever else is allowed.
    ExplicitDeny,
}

/// Which of the policies that have a say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Those of the user or role.
    Identity,
    /// The most that the user or role may ever do.
    Boundary,
    /// Those given when the session began.
    Session,
    /// Those of the resource.
    Resource,
}

impl Tier {
    /// As in `because no … allows`.
    const fn described(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
        }
    }
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where its policy stands.
    pub tier: Tier,
    /// Which policy of that tier, counted from 0 as they were passed.
    pub policy: usize,
    /// Which statement of the policy, counted from 0.
    pub statement: usize,
    /// Its `Sid`.
    pub sid: Option<String>,
}

/// Why the answer is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// This statement decided.
    Statement(Source),
    /// No policy of this tier allows it.
    Missing(Tier),
    /// The account's root user may do everything in it.
    Root,
}

/// The answer and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// Its reason.
    pub reason: Reason,
}

impl Decision {
    /// Whether it may be done.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.outcome == Outcome::Allow
    }

    /// How AWS words a denial: `User: … is not authorized to perform: … on resource: … because …`.
    /// `who` is the caller's ARN.
    #[must_use]
    pub fn denial(&self, who: &str, action: &str, resource: &str) -> String {
        let because = match &self.reason {
            Reason::Statement(source) => {
                let article = match source.tier {
                    Tier::Identity => "an",
                    _ => "a",
                };
                format!(
                    "with an explicit deny in {article} {}",
                    source.tier.described()
                )
            }
            Reason::Missing(tier) => {
                format!("because no {} allows the {action} action", tier.described())
            }
            Reason::Root => String::new(),
        };
        format!(
            "User: {who} is not authorized to perform: {action} on resource: {resource} {because}"
        )
        .trim_end()
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_denials_as_aws_does() {
        let missing = Decision {
            outcome: Outcome::ImplicitDeny,
            reason: Reason::Missing(Tier::Identity),
        };
        assert_eq!(
            missing.denial("arn:aws:iam::1:user/u", "lambda:GetFunction", "*"),
            "User: arn:aws:iam::1:user/u is not authorized to perform: lambda:GetFunction on \
             resource: * because no identity-based policy allows the lambda:GetFunction action"
        );
        let denied = |tier| Decision {
            outcome: Outcome::ExplicitDeny,
            reason: Reason::Statement(Source {
                tier,
                policy: 0,
                statement: 0,
                sid: None,
            }),
        };
        for (tier, end) in [
            (
                Tier::Identity,
                "with an explicit deny in an identity-based policy",
            ),
            (
                Tier::Resource,
                "with an explicit deny in a resource-based policy",
            ),
            (
                Tier::Boundary,
                "with an explicit deny in a permissions boundary",
            ),
        ] {
            let text = denied(tier).denial("u", "a", "r");
            assert_eq!(
                text,
                format!("User: u is not authorized to perform: a on resource: r {end}")
            );
        }
    }
}
