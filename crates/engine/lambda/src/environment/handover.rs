//! One invocation in an environment: handed to the extensions and the runtime, and waited for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::outlet::Outlet;
use super::roster::Awaited;
use super::stage::{Ended, Stage};
use super::{Environment, Purpose, lost, micros};
use crate::invoke::event::Event;
use crate::invoke::failure::Failure;
use crate::logging::platform::PlatformEvent;

impl Environment {
    /// Hands over `event` and waits for the answer, no longer than `timeout`; where the process was
    /// lost, it is initialised first, within the same time. An answer that is a stream goes to
    /// `outlet`, where there is one. Extensions may still be at work then; what comes back beside the
    /// answer tells when they have done.
    pub(crate) async fn run(
        self: &Arc<Self>,
        event: Event,
        outlet: Option<Outlet>,
        timeout: Duration,
    ) -> (Ended, Option<Awaited>) {
        self.deadline
            .store(micros(self.clock.monotonic() + timeout), Ordering::SeqCst);
        let mut deadline = self.clock.sleep(timeout);
        let without_log = |failure| Ended {
            answer: Err(failure),
            log: Vec::new(),
        };
        let late = async {
            (&mut deadline).await;
            Failure::TimedOut { timeout }
        };
        let (mut answer, resting) = match self.hand_over(event, outlet, late).await {
            Ok(taken) => taken,
            Err(failure) => return (without_log(failure), None),
        };
        tokio::select! {
            biased;
            ended = &mut answer => {
                return (ended.unwrap_or_else(|_| without_log(lost())), resting);
            }
            () = deadline => {}
        }
        if self.step(Stage::give_up) {
            return (without_log(Failure::TimedOut { timeout }), None);
        }
        let ended = answer.await.unwrap_or_else(|_| without_log(lost()));
        (ended, resting)
    }

    /// Waits until the extensions have done with the present invocation, no longer than its time.
    pub(crate) async fn outwait(&self, resting: Awaited, timeout: Duration) -> Result<(), Failure> {
        let deadline = Duration::from_micros(self.deadline.load(Ordering::SeqCst));
        let left = deadline.saturating_sub(self.clock.monotonic());
        tokio::select! {
            biased;
            rested = resting => return rested.unwrap_or_else(|_| Err(lost())),
            () = self.clock.sleep(left) => {}
        }
        if !self.roster().give_up() {
            return Ok(());
        }
        // What the runtime does meanwhile is done for nobody.
        self.step(Stage::overdue);
        Err(Failure::TimedOut { timeout })
    }

    /// Hands over the event; where the process was lost, it is initialised first, unless that is
    /// late.
    async fn hand_over(
        self: &Arc<Self>,
        event: Event,
        mut outlet: Option<Outlet>,
        late: impl Future<Output = Failure>,
    ) -> Result<(oneshot::Receiver<Ended>, Option<Awaited>), Failure> {
        let event = match self.offer(event, &mut outlet) {
            Ok(taken) => return Ok(taken),
            Err(event) => event,
        };
        let began = self.clock.monotonic();
        let booting = async {
            self.reset().await;
            self.boot("invoke").await
        };
        let outcome = tokio::select! {
            biased;
            outcome = booting => outcome,
            failure = late => Err(failure),
        };
        if let Err(failure) = outcome {
            let took = self.clock.monotonic().saturating_sub(began);
            let failed = Some(&failure);
            self.log.platform(&match &self.purpose {
                Purpose::Restored(_) => PlatformEvent::RestoreReport {
                    took,
                    failure: failed,
                },
                Purpose::Invocations | Purpose::Provisioned(_) | Purpose::Snapshot => {
                    PlatformEvent::InitReport {
                        took,
                        phase: "invoke",
                        failure: failed,
                    }
                }
            });
            return Err(failure);
        }
        self.offer(event, &mut outlet).map_err(|_| lost())
    }

    /// Hands the event to the extensions and the runtime, if that waits. The extensions come first: a
    /// quick runtime must not find them at rest when it has done.
    fn offer(
        &self,
        event: Event,
        outlet: &mut Option<Outlet>,
    ) -> Result<(oneshot::Receiver<Ended>, Option<Awaited>), Event> {
        if !self.is_accompanied() {
            let answer = self.step(|stage| stage.assign(event, outlet))?;
            return Ok((answer, None));
        }
        // Nobody is told of what must wait for a new process.
        if !self.stage.lock().is_ready() {
            return Err(event);
        }
        let resting = self.begin_with_extensions(&event);
        let answer = self.step(|stage| stage.assign(event, outlet))?;
        Ok((answer, Some(resting)))
    }
}
