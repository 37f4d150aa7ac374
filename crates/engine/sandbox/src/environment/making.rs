//! How environments are made: new ones, and clones of what runs in another.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ids::EnvironmentId;

use super::{Environment, mounts_of, off_thread, out_of_step};
use crate::SandboxError;
use crate::client::{Reply, Sandbox};
use crate::freezer::Freezer;
use crate::lives::Lives;
use crate::memory_use::MemoryUse;
use crate::protocol::{Ask, Done, Refused};
use crate::scales::Scales;
use crate::spec::EnvironmentSpec;

impl Sandbox {
    /// Makes an environment: its control groups with their limits, and its Runtime API listener.
    ///
    /// # Errors
    /// [`SandboxError::InvalidLimits`]; [`SandboxError::Os`] when the system refuses a step;
    /// [`SandboxError::SpawnerGone`].
    pub async fn create(&self, spec: EnvironmentSpec) -> Result<Environment, SandboxError> {
        spec.limits.validate()?;
        let id = spec.id;
        let (work_dir, scratch_mb) = (spec.work_dir.clone(), spec.scratch_mb);
        let memory_bytes = spec.limits.memory_bytes();
        // Should the caller lose interest half way, the environment must not stay.
        let mut abandoned = Abandoned {
            sandbox: self,
            id: Some(id),
        };
        let reply = match self.ask(Ask::Create(spec), Vec::new()).await {
            Ok(reply) => reply,
            Err(error) => {
                abandoned.id = None;
                return Err(error);
            }
        };
        let mut environment = Environment::new(self.clone(), id, (work_dir, memory_bytes), reply)?;
        abandoned.id = None;
        if self.capabilities().engine_mounts() {
            let (kit, at) = (Arc::clone(self.scratch()), environment.work_dir.clone());
            let made = off_thread(move || kit.make(&at, scratch_mb)).await?;
            environment.scratch = Some(Arc::new(made));
        }
        Ok(environment)
    }

    /// Makes an environment whose process is a clone of the one that runs in `template`, as far as that
    /// has come. It waits to be given its variables and outputs: [`Environment::start`] does that, once.
    /// Of the command's program it is taken for granted that it is the template's.
    ///
    /// The template must have been started as [`Command::cloneable`], wait to be asked for clones, and
    /// not be frozen. Its clones end with it. What it has at `/tmp` is copied.
    ///
    /// # Errors
    /// As for [`Sandbox::create`]; also when the process is no template, or does not behave like one.
    pub async fn clone_of(
        &self,
        template: &Environment,
        spec: EnvironmentSpec,
    ) -> Result<Environment, SandboxError> {
        spec.limits.validate()?;
        let (id, work_dir) = (spec.id, spec.work_dir.clone());
        let memory_bytes = spec.limits.memory_bytes();
        let (mut scratch, mut mounts, mut targets) = (None, Vec::new(), Vec::new());
        if let Some(original) = template.scratch.clone() {
            let at = work_dir.clone();
            let copied = off_thread(move || {
                let copy = original.copy(&at)?;
                Ok((mounts_of(&[], &copy)?, copy))
            });
            let (shown, copy) = copied.await?;
            (mounts, targets) = shown;
            scratch = Some(Arc::new(copy));
        }
        let mut abandoned = Abandoned {
            sandbox: self,
            id: Some(id),
        };
        let ask = Ask::Clone {
            template: template.id,
            spec,
            mounts: targets,
        };
        let reply = match self.ask(ask, mounts).await {
            Ok(reply) => reply,
            Err(error) => {
                abandoned.id = None;
                return Err(error);
            }
        };
        let mut environment = Environment::new(self.clone(), id, (work_dir, memory_bytes), reply)?;
        abandoned.id = None;
        environment.scratch = scratch;
        environment.is_clone = true;
        Ok(environment)
    }
}

/// Destroys an environment whose creation nobody waits for any more.
struct Abandoned<'a> {
    sandbox: &'a Sandbox,
    id: Option<EnvironmentId>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // A spawner that is gone has taken it along.
            let _gone = self.sandbox.tell(Ask::Destroy { id });
        }
    }
}

impl Environment {
    fn new(
        sandbox: Sandbox,
        id: EnvironmentId,
        (work_dir, memory_bytes): (PathBuf, u64),
        reply: Reply,
    ) -> Result<Self, SandboxError> {
        let Reply {
            done: Done::Created { groups, egress },
            descriptors,
        } = reply
        else {
            return Err(out_of_step());
        };
        let mut doors = descriptors.into_iter();
        let listener: TcpListener = doors.next().ok_or_else(out_of_step)?.into();
        let door = doors.next().map(TcpListener::from);
        let tunnel = doors.next();
        let address = listener
            .local_addr()
            .map_err(Refused::to("name the Runtime API's address"))?;
        let freezer = groups
            .unified
            .as_deref()
            .map(Freezer::open)
            .transpose()
            .map_err(Refused::to("open the environment's freezer"))?;
        let charged = groups
            .memory_peak()
            .map_err(Refused::to("open the environment's memory use"))?;
        let weighs = groups.memory.is_none();
        let scales = weighs.then(|| Arc::new(Scales::new(memory_bytes)));
        Ok(Self {
            sandbox,
            id,
            work_dir,
            groups,
            freezer,
            memory_bytes,
            memory: MemoryUse::new(charged),
            lives: Lives::default(),
            scales,
            scratch: None,
            is_clone: false,
            listener,
            egress,
            door,
            tunnel,
            address,
            destroyed: AtomicBool::new(false),
        })
    }
}
