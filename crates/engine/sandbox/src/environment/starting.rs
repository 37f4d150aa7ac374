//! How processes are started in an environment.

use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::{Environment, mounts_of, off_thread, out_of_step};
use crate::SandboxError;
use crate::channel::MAX_DESCRIPTORS;
use crate::process::Process;
use crate::protocol::{Ask, Done, Refused};
use crate::scales::Root;
use crate::spec::Command;

/// The most folders that a command may show: each is a descriptor of one message, beside three
/// outputs, a channel for clones and `/tmp`.
const MAX_SHOWN: usize = MAX_DESCRIPTORS - 5;

impl Environment {
    /// Runs a command, and returns once the program has been executed. May be called again when the
    /// process has ended: files and limits stay as they are. A frozen environment is thawed.
    ///
    /// # Errors
    /// [`SandboxError::Exec`] and [`SandboxError::WorkingDirectory`] when the program cannot run;
    /// [`SandboxError::Busy`] while another one does; [`SandboxError::CommandTooLarge`] and
    /// [`SandboxError::InvalidCommand`]; [`SandboxError::SpawnerGone`].
    pub async fn start(&self, command: Command) -> Result<Process, SandboxError> {
        self.run(command, false).await
    }

    /// Does the same for a command that others may run beside, which are started by this too. They
    /// share what the first of them shows, and can signal one another. Each one's end is told by
    /// itself; with the last one ends all that they left running. In a clone it is
    /// [`Environment::start`].
    ///
    /// # Errors
    /// As for [`Environment::start`]; [`SandboxError::Busy`] while one runs that was started alone.
    pub async fn start_beside(&self, command: Command) -> Result<Process, SandboxError> {
        self.run(command, true).await
    }

    async fn run(&self, command: Command, beside: bool) -> Result<Process, SandboxError> {
        check(&command)?;
        self.thaw()?;
        self.limit_memory(self.memory_bytes)?;
        let (mounts, targets) = match &self.scratch {
            Some(scratch) if !self.is_clone => {
                let (shows, scratch) = (command.shows.clone(), Arc::clone(scratch));
                off_thread(move || mounts_of(&shows, &scratch)).await?
            }
            _ => (Vec::new(), Vec::new()),
        };
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(Refused::to("make a pipe"));
        let (stdout, its_stdout) = pipe()?;
        let (stderr, its_stderr) = pipe()?;
        let mut outputs = vec![its_stdout, its_stderr];
        let mut telemetry = None;
        if command.telemetry {
            let (records, its_records) = pipe()?;
            outputs.push(its_records);
            telemetry = Some(records);
        }
        outputs.extend(mounts);
        let starting = self.lives.start();
        let ask = Ask::Start {
            id: self.id,
            command,
            mounts: targets,
            beside,
            afresh: starting.killed,
        };
        let (reply, start, exit) = self.sandbox.ask_to_start(ask, outputs).await?;
        let Done::Started { pid, init } = reply.done else {
            return Err(out_of_step());
        };
        starting.runs(exit.clone());
        self.memory.follow(pid.unsigned_abs());
        if let Some(scales) = &self.scales {
            let processes = std::iter::once(pid).chain(init);
            let root = Root {
                start,
                processes: processes.map(i32::unsigned_abs).collect(),
                exit: exit.clone(),
            };
            scales.put(root, &self.sandbox, self.id);
        }
        Ok(Process {
            stdout: Some(stdout),
            stderr: Some(stderr),
            telemetry,
            pid: pid.unsigned_abs(),
            exit,
            start,
        })
    }
}

/// What would only fail in the child, where it is harder to tell.
fn check(command: &Command) -> Result<(), SandboxError> {
    let holds_nul = |text: &str| text.contains('\0');
    let reason = if command.args.iter().any(|argument| holds_nul(argument)) {
        "an argument holds a NUL byte".to_owned()
    } else if let Some((name, _)) = command
        .env
        .iter()
        .find(|(name, value)| holds_nul(name) || holds_nul(value))
    {
        format!("the environment variable {name:?} holds a NUL byte")
    } else if let Some((name, _)) = command
        .env
        .iter()
        .find(|(name, _)| name.is_empty() || name.contains('='))
    {
        format!("{name:?} cannot be the name of an environment variable")
    } else if command.shows.len() > MAX_SHOWN {
        format!("it shows more than {MAX_SHOWN} folders")
    } else if let Some(shown) = command
        .shows
        .iter()
        .find(|shown| !shown.target.is_absolute())
    {
        format!("{} is no absolute path", shown.target.display())
    } else {
        return Ok(());
    };
    Err(SandboxError::InvalidCommand { reason })
}
