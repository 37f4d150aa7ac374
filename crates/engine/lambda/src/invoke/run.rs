//! One invocation, from the environment's being there to its report.

use std::sync::Arc;
use std::time::Duration;

use ids::{RequestId, Timestamp};

use super::event::Event;
use super::failure::Failure;
use super::report::{Figures, Restore};
use super::spans::{Course, Traced};
use super::{Finished, Job};
use crate::environment::outlet::{Closed, Link};
use crate::environment::roster::Awaited;
use crate::environment::stage::Ended;
use crate::environment::{Environment, Init};
use crate::logging::platform::PlatformEvent;
use crate::schedule::admission::Running;
use crate::schedule::concurrency::Counted;
use crate::schedule::pool::Pool;
use crate::service::Inner;

/// How long an answer is held back for the environment that was lost over it.
const RECOVERY_LIMIT: Duration = Duration::from_millis(200);

/// An invocation whose runtime has answered, or never will.
struct Answered {
    pool: Arc<Pool>,
    environment: Arc<Environment>,
    id: RequestId,
    started: Duration,
    began: Timestamp,
    traced: Option<Traced>,
    init: Option<Init>,
    restore: Option<Restore>,
    running: Running,
    _counted: Counted,
    closed: Option<Closed>,
    ended: Ended,
    /// Tells when extensions have done, where they have not.
    resting: Option<Awaited>,
}

impl Inner {
    /// Runs one invocation in an environment, whose clock starts now. Where extensions are at work when
    /// the function has answered, its caller does not wait for them, unless for the log.
    pub(super) async fn run(
        self: &Arc<Self>,
        (pool, environment): (Arc<Pool>, Arc<Environment>),
        job: Job,
        link: Option<Link>,
        counted: Counted,
    ) -> Finished {
        let deployment = &environment.deployment;
        let clock = &*self.clock;
        let id = job.id;
        // The next invocation of this environment may begin before this one is reported.
        let (init, restore) = (environment.take_init(), environment.take_restore());
        let (started, began) = (clock.monotonic(), clock.now());
        let mut header = job.trace;
        let traced = self.begin_trace(
            &mut header,
            deployment,
            (id, &job.invoked_arn),
            (job.trigger, job.arrived),
        );
        let running = self.fleet.admission.running(deployment.memory_mb, started);
        environment.log.platform(&PlatformEvent::Start {
            id,
            version: &deployment.version,
        });
        let (outlet, closed) = link.map(|link| (link.outlet, link.closed)).unzip();
        let event = Event {
            id,
            payload: job.payload,
            invoked_arn: job.invoked_arn,
            deadline: began.plus(deployment.timeout),
            trace_id: Some(header.to_string()),
            client_context: job.client_context,
        };
        let (ended, resting) = environment.run(event, outlet, deployment.timeout).await;
        let lost = ended.answer.as_ref().err();
        let lost = lost.is_some_and(Failure::resets_environment);
        let resting = resting.filter(|_| !lost);
        let early = (resting.is_some() && !job.with_log).then(|| Finished {
            answer: ended.answer.clone(),
            tail: ended.log.clone(),
            version: Arc::clone(&deployment.version),
        });
        let answered = Answered {
            pool,
            environment,
            id,
            started,
            began,
            traced,
            init,
            restore,
            running,
            _counted: counted,
            closed,
            ended,
            resting,
        };
        let this = Arc::clone(self);
        match early {
            Some(finished) => {
                tokio::spawn(async move { this.conclude(answered).await });
                finished
            }
            None => this.conclude(answered).await,
        }
    }

    /// Waits for what extensions still do, and reports the invocation.
    async fn conclude(self: Arc<Self>, answered: Answered) -> Finished {
        let Answered {
            pool,
            environment,
            id,
            started,
            began,
            traced,
            init,
            restore,
            running,
            _counted,
            closed,
            ended: Ended {
                mut answer,
                mut log,
            },
            resting,
        } = answered;
        let (environment, deployment) = (&environment, &environment.deployment);
        let clock = &*self.clock;
        let runtime_took = clock.monotonic().saturating_sub(started);
        let mut duration = runtime_took;
        let is_accompanied = resting.is_some();
        if let Some(resting) = resting {
            if let Err(failure) = environment.outwait(resting, deployment.timeout).await {
                answer = Err(failure);
            }
            duration = clock.monotonic().saturating_sub(started);
        }
        if let Err(Failure::Exited(status)) = &answer
            && status.oom_killed
        {
            environment.site().sandbox.ran_out_of_memory();
        }
        let peaks = environment.peak_memory();
        let figures = Figures {
            duration,
            init: init.map(|init| init.took),
            restore,
            memory_mb: deployment.memory_mb,
            peak_bytes: peaks.used.unwrap_or_default(),
        };
        let failure = answer.as_ref().err();
        let is_lost = failure.is_some_and(Failure::resets_environment);
        if let Some(failure) = failure.filter(|_| is_lost) {
            environment.condemn(failure);
            if let Some(closed) = closed {
                // What the function wrote before it was lost is its caller's.
                tokio::select! {
                    () = closed.wait() => {}
                    () = clock.sleep(RECOVERY_LIMIT) => {}
                }
            }
            log.extend(environment.log.rest());
        }
        let closing = [
            PlatformEvent::RuntimeDone {
                id,
                took: runtime_took,
                failure,
            },
            PlatformEvent::End { id },
            PlatformEvent::Report {
                id,
                figures: &figures,
                failure,
            },
        ];
        let tail = environment.log.close(&log, &closing);
        if let Some(traced) = traced {
            let course = Course {
                init,
                restore,
                began,
                runtime: runtime_took,
                extensions: is_accompanied.then(|| duration.saturating_sub(runtime_took)),
            };
            self.end_trace(&traced, environment, &course, failure);
        }
        if let Some(need_mb) = pool.learn(duration, peaks.charged) {
            environment.adjust_reservation(need_mb, &self.fleet.admission);
        }
        self.remember(id, environment, &figures, running.oversubscribed());
        if is_lost {
            self.recover(environment).await;
        }
        Finished {
            answer,
            tail,
            version: Arc::clone(&deployment.version),
        }
    }

    /// Resets an environment and gives it back. The caller waits a little, so that its next call
    /// finds it; a process that does not end does not keep the answer from it.
    async fn recover(&self, environment: &Arc<Environment>) {
        let lost = Arc::clone(environment);
        let recovering = tokio::spawn(async move { lost.recover().await });
        tokio::select! {
            _recovered = recovering => {}
            () = self.clock.sleep(RECOVERY_LIMIT) => {}
        }
    }
}
