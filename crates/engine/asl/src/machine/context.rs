//! What of the context object comes from where a track is.

use std::sync::Arc;

use super::Execution;
use super::track::{Home, Track};
use crate::context::{self, Context, Item};
use crate::definition::{Kind, State};
use crate::value::Value;

/// What of the context object only one place of a state sees.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    /// `Task.Token`.
    pub(super) token: Option<Arc<str>>,
    /// `Map.Item`: the item that a selector is evaluated for.
    pub(super) item: Option<(usize, Value)>,
}

/// What an execution tells all of its states.
pub(super) fn of_execution(execution: &Execution) -> Context {
    let info = &execution.info;
    let told = context::Execution {
        id: &info.id,
        input: &execution.input,
        name: &info.name,
        role_arn: &info.role_arn,
        start_time: execution.started.into(),
        redrive_count: Some(execution.redrives),
        redrive_time: None,
    };
    Context::new(&told, (&info.machine_id, &info.machine_name))
}

/// The whole object as a track's state sees it.
pub(super) fn of_track(
    context: &Context,
    execution: &Execution,
    track: &Track,
    state: &State,
    extra: &Extra,
) -> Value {
    let item = item(execution, track, extra);
    let retries: u64 = track.attempts.iter().sum();
    context.of_state(&context::State {
        name: &state.name,
        entered: track.entered_at.into(),
        // States that cannot be tried again have no count.
        retry_count: matches!(state.kind, Kind::Task(_) | Kind::Map(_) | Kind::Parallel(_))
            .then(|| u32::try_from(retries).unwrap_or(u32::MAX)),
        task_token: extra.token.as_deref(),
        item: item.as_ref(),
    })
}

/// The item of the nearest iteration around a track.
fn item(execution: &Execution, track: &Track, extra: &Extra) -> Option<Item> {
    let of = |index, value: &Value| {
        Some(Item {
            index,
            value: value.clone(),
            key: None,
            source: None,
        })
    };
    if let Some((index, value)) = &extra.item {
        return of(*index, value);
    }
    let mut home = &track.home;
    loop {
        match home {
            Home::Main => return None,
            Home::Iteration { index, item, .. } => return of(*index, item),
            Home::Branch { parent, .. } => home = &execution.tracks.get(*parent)?.home,
        }
    }
}
