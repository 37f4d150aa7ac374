//! Queues.

use ids::Arn;
use wire::Call;
use wire::sqs::SendMessageRequest;

/// The queue that a call is about, by its URL, which ends with account and name.
pub(super) fn of_call(call: &Call) -> Option<String> {
    let input = call.input.downcast_ref::<SendMessageRequest>()?;
    let mut parts = input.queue_url.rsplit('/');
    let (name, account) = (parts.next()?, parts.next()?);
    Some(Arn::new("sqs", &call.caller.region, account, name.to_owned()).to_string())
}

#[cfg(test)]
mod tests {
    use wire::sqs::SendMessage;

    use super::super::tests::caller;
    use super::*;

    #[test]
    fn a_queue_is_named_by_its_url() {
        let input = SendMessageRequest {
            queue_url: "https://sqs.eu-west-1.amazonaws.com/444455556666/jobs".to_owned(),
            ..SendMessageRequest::default()
        };
        let call = Call::new::<SendMessage>(caller(), input);
        assert_eq!(
            of_call(&call).as_deref(),
            Some("arn:aws:sqs:eu-west-1:444455556666:jobs")
        );
    }
}
