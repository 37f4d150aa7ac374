//! The search of a group, and filter patterns tried out.

use wire::logs::{
    FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent, MetricFilterMatchRecord,
    TestMetricFilterRequest, TestMetricFilterResponse,
};
use wire::{Caller, ServiceError};

use super::groups::page_size;
use super::names::either;
use super::read::DEFAULT_PAGE;
use crate::archive::page::{Direction, Span};
use crate::archive::scan::{Found, Search, Streams, search};
use crate::error::invalid;
use crate::filter::FilterPattern;
use crate::service::Inner;
use crate::token;

/// From when on events can be listed from new to old: 2024-01-01, in milliseconds since the epoch.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>.
const DESCENDING_FROM: i64 = 1_704_067_200_000;

impl Inner {
    pub(crate) async fn filter_log_events(
        &self,
        caller: &Caller,
        input: FilterLogEventsRequest,
    ) -> Result<FilterLogEventsResponse, ServiceError> {
        let identifier = input.log_group_identifier.as_deref();
        let group = either(caller, input.log_group_name, identifier)?;
        let streams = match (input.log_stream_names, input.log_stream_name_prefix) {
            (None, None) => Streams::All,
            (Some(names), None) => Streams::Named(names),
            (None, Some(prefix)) => Streams::Prefix(prefix),
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "Must specify either LogStreamNames or LogStreamNamePrefix, not both.",
                ));
            }
        };
        if input.start_from_head == Some(false)
            && input.start_time.is_some_and(|at| at < DESCENDING_FROM)
        {
            return Err(invalid(
                "startFromHead can be false only where startTime is on or after Jan 1, 2024 00:00:00 \
                 UTC.",
            ));
        }
        let from = input
            .next_token
            .as_deref()
            .map(token::position)
            .transpose()?;
        let direction = match (from, input.start_from_head) {
            (Some((direction, _)), _) => direction,
            (None, Some(false)) => Direction::Backward,
            (None, _) => Direction::Forward,
        };
        let wanted = Search {
            group,
            streams,
            span: Span {
                start: input.start_time.unwrap_or(0),
                // Unlike that of GetLogEvents, this end belongs to the span.
                end: input.end_time.map_or(i64::MAX, |end| end.saturating_add(1)),
            },
            pattern: FilterPattern::parse(&input.filter_pattern.unwrap_or_default())?,
            direction,
            from: from.map(|(_, position)| position),
            limit: page_size(input.limit, DEFAULT_PAGE),
        };
        let now = self.now();
        let page = self
            .read(move |connection| search(connection, &wanted, now))
            .await?;
        Ok(FilterLogEventsResponse {
            events: Some(page.events.into_iter().map(output).collect()),
            // AWS has not filled it since 2020.
            searched_log_streams: Some(Vec::new()),
            next_token: page.next.map(|next| token::of_position(direction, next)),
        })
    }

    #[expect(clippy::unused_async, reason = "the API's form")]
    pub(crate) async fn test_metric_filter(
        &self,
        _caller: &Caller,
        input: TestMetricFilterRequest,
    ) -> Result<TestMetricFilterResponse, ServiceError> {
        let pattern = FilterPattern::parse(&input.filter_pattern.unwrap_or_default())?;
        let messages = input.log_event_messages.unwrap_or_default();
        let matches = (1..).zip(messages).filter_map(|(number, message)| {
            let values = pattern.extract(&message)?;
            Some(MetricFilterMatchRecord {
                event_number: Some(number),
                event_message: Some(message),
                extracted_values: Some(values),
            })
        });
        Ok(TestMetricFilterResponse {
            matches: Some(matches.collect()),
        })
    }
}

fn output(found: Found) -> FilteredLogEvent {
    let Found { stream, event } = found;
    FilteredLogEvent {
        log_stream_name: Some(stream),
        timestamp: Some(event.position.time),
        message: Some(event.message),
        ingestion_time: Some(event.ingested),
        event_id: Some(token::event_id(event.position)),
    }
}
