//! Task states: scheduling what is to be done, and what becomes of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::context::Extra;
use super::evaluate::{Evaluator, Trouble};
use super::flow::too_large;
use super::states::Begun;
use super::stepper::Stepper;
use super::track::{OpenTask, Stage, TrackId};
use super::{Command, MAX_PAYLOAD, TaskId};
use crate::definition::{Integration, Next, Pattern, Resource, State, Task};
use crate::history::{EventKind, Failure, Millis, Scheduled, TaskProgress, Worker};
use crate::value::Value;

/// A task that is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRequest {
    /// Under which its progress is signalled.
    pub id: TaskId,
    /// The state's name.
    pub state: Arc<str>,
    /// Who is to do it, and when it is done.
    pub resource: Resource,
    /// What it is to be done with.
    pub input: Value,
    /// The token by which it can be answered, where it is answered by one.
    pub token: Option<Arc<str>>,
    /// The role that is taken on for it.
    pub role_arn: Option<Arc<str>>,
    /// How long it may take.
    pub timeout_seconds: Option<u64>,
    /// How long it may be silent.
    pub heartbeat_seconds: Option<u64>,
}

/// What is heard of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskUpdate {
    /// It got on in a way that the history tells. A start that was not told is told before its end.
    Progress(TaskProgress),
    /// It is alive.
    Heartbeat,
}

/// So many seconds later.
pub(super) fn after(time: Millis, seconds: u64) -> Millis {
    let millis = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    Millis(time.0.saturating_add(millis))
}

impl Stepper<'_> {
    /// Has a task done.
    pub(super) fn schedule(
        &mut self,
        id: TrackId,
        state: &State,
        task: &Task,
    ) -> Result<Begun, Trouble> {
        let token = self.draw_token(&task.resource.integration);
        let extra = Extra {
            token: token.clone(),
            ..Extra::default()
        };
        let (input, timeout_seconds, heartbeat_seconds, role_arn) =
            self.evaluate(id, extra, |it| {
                let timeout = task
                    .timeout
                    .as_ref()
                    .map(|seconds| it.integer(seconds, "TimeoutSeconds"));
                let heartbeat = task
                    .heartbeat
                    .as_ref()
                    .map(|seconds| it.integer(seconds, "HeartbeatSeconds"));
                Ok((
                    it.arguments()?,
                    timeout.transpose()?,
                    heartbeat.transpose()?,
                    role(it, task)?,
                ))
            })?;
        if input.size() > MAX_PAYLOAD {
            return Err(too_large(&state.name));
        }
        let worker = worker(&task.resource.integration);
        let scheduled = Scheduled {
            worker: worker.clone(),
            resource: Arc::clone(&task.resource.text),
            region: self.region(&task.resource.text),
            input: input.clone(),
            timeout_seconds,
            heartbeat_seconds,
            role_arn: role_arn.clone(),
        };
        let number = self.event(id, EventKind::TaskScheduled(Box::new(scheduled)));
        if !self.running() {
            return Ok(Begun::Waits);
        }
        let now = self.now();
        let open = OpenTask {
            id: TaskId(number),
            worker,
            resource: Arc::clone(&task.resource.text),
            token: token.clone(),
            started: false,
            deadline: timeout_seconds.map(|seconds| after(now, seconds)),
            heartbeat_seconds,
            heartbeat_due: heartbeat_seconds.map(|seconds| after(now, seconds)),
        };
        self.set_stage(id, Stage::Task(Box::new(open)));
        self.command(Command::Schedule(Box::new(TaskRequest {
            id: TaskId(number),
            state: Arc::clone(&state.name),
            resource: task.resource.clone(),
            input,
            token,
            role_arn,
            timeout_seconds,
            heartbeat_seconds,
        })));
        Ok(Begun::Waits)
    }

    /// A token for a task that is answered by one.
    fn draw_token(&self, integration: &Integration) -> Option<Arc<str>> {
        let by_token = match integration {
            Integration::Activity => true,
            Integration::Service { pattern, .. } => *pattern == Pattern::WaitForTaskToken,
            _ => false,
        };
        let random = self.environment.random;
        by_token.then(|| format!("{:032x}{:032x}", random.bits(), random.bits()).into())
    }

    /// The region that a resource names, or the execution's.
    fn region(&self, resource: &str) -> Arc<str> {
        match resource.split(':').nth(3) {
            Some(region) if !region.is_empty() && !region.contains('$') => region.into(),
            _ => Arc::clone(&self.execution.info.region),
        }
    }

    /// Something is heard of a task.
    pub(super) fn task_update(&mut self, id: TaskId, update: TaskUpdate) {
        let now = self.now();
        let track = self
            .execution
            .tracks
            .iter()
            .find_map(|(track_id, track)| match &track.stage {
                Stage::Task(task) if task.id == id => Some(track_id),
                _ => None,
            });
        let Some(track) = track else {
            return;
        };
        let Some(Stage::Task(task)) = self.track_mut(track).map(|track| &mut track.stage) else {
            return;
        };
        match update {
            TaskUpdate::Heartbeat => {
                task.heartbeat_due = task.heartbeat_seconds.map(|seconds| after(now, seconds));
            }
            TaskUpdate::Progress(progress) => {
                let (worker, resource, started) = (
                    task.worker.clone(),
                    Arc::clone(&task.resource),
                    task.started,
                );
                task.started = true;
                // A worker's silence counts from when it has the task.
                if matches!(progress, TaskProgress::Started(_)) {
                    task.heartbeat_due = task.heartbeat_seconds.map(|seconds| after(now, seconds));
                }
                let begins = matches!(
                    progress,
                    TaskProgress::Started(_)
                        | TaskProgress::ScheduleFailed(_)
                        | TaskProgress::StartFailed(_)
                );
                if !started && !begins {
                    let progress = TaskProgress::Started(None);
                    self.event(
                        track,
                        EventKind::Task {
                            worker: worker.clone(),
                            progress,
                        },
                    );
                }
                self.progress(track, worker, &resource, progress);
            }
        }
    }

    fn progress(&mut self, id: TrackId, worker: Worker, resource: &str, progress: TaskProgress) {
        let of = match &worker {
            Worker::Service { resource_type, .. } => resource_type,
            _ => resource,
        };
        let large = |output: &Value| output.size() > MAX_PAYLOAD;
        let progress = match progress {
            TaskProgress::Succeeded(output) | TaskProgress::Submitted(output) if large(&output) => {
                TaskProgress::Failed(match too_large(of) {
                    Trouble::Whole(error, cause) => Failure::new(error, cause),
                    _ => Failure::named("States.DataLimitExceeded"),
                })
            }
            progress => progress,
        };
        self.event(
            id,
            EventKind::Task {
                worker,
                progress: progress.clone(),
            },
        );
        if !self.running() {
            return;
        }
        match progress {
            TaskProgress::Started(_) | TaskProgress::Submitted(_) => {}
            TaskProgress::Succeeded(output) => self.task_succeeded(id, output),
            TaskProgress::Failed(failure)
            | TaskProgress::TimedOut(failure)
            | TaskProgress::ScheduleFailed(failure)
            | TaskProgress::StartFailed(failure)
            | TaskProgress::SubmitFailed(failure) => {
                self.set_stage(id, Stage::Begun);
                self.failed(id, failure);
                self.wake_if_ready(id);
            }
        }
    }

    fn task_succeeded(&mut self, id: TrackId, output: Value) {
        self.set_stage(id, Stage::Begun);
        let next = self.state_of(id).map_or(Next::End, |state| state.next);
        match self.evaluate(id, Extra::default(), |it| it.exit(Some(output))) {
            Ok(exit) => self.exit(id, exit, next),
            Err(trouble) => self.in_trouble(id, trouble),
        }
        self.wake_if_ready(id);
    }

    /// Has a track go on that left its state.
    fn wake_if_ready(&mut self, id: TrackId) {
        if self
            .track(id)
            .is_some_and(|track| matches!(track.stage, Stage::Ready))
        {
            self.wake(id);
        }
    }

    /// A task's time, or that of its heartbeat, ran out: its event, and what it failed with.
    pub(super) fn task_timed_out(&mut self, id: TrackId, now: Millis) -> Failure {
        let failure = Failure::named("States.Timeout");
        let Some(Stage::Task(task)) = self.track(id).map(|track| &track.stage) else {
            return failure;
        };
        let late = task.deadline.is_some_and(|deadline| deadline <= now);
        let (worker, task) = (task.worker.clone(), task.id);
        self.event(
            id,
            EventKind::Task {
                worker,
                progress: TaskProgress::TimedOut(failure.clone()),
            },
        );
        self.command(Command::Cancel(task));
        self.set_stage(id, Stage::Begun);
        // Both are called a timeout in the history; to retriers and catchers a missed heartbeat is one of
        // its own as well.
        if late {
            failure
        } else {
            Failure::named(MISSED_HEARTBEAT)
        }
    }
}

/// What retriers and catchers can take a missed heartbeat by.
pub(super) const MISSED_HEARTBEAT: &str = "States.HeartbeatTimeout";

/// The role that a task's `Credentials` name.
fn role(it: &Evaluator<'_>, task: &Task) -> Result<Option<Arc<str>>, Trouble> {
    let Some(credentials) = &task.credentials else {
        return Ok(None);
    };
    let credentials = it.render(
        credentials,
        "Credentials",
        &it.effective_input()?,
        None,
        None,
    )?;
    match credentials.get("RoleArn").and_then(Value::as_str) {
        Some(role) => Ok(Some(role.into())),
        None => Err(Trouble::runtime(
            "The field 'RoleArn' of the Credentials must be a string",
        )),
    }
}

/// Who does the work, as events tell it apart.
fn worker(integration: &Integration) -> Worker {
    match integration {
        Integration::Function => Worker::Function,
        Integration::Activity => Worker::Activity,
        Integration::Service {
            service,
            action,
            sdk,
            pattern,
        } => Worker::Service {
            resource_type: if *sdk {
                format!("aws-sdk:{service}").into()
            } else {
                Arc::clone(service)
            },
            resource: format!("{action}{pattern}").into(),
        },
        Integration::Unknown => Worker::Service {
            resource_type: "unknown".into(),
            resource: "unknown".into(),
        },
    }
}
