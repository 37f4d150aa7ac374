//! Streams: made, listed and deleted.

use wire::logs::{
    CreateLogStreamRequest, DeleteLogStreamRequest, DescribeLogStreamsRequest,
    DescribeLogStreamsResponse, LogStream, OrderBy,
};
use wire::{Caller, ServiceError};

use super::groups::page_size;
use super::names::{either, named};
use crate::archive::groups::{GroupKey, group_id};
use crate::archive::streams::{self, StreamCursor, StreamOrder, StreamRow};
use crate::error::invalid;
use crate::service::Inner;
use crate::token;

/// How many streams a page holds where the caller does not say.
const DEFAULT_PAGE: usize = 50;

impl Inner {
    pub(crate) async fn create_log_stream(
        &self,
        caller: &Caller,
        input: CreateLogStreamRequest,
    ) -> Result<(), ServiceError> {
        let group = named(caller, input.log_group_name);
        let name = input.log_stream_name.unwrap_or_default();
        let now = self.now();
        self.write(move |connection| streams::create_stream(connection, &group, &name, now))
            .await
    }

    pub(crate) async fn delete_log_stream(
        &self,
        caller: &Caller,
        input: DeleteLogStreamRequest,
    ) -> Result<(), ServiceError> {
        let group = named(caller, input.log_group_name);
        let name = input.log_stream_name.unwrap_or_default();
        self.write(move |connection| streams::delete_stream(connection, &group, &name))
            .await?;
        self.deleted.notify_one();
        Ok(())
    }

    pub(crate) async fn describe_log_streams(
        &self,
        caller: &Caller,
        input: DescribeLogStreamsRequest,
    ) -> Result<DescribeLogStreamsResponse, ServiceError> {
        let identifier = input.log_group_identifier.as_deref();
        let group = either(caller, input.log_group_name, identifier)?;
        let order = match (input.order_by, input.log_stream_name_prefix) {
            (Some(OrderBy::LastEventTime), None) => StreamOrder::LastEvent,
            (Some(OrderBy::LastEventTime), Some(_)) => {
                return Err(invalid(
                    "Cannot order by LastEventTime with a logStreamNamePrefix.",
                ));
            }
            (_, prefix) => StreamOrder::Name {
                prefix: prefix.unwrap_or_default(),
            },
        };
        let after = input.next_token.as_deref().map(token::stream).transpose()?;
        let limit = page_size(input.limit, DEFAULT_PAGE);
        let descending = input.descending.unwrap_or_default();
        let key = group.clone();
        let listed = self.read(move |connection| {
            let group = group_id(connection, &key)?;
            let after = after.as_ref();
            streams::list_streams(connection, group, &order, descending, after, limit)
        });
        let (rows, more) = listed.await?;
        let next_token = rows.last().filter(|_| more).map(|row| {
            token::of_stream(&StreamCursor {
                last_event: row.last_event,
                name: row.name.clone(),
            })
        });
        Ok(DescribeLogStreamsResponse {
            log_streams: Some(rows.into_iter().map(|row| stream(&group, row)).collect()),
            next_token,
        })
    }
}

/// A sequence token: they are not needed any more, and always good.
pub(super) fn sequence_token(stream: i64) -> String {
    format!("49{stream:054}")
}

fn stream(group: &GroupKey, row: StreamRow) -> LogStream {
    LogStream {
        creation_time: Some(row.created),
        first_event_timestamp: row.first_event,
        last_event_timestamp: row.first_event.map(|_| row.last_event),
        last_ingestion_time: row.last_ingestion,
        upload_sequence_token: row.last_ingestion.map(|_| sequence_token(row.id)),
        arn: Some(group.stream_arn(&row.name)),
        log_stream_name: Some(row.name),
        // AWS has not counted it since 2019.
        stored_bytes: Some(0),
    }
}
