//! Keeps what is provisioned: makes environments ahead of invocations, makes others where some are
//! lost, and ends them when nobody wants them any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ids::{Qualifier, RequestId};
use tokio::task::JoinSet;
use wire::ServiceError;

use super::pool::Pool;
use super::provision::Provision;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::tables::Tables;
use crate::function::target::Target;
use crate::service::Inner;

/// AWS takes a while before it begins, and so does this, so that callers see the same states.
const BEGIN: Duration = Duration::from_millis(200);

/// After so long what could not be made is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// How many environments of one provision are made at a time; init phases have a gate of their own.
const WIDTH: usize = 4;

/// More configurations than a function can have.
const ALL: usize = 100_000;

impl Inner {
    /// Takes up what is reserved and provisioned.
    pub(crate) async fn take_up_concurrency(self: &Arc<Self>) -> Result<(), ApiError> {
        let functions = self
            .registry
            .read(|tables: &Tables<'_>| tables.functions_with_concurrency())
            .await?;
        for key in functions {
            self.align_concurrency(&key).await?;
        }
        Ok(())
    }

    /// Brings the counting of concurrency and what is provisioned in line with what is kept of a
    /// function. Whoever has changed something of that calls this afterwards.
    pub(crate) async fn align_concurrency(
        self: &Arc<Self>,
        key: &FunctionKey,
    ) -> Result<(), ApiError> {
        // One at a time, and reading within: the last to come sees what all have written.
        let _one_at_a_time = self.provisions.aligning.lock().await;
        let place = key.clone();
        let (set_aside, total, wanted) = self
            .registry
            .read(move |tables| {
                let key = &place;
                let mut wanted = HashMap::new();
                for (qualifier, config) in tables.provisioned_of(key, "", ALL)? {
                    let number = match Qualifier::parse(&qualifier) {
                        Qualifier::Alias(name) => {
                            tables.alias(key, &name)?.map(|it| it.version_number())
                        }
                        Qualifier::Version(number) => Some(number),
                        Qualifier::Latest => None,
                    };
                    let Some(number) = number else { continue };
                    let Some(version) = tables.version(key, number)? else {
                        continue;
                    };
                    let deployment: RequestId = version.live().1;
                    wanted.insert(qualifier, (deployment, config.requested));
                }
                let set_aside = tables.set_aside(&key.account, &key.region)?;
                Ok((set_aside, tables.provisioned_total(key)?, wanted))
            })
            .await?;
        self.concurrency.set(key, set_aside, total);
        for (qualifier, provision) in self.provisions.align(key, &wanted) {
            let (this, key) = (Arc::clone(self), key.clone());
            tokio::spawn(async move {
                let target = Target {
                    key,
                    qualifier: Some(qualifier),
                };
                this.keep(&target, &provision).await;
            });
        }
        Ok(())
    }

    /// Keeps one provision until it has ended.
    async fn keep(self: Arc<Self>, target: &Target, provision: &Arc<Provision>) {
        self.clock.sleep(BEGIN).await;
        let pool = loop {
            match self.provided_pool(target).await {
                Ok(pool) => break pool,
                Err(error) => provision.fail(error.to_string()),
            }
            self.rest(provision, Some(AGAIN)).await;
            if provision.is_ended() || self.is_stopping() {
                return;
            }
        };
        let mut again = None;
        while !provision.is_ended() && !self.is_stopping() && !pool.is_closed() {
            let (ready, wanted) = (provision.ready(), provision.requested());
            let now = self.clock.monotonic();
            let patience = again.map(|again: Duration| again.saturating_sub(now));
            let may_try = patience.is_none_or(|rest| rest.is_zero()) || !provision.has_failed();
            if ready < wanted && may_try {
                let missing = usize::try_from(wanted - ready).unwrap_or(WIDTH);
                again = match self.provide(&pool, provision, missing.min(WIDTH)).await {
                    Ok(()) => None,
                    Err(reason) => {
                        tracing::warn!(function = %target.arn(), reason, "provisioned concurrency is missing");
                        provision.fail(reason);
                        Some(self.clock.monotonic() + AGAIN)
                    }
                };
                continue;
            }
            if ready > wanted {
                let surplus = usize::try_from(ready - wanted).unwrap_or(usize::MAX);
                self.fleet.take_away(&pool, surplus).await;
            }
            self.rest(provision, patience.filter(|_| ready < wanted))
                .await;
        }
        provision.end();
        self.fleet.take_away(&pool, usize::MAX).await;
    }

    /// Makes so many environments, or says why not.
    async fn provide(
        &self,
        pool: &Arc<Pool>,
        provision: &Arc<Provision>,
        count: usize,
    ) -> Result<(), String> {
        let mut making = JoinSet::new();
        for _ in 0..count {
            let (fleet, pool) = (Arc::clone(&self.fleet), Arc::clone(pool));
            let provision = Arc::clone(provision);
            making.spawn(async move { fleet.provide(&pool, &provision).await });
        }
        let mut outcome = Ok(());
        while let Some(made) = making.join_next().await {
            match made {
                Ok(Ok(())) => {}
                Ok(Err(error)) => outcome = Err(error.to_string()),
                Err(error) => outcome = Err(error.to_string()),
            }
        }
        outcome
    }

    /// The pool of what `target` names now.
    async fn provided_pool(&self, target: &Target) -> Result<Arc<Pool>, ServiceError> {
        let (version, _) = self.find(target).await?;
        let deployment = self.deployment(target, &version).await?;
        let pool = self.fleet.pool(&deployment);
        pool.ok_or_else(|| target.not_found())
    }

    /// Waits until something has changed, or that time is over.
    async fn rest(&self, provision: &Provision, patience: Option<Duration>) {
        match patience {
            None => provision.changed.notified().await,
            Some(patience) => tokio::select! {
                () = provision.changed.notified() => {}
                () = self.clock.sleep(patience) => {}
            },
        }
    }
}
