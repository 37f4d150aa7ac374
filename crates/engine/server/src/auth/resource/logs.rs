//! Log groups and their streams.

use ids::Arn;
use wire::Caller;

use super::Resource;
use crate::auth::fields::Fields;

/// Operations about all groups.
const ABOUT_ALL_GROUPS: [&str; 2] = ["DescribeLogGroups", "ListLogGroups"];

/// Those about a group, by its ARN.
const ABOUT_TAGGED: [&str; 3] = ["ListTagsForResource", "TagResource", "UntagResource"];

/// Those about several groups, by their ARNs.
const ABOUT_SEVERAL_GROUPS: [&str; 1] = ["StartLiveTail"];

/// Those about a group, by its name.
const ABOUT_GROUPS: [&str; 8] = [
    "CreateLogGroup",
    "CreateLogStream",
    "DeleteLogGroup",
    "DeleteRetentionPolicy",
    "ListTagsLogGroup",
    "PutRetentionPolicy",
    "TagLogGroup",
    "UntagLogGroup",
];

/// Those about a group, by its name or ARN.
const ABOUT_IDENTIFIED_GROUPS: [&str; 2] = ["DescribeLogStreams", "FilterLogEvents"];

/// Those about a stream of a group, by their names.
const ABOUT_STREAMS: [&str; 2] = ["DeleteLogStream", "PutLogEvents"];

/// Those about a stream of a group, which goes by its name or ARN.
const ABOUT_STREAMS_OF_IDENTIFIED: [&str; 1] = ["GetLogEvents"];

pub(super) fn of(operation: &str, fields: &Fields<'_>, caller: &Caller) -> Vec<Resource> {
    let is = |table: &[&str]| table.contains(&operation);
    let named = || in_logs(caller, &fields.text("logGroupName").unwrap_or_default());
    let identified = || match fields.text("logGroupName") {
        Some(name) => in_logs(caller, &name),
        None => by_identifier(
            caller,
            fields.text("logGroupIdentifier").unwrap_or_default(),
        ),
    };
    if is(&ABOUT_GROUPS) {
        vec![group(named())]
    } else if is(&ABOUT_IDENTIFIED_GROUPS) {
        vec![group(identified())]
    } else if is(&ABOUT_STREAMS) {
        vec![stream(&named(), fields)]
    } else if is(&ABOUT_STREAMS_OF_IDENTIFIED) {
        vec![stream(&identified(), fields)]
    } else if is(&ABOUT_ALL_GROUPS) {
        vec![group(in_logs(caller, ""))]
    } else if is(&ABOUT_TAGGED) {
        let arn = fields.text("resourceArn").unwrap_or_default();
        vec![group(by_identifier(caller, arn))]
    } else if is(&ABOUT_SEVERAL_GROUPS) {
        let identifiers = fields.texts("logGroupIdentifiers").into_iter();
        identifiers
            .map(|identifier| group(by_identifier(caller, identifier)))
            .collect()
    } else {
        vec![Resource::all()]
    }
}

fn in_logs(caller: &Caller, group: &str) -> String {
    let resource = format!("log-group:{group}");
    Arn::new("logs", &caller.region, &caller.account, resource).to_string()
}

/// The group that an identifier means. What it means is in partition `aws`, whatever it says.
fn by_identifier(caller: &Caller, identifier: String) -> String {
    match identifier.parse::<Arn>() {
        Ok(arn) => {
            let resource = arn.resource.strip_suffix(":*").unwrap_or(&arn.resource);
            Arn::new(&arn.service, &arn.region, &arn.account, resource).to_string()
        }
        // The operation will say that this is no ARN.
        Err(_) if identifier.starts_with("arn:") => identifier,
        Err(_) => in_logs(caller, &identifier),
    }
}

/// Messages name a group as if it were all of its streams; policies name it by either form.
fn group(arn: String) -> Resource {
    Resource {
        arn: format!("{arn}:log-stream:"),
        also: vec![arn],
    }
}

fn stream(group: &str, fields: &Fields<'_>) -> Resource {
    let stream = fields.text("logStreamName").unwrap_or_default();
    Resource::new(format!("{group}:log-stream:{stream}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::resource::tests::{assert_complete, caller};
    use bytes::Bytes;
    use http::Request as HttpRequest;
    use wire::Service;
    use wire::protocol::Request;
    use wire::route::Labels;

    fn of_logs(operation: &str, body: &str) -> Vec<Resource> {
        let parts = HttpRequest::new(()).into_parts().0;
        let request = Request {
            parts: &parts,
            labels: Labels::default(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        of(
            operation,
            &Fields::of(Service::Logs, &request, true),
            &caller(),
        )
    }

    #[test]
    fn log_groups_go_by_two_forms_and_streams_by_one() {
        let group = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/f";
        let found = of_logs(
            "CreateLogStream",
            r#"{"logGroupName": "/aws/lambda/f", "logStreamName": "s"}"#,
        );
        assert_eq!(found[0].arn, format!("{group}:log-stream:"));
        assert_eq!(found[0].also, [group]);
        let found = of_logs(
            "PutLogEvents",
            r#"{"logGroupName": "/aws/lambda/f", "logStreamName": "s"}"#,
        );
        assert_eq!(found[0].arn, format!("{group}:log-stream:s"));
        let found = of_logs(
            "StartLiveTail",
            r#"{"logGroupIdentifiers": ["arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/f:*", "b"]}"#,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].also, [group]);
    }

    #[test]
    fn an_arn_of_another_partition_is_the_same_group() {
        let secret = "arn:aws:logs:eu-west-1:111122223333:log-group:secret";
        let elsewhere = "arn:aws-cn:logs:eu-west-1:111122223333:log-group:secret";
        for (operation, body) in [
            (
                "FilterLogEvents",
                format!(r#"{{"logGroupIdentifier": "{elsewhere}"}}"#),
            ),
            (
                "StartLiveTail",
                format!(r#"{{"logGroupIdentifiers": ["{elsewhere}:*"]}}"#),
            ),
            (
                "TagResource",
                format!(r#"{{"resourceArn": "{elsewhere}"}}"#),
            ),
        ] {
            assert_eq!(of_logs(operation, &body)[0].also, [secret], "{operation}");
        }
    }

    #[test]
    fn a_member_that_the_operation_does_not_have_says_nothing() {
        let all = of_logs("DescribeLogGroups", "{}");
        let body = r#"{"logGroupName": "mine", "resourceArn": "arn:aws:logs:::log-group:mine"}"#;
        assert_eq!(of_logs("DescribeLogGroups", body), all);
        let body = r#"{"logGroupName": "mine", "logGroupIdentifier": "other"}"#;
        assert_eq!(
            of_logs("DeleteLogGroup", body),
            of_logs("DeleteLogGroup", r#"{"logGroupName": "mine"}"#)
        );
    }

    /// All others, which are about no resource.
    const ABOUT_NONE: [&str; 1] = ["TestMetricFilter"];

    #[test]
    fn every_operation_stands_in_one_table() {
        let tables: [&[&str]; 8] = [
            &ABOUT_NONE,
            &ABOUT_ALL_GROUPS,
            &ABOUT_TAGGED,
            &ABOUT_SEVERAL_GROUPS,
            &ABOUT_GROUPS,
            &ABOUT_IDENTIFIED_GROUPS,
            &ABOUT_STREAMS,
            &ABOUT_STREAMS_OF_IDENTIFIED,
        ];
        assert_complete(Service::Logs, &tables);
    }
}
