//! Live tail, begun.

use std::sync::Arc;

use ids::RequestId;
use wire::logs::{LiveTailSessionStart, StartLiveTailRequest, StartLiveTailResponse};
use wire::{Caller, EventStream, ServiceError};

use super::names::of_arn;
use crate::archive::groups::group_id;
use crate::error::invalid;
use crate::filter::FilterPattern;
use crate::service::Inner;
use crate::tail::Watched;

impl Inner {
    pub(crate) async fn start_live_tail(
        &self,
        caller: &Caller,
        input: StartLiveTailRequest,
    ) -> Result<StartLiveTailResponse, ServiceError> {
        let identifiers = input.log_group_identifiers.unwrap_or_default();
        let groups = identifiers
            .iter()
            .map(|identifier| of_arn(caller, identifier))
            .collect::<Result<Vec<_>, _>>()?;
        let narrowed = input.log_stream_names.is_some() || input.log_stream_name_prefixes.is_some();
        if narrowed && groups.len() > 1 {
            return Err(invalid(
                "logStreamNames and logStreamNamePrefixes can be given for a single log group only.",
            ));
        }
        if input.log_stream_names.is_some() && input.log_stream_name_prefixes.is_some() {
            return Err(invalid(
                "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.",
            ));
        }
        let pattern = input
            .log_event_filter_pattern
            .as_deref()
            .unwrap_or_default();
        let pattern = FilterPattern::parse(pattern)?;
        let keys = groups.clone();
        self.read(move |connection| {
            keys.iter()
                .try_for_each(|key| group_id(connection, key).map(drop))
        })
        .await?;
        let start = LiveTailSessionStart {
            request_id: Some(caller.request_id.to_string()),
            session_id: Some(RequestId::draw(&*self.entropy).to_string()),
            log_group_identifiers: Some(identifiers),
            log_stream_names: Some(input.log_stream_names.clone().unwrap_or_default()),
            log_stream_name_prefixes: Some(
                input.log_stream_name_prefixes.clone().unwrap_or_default(),
            ),
            log_event_filter_pattern: input.log_event_filter_pattern,
        };
        let watched = Watched {
            groups,
            names: input.log_stream_names,
            prefixes: input.log_stream_name_prefixes,
            pattern,
        };
        let events = self.tails.open(watched, start, Arc::clone(&self.clock))?;
        Ok(StartLiveTailResponse {
            response_stream: Some(EventStream::new(events)),
        })
    }
}
