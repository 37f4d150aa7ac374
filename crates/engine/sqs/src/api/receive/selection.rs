//! Which attributes of messages somebody wants to see.

use std::collections::{BTreeMap, BTreeSet};

use wire::sqs::{Message, MessageSystemAttributeName as System, QueueAttributeName};
use wire::{ServiceError, StringEnum};

use crate::attribute::unknown;
use crate::digest;
use crate::message::{self, Attributes, Content};
use crate::queue::Received;

/// What of a message goes into an answer.
#[derive(Debug)]
pub(super) struct Selection {
    system: BTreeSet<String>,
    /// As they were given: names, `All`, `.*` and prefixes with `.*`.
    names: Vec<String>,
}

const ALL: &str = "All";

impl Selection {
    /// Reads the lists of a request, of which the first two mean the same.
    ///
    /// # Errors
    /// 400 for a system attribute that there is not.
    pub(super) fn read(
        attributes: Option<Vec<QueueAttributeName>>,
        system: Option<Vec<System>>,
        names: Option<Vec<String>>,
    ) -> Result<Self, ServiceError> {
        let attributes = attributes.unwrap_or_default();
        let system = system.unwrap_or_default();
        let attributes = attributes.iter().map(QueueAttributeName::as_str);
        let wanted: BTreeSet<String> = attributes
            .chain(system.iter().map(System::as_str))
            .map(str::to_owned)
            .collect();
        let is_known = |name: &&String| System::from(name.as_str()).is_known();
        if let Some(name) = wanted.iter().find(|name| !is_known(name)) {
            return Err(unknown(name));
        }
        Ok(Self {
            system: wanted,
            names: names.unwrap_or_default(),
        })
    }

    /// A message as its receiver gets it.
    pub(super) fn message(&self, received: &Received, content: &Content, fifo: bool) -> Message {
        let chosen = self.chosen(&content.attributes);
        let system = self.system(received, content, fifo);
        Message {
            message_id: Some(content.id.clone()),
            receipt_handle: Some(received.handle.write()),
            md5_of_body: Some(digest::of_body(&content.body)),
            body: Some(content.body.clone()),
            attributes: (!system.is_empty()).then_some(system),
            md5_of_message_attributes: chosen.as_ref().and_then(message::digest_of),
            message_attributes: chosen,
        }
    }

    /// The message's own attributes that are wanted; `None` where nobody asks or it has none.
    fn chosen(&self, attributes: &Attributes) -> Option<Attributes> {
        if self.names.is_empty() || attributes.is_empty() {
            return None;
        }
        let is_wanted = |name: &str| {
            self.names.iter().any(|wanted| match wanted.as_str() {
                ALL | ".*" | "*" => true,
                wanted => match wanted.strip_suffix(".*") {
                    Some(prefix) => name.starts_with(prefix),
                    None => name == wanted,
                },
            })
        };
        let chosen = attributes.iter().filter(|(name, _)| is_wanted(name));
        Some(
            chosen
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    fn system(
        &self,
        received: &Received,
        content: &Content,
        fifo: bool,
    ) -> BTreeMap<String, String> {
        if self.system.is_empty() {
            return BTreeMap::new();
        }
        let all = self.system.contains(ALL);
        let number = fifo.then(|| received.handle.seq.sequence_number());
        [
            (System::SenderId, Some(content.sender.clone())),
            (System::SentTimestamp, Some(content.sent.to_string())),
            (
                System::ApproximateReceiveCount,
                Some(received.receives.to_string()),
            ),
            (
                System::ApproximateFirstReceiveTimestamp,
                Some(received.first.to_string()),
            ),
            (System::SequenceNumber, number),
            (
                System::MessageDeduplicationId,
                content.deduplication.clone(),
            ),
            (
                System::MessageGroupId,
                content.group.as_deref().map(str::to_owned),
            ),
            (System::AWSTraceHeader, content.trace.clone()),
            (System::DeadLetterQueueSourceArn, content.source.clone()),
        ]
        .into_iter()
        .filter(|(name, _)| all || self.system.contains(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::sqs::MessageAttributeValue;

    fn chosen(names: &[&str]) -> Option<Vec<String>> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection::read(None, None, Some(names)).unwrap();
        let attributes = ["General", "Hello", "Help.Me"].map(|name| {
            let value = MessageAttributeValue::default();
            (name.to_owned(), value)
        });
        let chosen = selection.chosen(&Attributes::from(attributes))?;
        Some(chosen.into_keys().collect())
    }

    /// As AWS answered.
    #[test]
    fn attributes_are_chosen_by_name_and_prefix() {
        let all = ["General", "Hello", "Help.Me"].map(str::to_owned).to_vec();
        assert_eq!(chosen(&[]), None);
        for names in [["All"], [".*"], ["*"]] {
            assert_eq!(chosen(&names), Some(all.clone()), "{names:?}");
        }
        assert_eq!(chosen(&["Hello", "Foo"]).unwrap(), ["Hello"]);
        assert_eq!(chosen(&["Hel.*"]).unwrap(), ["Hello", "Help.Me"]);
        assert_eq!(chosen(&["Foo"]), Some(Vec::new()));
    }

    #[test]
    fn a_system_attribute_that_there_is_not_is_refused() {
        let names = vec![QueueAttributeName::from("Policy")];
        let error = Selection::read(Some(names), None, None).unwrap_err();
        assert_eq!(error.message.unwrap(), "Unknown Attribute Policy.");
    }
}
