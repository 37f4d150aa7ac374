//! Groups: made, listed, deleted, and for how long they keep events.

use wire::logs::{
    CreateLogGroupRequest, DeleteLogGroupRequest, DeleteRetentionPolicyRequest,
    DescribeLogGroupsRequest, DescribeLogGroupsResponse, ListLogGroupsRequest,
    ListLogGroupsResponse, LogGroup, LogGroupClass, LogGroupSummary, PutRetentionPolicyRequest,
    TagFilter,
};
use wire::{Caller, ServiceError};

use super::names::{identified, named};
use crate::archive::groups::{self, GroupKey, GroupRow, NewGroup};
use crate::error::invalid;
use crate::service::Inner;
use crate::token;

/// For how many days a group may keep its events.
const RETENTIONS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// How many groups a page holds where the caller does not say.
const DEFAULT_PAGE: usize = 50;

/// For how many days a group of the class `DELIVERY` keeps its events, which nobody can change.
const DELIVERY_RETENTION: i64 = 2;

/// A page of groups, and where the next one goes on.
type Listed = (Vec<GroupRow>, Option<String>);

impl Inner {
    pub(crate) async fn create_log_group(
        &self,
        caller: &Caller,
        input: CreateLogGroupRequest,
    ) -> Result<(), ServiceError> {
        let key = named(caller, input.log_group_name);
        if key.name.starts_with("aws/") {
            return Err(invalid(
                "Log groups starting with AWS/ are reserved for AWS.",
            ));
        }
        let class = input.log_group_class.unwrap_or(LogGroupClass::Standard);
        let group = NewGroup {
            retention: (class == LogGroupClass::Delivery).then_some(DELIVERY_RETENTION),
            class: class.as_str().to_owned(),
            kms_key: input.kms_key_id,
            protected: input.deletion_protection_enabled.unwrap_or_default(),
            tags: input.tags.unwrap_or_default(),
        };
        let now = self.now();
        self.write(move |connection| groups::create_group(connection, &key, &group, now))
            .await
    }

    pub(crate) async fn delete_log_group(
        &self,
        caller: &Caller,
        input: DeleteLogGroupRequest,
    ) -> Result<(), ServiceError> {
        let key = named(caller, input.log_group_name);
        self.write(move |connection| groups::delete_group(connection, &key))
            .await?;
        self.deleted.notify_one();
        Ok(())
    }

    pub(crate) async fn describe_log_groups(
        &self,
        caller: &Caller,
        input: DescribeLogGroupsRequest,
    ) -> Result<DescribeLogGroupsResponse, ServiceError> {
        if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
            return Err(invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let identifiers = input.log_group_identifiers.unwrap_or_default();
        let only = identifiers
            .iter()
            .map(|identifier| identified(caller, identifier).map(|key| key.name))
            .collect::<Result<Vec<_>, _>>()?;
        let pattern = input.log_group_name_pattern.unwrap_or_default();
        let class = input.log_group_class;
        let wanted = move |group: &GroupRow| {
            group.name.contains(&pattern)
                && class
                    .as_ref()
                    .is_none_or(|class| class.as_str() == group.class)
                && (only.is_empty() || only.contains(&group.name))
        };
        let prefix = input.log_group_name_prefix.unwrap_or_default();
        let (groups, next_token) = self
            .groups(caller, prefix, input.next_token, input.limit, wanted)
            .await?;
        Ok(DescribeLogGroupsResponse {
            log_groups: Some(groups.into_iter().map(|row| group(caller, row)).collect()),
            next_token,
        })
    }

    pub(crate) async fn list_log_groups(
        &self,
        caller: &Caller,
        input: ListLogGroupsRequest,
    ) -> Result<ListLogGroupsResponse, ServiceError> {
        let patterns = input.log_group_name_pattern.unwrap_or_default();
        let patterns: Vec<String> = patterns.split('|').map(str::to_owned).collect();
        let class = input.log_group_class;
        // Nobody indexes fields here, nor knows a data source: no group has any.
        let none = input.data_sources.is_some() || input.field_index_names.is_some();
        let tags = input.log_group_tags.unwrap_or_default();
        let wanted = move |group: &GroupRow| {
            !none
                && patterns
                    .iter()
                    .any(|pattern| match pattern.strip_prefix('^') {
                        Some(start) => group.name.starts_with(start),
                        None => group.name.contains(pattern.as_str()),
                    })
                && class
                    .as_ref()
                    .is_none_or(|class| class.as_str() == group.class)
        };
        let (mut groups, next_token) = self
            .groups(caller, String::new(), input.next_token, input.limit, wanted)
            .await?;
        if !tags.is_empty() {
            groups = self.tagged(groups, tags).await?;
        }
        let summaries = groups.into_iter().map(|row| LogGroupSummary {
            log_group_arn: Some(named(caller, Some(row.name.clone())).arn()),
            log_group_name: Some(row.name),
            log_group_class: Some(row.class.into()),
        });
        Ok(ListLogGroupsResponse {
            log_groups: Some(summaries.collect()),
            next_token,
        })
    }

    async fn groups(
        &self,
        caller: &Caller,
        prefix: String,
        token: Option<String>,
        limit: Option<i32>,
        wanted: impl Fn(&GroupRow) -> bool + Send + 'static,
    ) -> Result<Listed, ServiceError> {
        let after = token.as_deref().map(token::name).transpose()?;
        let limit = page_size(limit, DEFAULT_PAGE);
        let GroupKey {
            account, region, ..
        } = named(caller, None);
        let listed = self.read(move |connection| {
            let after = after.as_deref();
            groups::list_groups(connection, &account, &region, &prefix, after, limit, wanted)
        });
        let (groups, more) = listed.await?;
        let last = groups.last().filter(|_| more);
        let next = last.map(|group| token::of_name(&group.name));
        Ok((groups, next))
    }

    /// Those of `groups` whose tags are as every one of `filters` wants them.
    async fn tagged(
        &self,
        groups: Vec<GroupRow>,
        filters: Vec<TagFilter>,
    ) -> Result<Vec<GroupRow>, ServiceError> {
        self.read(move |connection| {
            let mut kept = Vec::new();
            for group in groups {
                let tags = groups::tags_of(connection, group.id)?;
                let wanted = |filter: &TagFilter| {
                    let key = filter.key.as_deref().unwrap_or_default();
                    fits(filter, tags.get(key).map(String::as_str))
                };
                if filters.iter().all(wanted) {
                    kept.push(group);
                }
            }
            Ok(kept)
        })
        .await
    }

    pub(crate) async fn put_retention_policy(
        &self,
        caller: &Caller,
        input: PutRetentionPolicyRequest,
    ) -> Result<(), ServiceError> {
        let days = input.retention_in_days.unwrap_or_default();
        if !RETENTIONS.contains(&days) {
            let valid = RETENTIONS.map(|days| days.to_string()).join(", ");
            return Err(invalid(format!(
                "Invalid retention value. Valid values are: [{valid}]"
            )));
        }
        let key = named(caller, input.log_group_name);
        self.retain(key, Some(days.into())).await
    }

    pub(crate) async fn delete_retention_policy(
        &self,
        caller: &Caller,
        input: DeleteRetentionPolicyRequest,
    ) -> Result<(), ServiceError> {
        self.retain(named(caller, input.log_group_name), None).await
    }

    async fn retain(&self, key: GroupKey, days: Option<i64>) -> Result<(), ServiceError> {
        self.write(move |connection| groups::set_retention(connection, &key, days))
            .await?;
        self.deleted.notify_one();
        Ok(())
    }
}

/// The number of items that a page holds; the model's constraints keep it positive.
pub(super) fn page_size(asked: Option<i32>, default: usize) -> usize {
    asked
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(default)
}

/// Whether a tag's value is as `filter` wants it: one of its values, each of which may be turned
/// around by `!` and open at its ends by `*`; without values the tag has to be there.
fn fits(filter: &TagFilter, value: Option<&str>) -> bool {
    let Some(wanted) = filter.values.as_ref().filter(|values| !values.is_empty()) else {
        return value.is_some();
    };
    wanted.iter().any(|wanted| {
        let (negated, wanted) = match wanted.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, wanted.as_str()),
        };
        let matched = value.is_some_and(|value| {
            let open = (
                wanted.starts_with('*'),
                wanted.len() > 1 && wanted.ends_with('*'),
            );
            let inner = wanted.trim_matches('*');
            match open {
                (false, false) => value == wanted,
                (true, false) => value.ends_with(inner),
                (false, true) => value.starts_with(inner),
                (true, true) => value.contains(inner),
            }
        });
        matched != negated
    })
}

fn group(caller: &Caller, row: GroupRow) -> LogGroup {
    let key = named(caller, Some(row.name));
    LogGroup {
        creation_time: Some(row.created),
        retention_in_days: row.retention.and_then(|days| days.try_into().ok()),
        metric_filter_count: Some(0),
        arn: Some(key.arn_with_content()),
        log_group_arn: Some(key.arn()),
        log_group_name: Some(key.name),
        stored_bytes: Some(row.bytes),
        kms_key_id: row.kms_key,
        log_group_class: Some(row.class.into()),
        deletion_protection_enabled: Some(row.protected),
        ..LogGroup::default()
    }
}
