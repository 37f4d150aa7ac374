//! Tasks that move dead letters back.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ids::{Arn, RequestId};
use serde::{Deserialize, Serialize};
use wire::sqs::{
    CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult, ListMessageMoveTasksRequest,
    ListMessageMoveTasksResult, ListMessageMoveTasksResultEntry, StartMessageMoveTaskRequest,
    StartMessageMoveTaskResult,
};
use wire::{Caller, ServiceError};

use crate::definition::QueueKey;
use crate::error::{JournalError, invalid, not_found, out_of_range};
use crate::journal::tasks::{self, Status, Task};
use crate::queue::Queue;
use crate::redrive;
use crate::service::Inner;

/// How many messages a second a task may be told to move.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>.
const MAX_RATE: i32 = 500;

/// A task as its handle tells it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskHandle {
    task_id: String,
    source_arn: String,
}

impl Inner {
    pub(crate) async fn start_message_move_task(
        self: &Arc<Self>,
        caller: &Caller,
        input: StartMessageMoveTaskRequest,
    ) -> Result<StartMessageMoveTaskResult, ServiceError> {
        let source = self.queue_of_arn(input.source_arn.as_deref(), "SourceArn")?;
        self.authorize(caller, &source, "StartMessageMoveTask")?;
        if self.registry.sources(&source.key).is_empty() {
            return Err(invalid(
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        if let Some(destination) = input.destination_arn.as_deref() {
            let target = self.queue_of_arn(Some(destination), "DestinationArn")?;
            if target.key.is_fifo() != source.key.is_fifo() {
                return Err(invalid(
                    "Source and destination must be queues of one type.",
                ));
            }
        }
        let rate = input.max_number_of_messages_per_second;
        if let Some(rate) = rate.filter(|rate| !(1..=MAX_RATE).contains(rate)) {
            let range = "Must be between 1 and 500, if provided.";
            return Err(out_of_range(rate, "MaxNumberOfMessagesPerSecond", range));
        }
        self.look_at_delayed(&source).await?;
        let now = self.now();
        let (total, upto) = {
            let mut state = source.state.lock();
            (state.counts(now).0, state.last())
        };
        let task = Task {
            id: RequestId::draw(&*self.entropy).to_string(),
            source: source.key.arn(),
            destination: input.destination_arn,
            rate,
            status: Status::Running,
            moved: 0,
            total,
            upto,
            started: now,
            failure: None,
        };
        let handle = handle_of(&task);
        let written = task.clone();
        let added: Result<bool, JournalError> =
            self.store.write(move |c| tasks::add(c, &written)).await;
        if !added? {
            return Err(invalid(
                "There is already a task running. Only one active task is allowed for a source \
                 queue arn at a given time.",
            ));
        }
        tokio::spawn(redrive::run(Arc::downgrade(self), task));
        Ok(StartMessageMoveTaskResult {
            task_handle: Some(handle),
        })
    }

    pub(crate) async fn cancel_message_move_task(
        self: &Arc<Self>,
        caller: &Caller,
        input: CancelMessageMoveTaskRequest,
    ) -> Result<CancelMessageMoveTaskResult, ServiceError> {
        let text = input.task_handle.unwrap_or_default();
        let handle = read_handle(&text)
            .ok_or_else(|| invalid("Value for parameter TaskHandle is invalid."))?;
        let source = self.queue_of_arn(Some(&handle.source_arn), "SourceArn")?;
        self.authorize(caller, &source, "CancelMessageMoveTask")?;
        let id = handle.task_id;
        let cancelled: Result<_, JournalError> = self
            .store
            .write(move |c| {
                let was_running = tasks::end(c, &id, Status::Cancelled, None)?;
                Ok((was_running, tasks::find(c, &id)?))
            })
            .await;
        match cancelled? {
            (true, Some(task)) => Ok(CancelMessageMoveTaskResult {
                approximate_number_of_messages_moved: Some(task.moved),
            }),
            (_, Some(_)) => Err(invalid("Only a task that is running can be cancelled.")),
            (_, None) => Err(not_found("Task does not exist.")),
        }
    }

    pub(crate) async fn list_message_move_tasks(
        self: &Arc<Self>,
        caller: &Caller,
        input: ListMessageMoveTasksRequest,
    ) -> Result<ListMessageMoveTasksResult, ServiceError> {
        let source = self.queue_of_arn(input.source_arn.as_deref(), "SourceArn")?;
        self.authorize(caller, &source, "ListMessageMoveTasks")?;
        let limit = input.max_results.unwrap_or(1);
        if !(1..=10).contains(&limit) {
            let range = "Must be between 1 and 10, if provided.";
            return Err(out_of_range(limit, "MaxResults", range));
        }
        let arn = source.key.arn();
        let tasks: Result<Vec<Task>, JournalError> = self
            .store
            .read(move |c| tasks::of_source(c, &arn, limit))
            .await;
        let results = tasks?.into_iter().map(entry).collect();
        Ok(ListMessageMoveTasksResult {
            results: Some(results),
        })
    }

    fn queue_of_arn(&self, arn: Option<&str>, parameter: &str) -> Result<Arc<Queue>, ServiceError> {
        let arn: Option<Arn> = arn.and_then(|arn| arn.parse().ok());
        let arn = arn.filter(|arn| arn.service == "sqs").ok_or_else(|| {
            invalid(format!(
                "You must use this format to specify the {parameter}: \
                 arn:<partition>:sqs:<region>:<account-id>:<queue-name>"
            ))
        })?;
        self.registry.find(&QueueKey::of_arn(&arn)).ok_or_else(|| {
            not_found(format!(
                "The resource that you specified for the {parameter} parameter doesn't exist."
            ))
        })
    }
}

fn entry(task: Task) -> ListMessageMoveTasksResultEntry {
    let is_running = task.status == Status::Running;
    ListMessageMoveTasksResultEntry {
        task_handle: is_running.then(|| handle_of(&task)),
        status: Some(task.status.as_str().to_owned()),
        source_arn: Some(task.source),
        destination_arn: task.destination,
        max_number_of_messages_per_second: task.rate,
        approximate_number_of_messages_moved: Some(task.moved),
        approximate_number_of_messages_to_move: Some(task.total),
        failure_reason: task.failure,
        started_timestamp: Some(task.started),
    }
}

fn handle_of(task: &Task) -> String {
    let handle = TaskHandle {
        task_id: task.id.clone(),
        source_arn: task.source.clone(),
    };
    STANDARD.encode(serde_json::to_vec(&handle).unwrap_or_default())
}

/// The ARN of the queue whose dead letters a task moves, by the task's handle.
#[must_use]
pub fn source_of_task(handle: &str) -> Option<String> {
    read_handle(handle).map(|handle| handle.source_arn)
}

fn read_handle(text: &str) -> Option<TaskHandle> {
    serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
}
