//! Queues.

use ids::Arn;
use wire::sqs::{
    ChangeMessageVisibilityRequest, DeleteMessageBatchRequest, DeleteMessageRequest,
    GetQueueAttributesRequest, ReceiveMessageRequest, SendMessageBatchRequest, SendMessageRequest,
};
use wire::{Call, Caller};

use super::Resource;
use crate::auth::fields::Fields;

/// Operations about no queue in particular.
const ABOUT_ALL: [&str; 1] = ["ListQueues"];

/// Those about a queue, by its name in the caller's account or in another one.
const ABOUT_NAMED: [&str; 2] = ["CreateQueue", "GetQueueUrl"];

/// Those about a queue, by its ARN.
const ABOUT_SOURCE: [&str; 2] = ["ListMessageMoveTasks", "StartMessageMoveTask"];

/// Those about a task, whose handle tells its queue.
const ABOUT_TASKS: [&str; 1] = ["CancelMessageMoveTask"];

/// Those about a queue, by its URL.
const ABOUT_QUEUES: [&str; 17] = [
    "AddPermission",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "ListDeadLetterSourceQueues",
    "ListQueueTags",
    "PurgeQueue",
    "ReceiveMessage",
    "RemovePermission",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

pub(super) fn of(operation: &str, fields: &Fields<'_>, caller: &Caller) -> Resource {
    let is = |table: &[&str]| table.contains(&operation);
    let text = |name: &str| fields.text(name).unwrap_or_default();
    if is(&ABOUT_QUEUES) {
        Resource::new(by_url(caller, &text("QueueUrl")))
    } else if is(&ABOUT_NAMED) {
        // Who makes a queue makes his own, whatever else the request says.
        let owner = fields.text("QueueOwnerAWSAccountId");
        let owner = owner.filter(|_| operation == "GetQueueUrl");
        let owner = owner.as_deref().unwrap_or(&caller.account);
        Resource::new(queue(caller, owner, &text("QueueName")))
    } else if is(&ABOUT_SOURCE) {
        Resource::new(by_arn(text("SourceArn")))
    } else if is(&ABOUT_TASKS) {
        Resource::new(by_arn(
            sqs::source_of_task(&text("TaskHandle")).unwrap_or_default(),
        ))
    } else if is(&ABOUT_ALL) {
        Resource::new(queue(caller, &caller.account, ""))
    } else {
        Resource::all()
    }
}

/// The queue that a call is about.
pub(super) fn of_call(call: &Call) -> Option<String> {
    let url = |url: &Option<String>| url.clone().unwrap_or_default();
    let input = &call.input;
    macro_rules! url_of {
        ($($shape:ty),*) => {
            None$(.or_else(|| input.downcast_ref::<$shape>().map(|input| url(&input.queue_url))))*
        };
    }
    let url: Option<String> = url_of![
        SendMessageRequest,
        SendMessageBatchRequest,
        ReceiveMessageRequest,
        DeleteMessageRequest,
        DeleteMessageBatchRequest,
        ChangeMessageVisibilityRequest,
        GetQueueAttributesRequest
    ];
    Some(by_url(&call.caller, &url?))
}

/// The queue that a URL names by its last two parts, as the service itself reads it.
fn by_url(caller: &Caller, url: &str) -> String {
    let mut parts = url.trim_end_matches('/').rsplit('/');
    let (name, account) = (parts.next(), parts.next());
    queue(
        caller,
        account.unwrap_or_default(),
        name.unwrap_or_default(),
    )
}

/// What an ARN means is in partition `aws`, whatever it says.
fn by_arn(text: String) -> String {
    match text.parse::<Arn>() {
        Ok(arn) => Arn::new("sqs", &arn.region, &arn.account, arn.resource).to_string(),
        // The operation will say that this is no ARN.
        Err(_) => text,
    }
}

fn queue(caller: &Caller, account: &str, name: &str) -> String {
    Arn::new("sqs", &caller.region, account, name.to_owned()).to_string()
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
    use wire::sqs::operations::SendMessage;

    fn of_sqs(operation: &str, json: bool, body: &str) -> String {
        let mut request = HttpRequest::post("/");
        if json {
            request = request.header("x-amz-target", format!("AmazonSQS.{operation}"));
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let request = Request {
            parts: &parts,
            labels: Labels::default(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let fields = Fields::of(Service::Sqs, &request, true);
        of(operation, &fields, &caller()).arn
    }

    const JOBS: &str = "arn:aws:sqs:eu-west-1:444455556666:jobs";

    #[test]
    fn a_queue_is_named_by_its_url() {
        let input = SendMessageRequest {
            queue_url: Some("https://sqs.eu-west-1.amazonaws.com/444455556666/jobs".to_owned()),
            ..SendMessageRequest::default()
        };
        let call = Call::new::<SendMessage>(caller(), input);
        assert_eq!(of_call(&call).as_deref(), Some(JOBS));
        let body = r#"{"QueueUrl": "http://localhost/444455556666/jobs"}"#;
        assert_eq!(of_sqs("PurgeQueue", true, body), JOBS);
        let form = "Action=PurgeQueue&QueueUrl=http%3A%2F%2Flocalhost%2F444455556666%2Fjobs";
        assert_eq!(of_sqs("PurgeQueue", false, form), JOBS);
    }

    #[test]
    fn a_queue_is_named_by_its_name_or_arn() {
        assert_eq!(
            of_sqs(
                "CreateQueue",
                true,
                r#"{"QueueName": "jobs", "QueueOwnerAWSAccountId": "444455556666"}"#
            ),
            "arn:aws:sqs:eu-west-1:111122223333:jobs"
        );
        assert_eq!(
            of_sqs(
                "GetQueueUrl",
                true,
                r#"{"QueueName": "jobs", "QueueOwnerAWSAccountId": "444455556666"}"#
            ),
            JOBS
        );
        let elsewhere = r#"{"SourceArn": "arn:aws-cn:sqs:eu-west-1:444455556666:jobs"}"#;
        assert_eq!(of_sqs("StartMessageMoveTask", true, elsewhere), JOBS);
    }

    #[test]
    fn every_operation_stands_in_one_table() {
        let tables: [&[&str]; 5] = [
            &ABOUT_ALL,
            &ABOUT_NAMED,
            &ABOUT_SOURCE,
            &ABOUT_TASKS,
            &ABOUT_QUEUES,
        ];
        assert_complete(Service::Sqs, &tables);
    }
}
