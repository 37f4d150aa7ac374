//! The rules by which policies are put together, one case each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use policy::{
    Context, Kind, Outcome, Policies, Policy, Principal, Reason, Request, Tier, authorize, evaluate,
};

const HOME: &str = "111122223333";
const ABROAD: &str = "444455556666";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:f";
const ACTION: &str = "lambda:InvokeFunction";
const USER: &str = "arn:aws:iam::111122223333:user/alice";
const ROLE: &str = "arn:aws:iam::111122223333:role/r";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/r/s";

fn identity(effect: &str, action: &str, resource: &str) -> Policy {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [
            {{"Effect": "{effect}", "Action": "{action}", "Resource": ["{resource}"]}}]}}"#
    );
    Policy::parse(&text, Kind::Identity).unwrap()
}

fn resource(effect: &str, principal: &str) -> Policy {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Id": "default", "Statement": [
            {{"Sid": "a-b", "Effect": "{effect}", "Principal": {principal},
              "Action": "{ACTION}", "Resource": "{FUNCTION}"}}]}}"#
    );
    Policy::parse(&text, Kind::Resource).unwrap()
}

fn aws(arn: &str) -> String {
    format!(r#"{{"AWS": "{arn}"}}"#)
}

fn user() -> Principal {
    Principal::User {
        arn: USER.to_owned(),
        id: "AIDAX".to_owned(),
        name: "alice".to_owned(),
    }
}

fn session() -> Principal {
    Principal::Session {
        arn: SESSION.to_owned(),
        role_arn: ROLE.to_owned(),
        id: "AROAX:s".to_owned(),
    }
}

fn judge(principal: &Principal, policies: &Policies<'_>) -> (Outcome, Reason) {
    let mut context = Context::new();
    principal.describe(&mut context);
    let request = Request {
        principal,
        action: ACTION,
        resource: FUNCTION,
        context: &context,
    };
    let decision = authorize(&request, policies);
    (decision.outcome, decision.reason)
}

fn outcome(principal: &Principal, policies: &Policies<'_>) -> Outcome {
    judge(principal, policies).0
}

#[test]
fn at_home_either_side_suffices_and_nothing_does_not() {
    let own = identity("Allow", "lambda:*", "*");
    let theirs = resource("Allow", &aws(USER));
    let both = Policies::default();
    assert_eq!(
        judge(&user(), &both),
        (Outcome::ImplicitDeny, Reason::Missing(Tier::Identity))
    );
    let by_own = Policies {
        identity: vec![&own],
        ..Policies::default()
    };
    assert_eq!(outcome(&user(), &by_own), Outcome::Allow);
    let by_theirs = Policies {
        resource: vec![&theirs],
        resource_account: Some(HOME),
        ..Policies::default()
    };
    assert_eq!(outcome(&user(), &by_theirs), Outcome::Allow);
}

#[test]
fn abroad_both_sides_are_needed() {
    let own = identity("Allow", "*", "*");
    let theirs = resource("Allow", &aws(USER));
    let mut policies = Policies {
        identity: vec![&own],
        resource_account: Some(ABROAD),
        ..Policies::default()
    };
    assert_eq!(
        judge(&user(), &policies),
        (Outcome::ImplicitDeny, Reason::Missing(Tier::Resource))
    );
    policies.resource = vec![&theirs];
    assert_eq!(outcome(&user(), &policies), Outcome::Allow);
    policies.identity.clear();
    assert_eq!(
        judge(&user(), &policies),
        (Outcome::ImplicitDeny, Reason::Missing(Tier::Identity))
    );
}

#[test]
fn a_denial_wins_wherever_it_stands() {
    let allow = identity("Allow", "*", "*");
    let deny = identity("Deny", "lambda:Invoke*", FUNCTION);
    let theirs = resource("Deny", "\"*\"");
    for (tier, policies) in [
        (
            Tier::Identity,
            Policies {
                identity: vec![&allow, &deny],
                ..Policies::default()
            },
        ),
        (
            Tier::Boundary,
            Policies {
                identity: vec![&allow],
                boundary: Some(&deny),
                ..Policies::default()
            },
        ),
        (
            Tier::Session,
            Policies {
                identity: vec![&allow],
                session: vec![&allow, &deny],
                ..Policies::default()
            },
        ),
        (
            Tier::Resource,
            Policies {
                identity: vec![&allow],
                resource: vec![&theirs],
                ..Policies::default()
            },
        ),
    ] {
        for principal in [user(), session()] {
            let (outcome, reason) = judge(&principal, &policies);
            assert_eq!(outcome, Outcome::ExplicitDeny);
            let Reason::Statement(source) = reason else {
                panic!("{reason:?}");
            };
            assert_eq!((source.tier, source.statement), (tier, 0));
        }
    }
}

#[test]
fn boundaries_and_sessions_limit_and_permit_nothing() {
    let all = identity("Allow", "*", "*");
    let reading = identity("Allow", "lambda:Get*", "*");
    for (tier, mut policies) in [
        (
            Tier::Boundary,
            Policies {
                boundary: Some(&reading),
                ..Policies::default()
            },
        ),
        (
            Tier::Session,
            Policies {
                session: vec![&reading],
                ..Policies::default()
            },
        ),
    ] {
        policies.identity = vec![&all];
        assert_eq!(
            judge(&session(), &policies),
            (Outcome::ImplicitDeny, Reason::Missing(tier))
        );
    }
    let only_limits = Policies {
        boundary: Some(&all),
        session: vec![&all],
        ..Policies::default()
    };
    assert_eq!(outcome(&user(), &only_limits), Outcome::ImplicitDeny);
}

#[test]
fn limits_hold_for_what_a_role_is_granted_but_not_the_session_itself() {
    let reading = identity("Allow", "lambda:Get*", "*");
    for (named, expected) in [
        (aws(SESSION), Outcome::Allow),
        (aws(ROLE), Outcome::ImplicitDeny),
        ("\"*\"".to_owned(), Outcome::ImplicitDeny),
    ] {
        let theirs = resource("Allow", &named);
        let policies = Policies {
            boundary: Some(&reading),
            resource: vec![&theirs],
            ..Policies::default()
        };
        assert_eq!(outcome(&session(), &policies), expected, "{named}");
    }
}

#[test]
fn what_the_account_is_granted_its_own_policies_hand_on() {
    let theirs = resource("Allow", &aws(HOME));
    let own = identity("Allow", ACTION, FUNCTION);
    let mut policies = Policies {
        resource: vec![&theirs],
        ..Policies::default()
    };
    assert_eq!(outcome(&user(), &policies), Outcome::ImplicitDeny);
    policies.identity = vec![&own];
    assert_eq!(outcome(&user(), &policies), Outcome::Allow);
}

#[test]
fn a_trust_policy_must_allow_too() {
    let own = identity("Allow", "*", "*");
    let mut policies = Policies {
        identity: vec![&own],
        resource_must_allow: true,
        ..Policies::default()
    };
    assert_eq!(
        judge(&user(), &policies),
        (Outcome::ImplicitDeny, Reason::Missing(Tier::Resource))
    );
    let trust = Policy::parse(
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
            "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}}"#,
        Kind::Trust,
    )
    .unwrap();
    policies.resource = vec![&trust];
    let context = Context::new();
    let alice = user();
    let request = Request {
        principal: &alice,
        action: "sts:AssumeRole",
        resource: ROLE,
        context: &context,
    };
    assert!(authorize(&request, &policies).allowed());
}

#[test]
fn root_may_do_everything_at_home() {
    let root = Principal::Root {
        account: HOME.to_owned(),
    };
    assert_eq!(
        judge(&root, &Policies::default()),
        (Outcome::Allow, Reason::Root)
    );
    let abroad = Policies {
        resource_account: Some(ABROAD),
        ..Policies::default()
    };
    assert_eq!(outcome(&root, &abroad), Outcome::ImplicitDeny);
}

#[test]
fn services_are_judged_by_the_resource_alone() {
    let s3 = Principal::Service("s3.amazonaws.com".to_owned());
    let sns = Principal::Service("sns.amazonaws.com".to_owned());
    let policy = Policy::parse(
        &format!(
            r#"{{"Version": "2012-10-17", "Id": "default", "Statement": [
                {{"Sid": "s3", "Effect": "Allow", "Principal": {{"Service": "s3.amazonaws.com"}},
                  "Action": "{ACTION}", "Resource": "{FUNCTION}",
                  "Condition": {{"StringEquals": {{"AWS:SourceAccount": "{HOME}"}},
                                "ArnLike": {{"AWS:SourceArn": "arn:aws:s3:::b"}}}}}}]}}"#
        ),
        Kind::Resource,
    )
    .unwrap();
    let ask = |principal: &Principal, bucket: &str| {
        let context = Context::new()
            .with("aws:SourceArn", format!("arn:aws:s3:::{bucket}"))
            .with("aws:SourceAccount", HOME);
        let request = Request {
            principal,
            action: ACTION,
            resource: FUNCTION,
            context: &context,
        };
        evaluate(&request, &[&policy])
    };
    let decision = ask(&s3, "b");
    assert!(decision.allowed());
    let Reason::Statement(source) = decision.reason else {
        panic!("a statement decided");
    };
    assert_eq!(source.sid.as_deref(), Some("s3"));
    assert_eq!(ask(&s3, "c").outcome, Outcome::ImplicitDeny);
    assert_eq!(ask(&sns, "b").outcome, Outcome::ImplicitDeny);
    assert_eq!(
        ask(&Principal::Anonymous, "b").outcome,
        Outcome::ImplicitDeny
    );
}

#[test]
fn the_not_elements_mean_all_else() {
    let parse = |statement: &str, kind| {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
        Policy::parse(&text, kind).unwrap()
    };
    let all_but_iam = parse(
        r#"{"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:lambda:*:*:function:g"}"#,
        Kind::Identity,
    );
    let mut policies = Policies {
        identity: vec![&all_but_iam],
        ..Policies::default()
    };
    assert_eq!(outcome(&user(), &policies), Outcome::Allow);
    let all_but_f = parse(
        &format!(r#"{{"Effect": "Allow", "Action": "*", "NotResource": "{FUNCTION}"}}"#),
        Kind::Identity,
    );
    policies.identity = vec![&all_but_f];
    assert_eq!(outcome(&user(), &policies), Outcome::ImplicitDeny);
    let only_the_role = parse(
        &format!(
            r#"{{"Effect": "Deny", "NotPrincipal": {{"AWS": "{ROLE}"}}, "Action": "*", "Resource": "*"}}"#
        ),
        Kind::Resource,
    );
    policies.identity = vec![&all_but_iam];
    policies.resource = vec![&only_the_role];
    assert_eq!(outcome(&user(), &policies), Outcome::ExplicitDeny);
    assert_eq!(outcome(&session(), &policies), Outcome::Allow);
}
