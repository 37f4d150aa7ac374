//! What holds for any policy and any request.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use policy::{Context, Kind, Outcome, Policies, Policy, Principal, Request, authorize, glob};
use proptest::prelude::*;

const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:f";

fn effect() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("Allow"), Just("Deny")]
}

fn action() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("*"),
        Just("lambda:*"),
        Just("lambda:Get*"),
        Just("lambda:GetFunction"),
        Just("s3:*"),
    ]
}

fn resource() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("*"),
        Just(ARN),
        Just("arn:aws:lambda:*:*:function:*"),
        Just("arn:aws:lambda:eu-west-1:*:function:f"),
    ]
}

fn policy(statements: &[(&str, &str, &str)]) -> Policy {
    let statements: Vec<String> = statements
        .iter()
        .map(|(effect, action, resource)| {
            format!(r#"{{"Effect": "{effect}", "Action": "{action}", "Resource": "{resource}"}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#,
        statements.join(",")
    );
    Policy::parse(&text, Kind::Identity).unwrap()
}

fn ask(policies: &[&Policy]) -> Outcome {
    let principal = Principal::User {
        arn: "arn:aws:iam::111122223333:user/u".to_owned(),
        id: "AIDAX".to_owned(),
        name: "u".to_owned(),
    };
    let request = Request {
        principal: &principal,
        action: "lambda:GetFunction",
        resource: ARN,
        context: &Context::new(),
    };
    let policies = Policies {
        identity: policies.to_vec(),
        ..Policies::default()
    };
    authorize(&request, &policies).outcome
}

proptest! {
    #[test]
    fn one_more_allow_never_lifts_a_denial(
        statements in prop::collection::vec((effect(), action(), resource()), 1..6),
        more in (action(), resource()),
    ) {
        let before = policy(&statements);
        let more = policy(&[("Allow", more.0, more.1)]);
        let after = ask(&[&before, &more]);
        match ask(&[&before]) {
            Outcome::ExplicitDeny => prop_assert_eq!(after, Outcome::ExplicitDeny),
            Outcome::Allow => prop_assert_eq!(after, Outcome::Allow),
            Outcome::ImplicitDeny => prop_assert_ne!(after, Outcome::ExplicitDeny),
        }
    }

    #[test]
    fn one_more_deny_never_permits(
        statements in prop::collection::vec((effect(), action(), resource()), 1..6),
        more in (action(), resource()),
    ) {
        let before = policy(&statements);
        let more = policy(&[("Deny", more.0, more.1)]);
        if ask(&[&before]) != Outcome::Allow {
            prop_assert_ne!(ask(&[&before, &more]), Outcome::Allow);
        }
    }

    #[test]
    fn the_order_of_statements_does_not_matter(
        statements in prop::collection::vec((effect(), action(), resource()), 1..6),
    ) {
        let mut reversed = statements.clone();
        reversed.reverse();
        prop_assert_eq!(ask(&[&policy(&statements)]), ask(&[&policy(&reversed)]));
    }

    #[test]
    fn wildcards_agree_with_a_regular_expression(
        pattern in "[ab:*?.]{0,12}",
        text in "[ab:.]{0,12}",
    ) {
        let mut expression = String::from("(?s)^");
        for c in pattern.chars() {
            match c {
                '*' => expression.push_str(".*"),
                '?' => expression.push('.'),
                other => expression.push_str(&fancy_regex::escape(&other.to_string())),
            }
        }
        expression.push_str(r"\z");
        let naive = fancy_regex::Regex::new(&expression).unwrap();
        prop_assert_eq!(glob(&pattern, &text), naive.is_match(&text).unwrap());
    }

    #[test]
    fn any_text_is_a_policy_or_a_message(text in "[ -~]{0,80}") {
        for kind in [Kind::Identity, Kind::Resource, Kind::Trust] {
            if let Err(error) = Policy::parse(&text, kind) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
