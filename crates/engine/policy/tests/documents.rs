//! Documents that are refused, and in which words.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use policy::{Kind, Policy, PolicyError};

fn refused(text: &str, kind: Kind) -> String {
    Policy::parse(text, kind).unwrap_err().to_string()
}

fn identity(statement: &str) -> Result<Policy, PolicyError> {
    Policy::parse(
        &format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#),
        Kind::Identity,
    )
}

fn trust(statement: &str) -> Result<Policy, PolicyError> {
    Policy::parse(
        &format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#),
        Kind::Trust,
    )
}

#[test]
fn good_documents_are_read() {
    for statement in [
        r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#,
        r#"{"Sid": "A1", "Effect": "Deny", "NotAction": ["s3:Get*", "iam:*"], "NotResource": ["arn:aws:s3:::b/*"]}"#,
        r#"{"Effect": "Allow", "Action": ["lambda:*"], "Resource": "arn:aws:lambda:*:*:function:*",
            "Condition": {"Bool": {"aws:SecureTransport": true}, "NumericLessThan": {"s3:max-keys": [1, "2"]}}}"#,
        r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:*:s3:::${aws:username}/*"}"#,
    ] {
        assert!(identity(statement).is_ok(), "{statement}");
    }
    for statement in [
        r#"{"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}, "Action": "sts:AssumeRole"}"#,
        r#"{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}"#,
        r#"{"Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity"}"#,
    ] {
        assert!(trust(statement).is_ok(), "{statement}");
    }
}

#[test]
fn syntax_errors_say_only_that() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"Version": "2012-10-17"}"#,
        r#"{"Version": "2012-10-17", "Statement": []}"#,
        r#"{"Version": "2012-10-17", "Statement": ["x"]}"#,
        r#"{"Version": "2013-01-01", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        r#"{"Version": "2012-10-17", "Extra": 1, "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        r#"{"Version": "2012-10-17", "Statement": {"Action": "*", "Resource": "*"}}"#,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}"#,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": 1, "Resource": "*"}}"#,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}}"#,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "": 1}}"#,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Like": {"aws:x": "y"}}}}"#,
    ] {
        assert_eq!(
            refused(text, Kind::Identity),
            "Syntax errors in policy.",
            "{text}"
        );
    }
}

#[test]
fn each_mistake_has_its_words() {
    let cases: &[(&str, &str)] = &[
        (
            r#"{"Effect": "Allow", "Resource": "*"}"#,
            "Policy statement must contain actions.",
        ),
        (
            r#"{"Effect": "Allow", "Action": [], "Resource": "*"}"#,
            "Policy statement must contain actions.",
        ),
        (
            r#"{"Effect": "Allow", "Action": "s3:*"}"#,
            "Policy statement must contain resources.",
        ),
        (
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": []}"#,
            "Policy statement must contain resources.",
        ),
        (
            r#"{"Effect": "Allow", "Action": "ListBucket", "Resource": "*"}"#,
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            r#"{"Effect": "Allow", "Action": "s3:a:b", "Resource": "*"}"#,
            "Actions/Condition can contain only one colon.",
        ),
        (
            r#"{"Effect": "Allow", "Action": "s3*:Get", "Resource": "*"}"#,
            "Vendor s3* is not valid",
        ),
        (
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"}"#,
            "Resource bucket must be in ARN format or \"*\".",
        ),
        (
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:azure:s3:::b"}"#,
            "Partition \"azure\" is not valid for resource \"arn:azure:s3:::b\".",
        ),
        (
            r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws"}"#,
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            r#"{"Sid": "a-b", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#,
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
             regular expression [0-9A-Za-z]*",
        ),
        (
            r#"{"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"},
               {"Sid": "a", "Effect": "Deny", "Action": "*", "Resource": "*"}"#,
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (
            r#"{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}"#,
            "Policy document should not specify a principal.",
        ),
    ];
    for (statement, message) in cases {
        let error = identity(statement).unwrap_err();
        assert_eq!(error.to_string(), *message, "{statement}");
    }
    let old = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    assert_eq!(
        refused(old, Kind::Identity),
        "Policy document must be version 2012-10-17 or greater."
    );
}

#[test]
fn trust_policies_have_mistakes_of_their_own() {
    let cases: &[(&str, &str)] = &[
        (
            r#"{"Effect": "Allow", "Action": "sts:AssumeRole"}"#,
            "Missing required field Principal",
        ),
        (
            r#"{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}"#,
            "Has prohibited field Resource",
        ),
        (
            r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}"#,
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            r#"{"Effect": "Allow", "Principal": {"AWS": "bob"}, "Action": "sts:AssumeRole"}"#,
            "Invalid principal in policy: \"AWS\":\"bob\"",
        ),
        (
            r#"{"Effect": "Allow", "Principal": {"Service": "lambda"}, "Action": "sts:AssumeRole"}"#,
            "Invalid principal in policy: \"SERVICE\":\"lambda\"",
        ),
    ];
    for (statement, message) in cases {
        assert_eq!(trust(statement).unwrap_err().to_string(), *message);
    }
    assert_eq!(
        refused("not json", Kind::Trust),
        "This policy contains invalid Json"
    );
}

#[test]
fn white_space_is_free() {
    assert_eq!(Policy::size("{ \"a\":\n\t1 }"), 7);
}

#[test]
fn a_policy_knows_what_it_asks_for() {
    let asks = |condition: &str, resource: &str| {
        let statement = format!(
            r#"{{"Effect": "Allow", "Action": "*", "Resource": "{resource}", "Condition": {condition}}}"#
        );
        identity(&statement)
            .unwrap()
            .mentions(policy::key::RESOURCE_TAG)
    };
    assert!(asks(
        r#"{"StringEquals": {"AWS:resourcetag/team": "a"}}"#,
        "*"
    ));
    assert!(asks(
        r#"{"StringEquals": {"aws:username": "${aws:ResourceTag/owner}"}}"#,
        "*"
    ));
    assert!(asks("{}", "arn:aws:s3:::${aws:ResourceTag/owner}"));
    assert!(!asks(
        r#"{"StringEquals": {"aws:RequestTag/team": "a"}}"#,
        "*"
    ));
}
