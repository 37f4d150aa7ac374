//! `lambdalab image …`: container images for functions, on an engine of this machine.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use control::ImageName;
use lab_aws::{RunningEngine, Session, Target};
use serde::Serialize;

use crate::arguments::ImageCommand;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::{Render, flush_right, lines, table};
use crate::progress::watched;
use crate::target;

/// Programs that save images as archives, and by which prefix they are asked.
const ENGINES: [(&str, &str); 2] = [("docker:", "docker"), ("podman:", "podman")];

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Images(Vec<ImageName>);

impl Render for Images {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no images".to_owned();
        }
        let mut table = table(["image uri", "architecture", "digest", "MB"]);
        for image in &self.0 {
            let mb = image.size_bytes.div_ceil(1 << 20).to_string();
            let digest = image.digest.get(..19).unwrap_or(&image.digest).to_owned();
            table.add_row([
                image.image_uri.clone(),
                image.architecture.clone(),
                digest,
                mb,
            ]);
        }
        flush_right(&mut table, &[3]);
        lines(&table)
    }
}

pub(crate) async fn run(context: &Context, command: ImageCommand) -> Result<ExitCode, CliError> {
    let starts = matches!(command, ImageCommand::Import { .. });
    check(context, starts).await?;
    let session = target::connect(context).await?;
    match command {
        ImageCommand::Import { source, name } => import(context, &session, source, &name).await,
        ImageCommand::List => {
            context.console.result(&Images(session.images().await?))?;
            Ok(ExitCode::Yes)
        }
        ImageCommand::Remove { name } => {
            session.remove_image(&name).await?;
            Ok(ExitCode::Yes)
        }
    }
}

/// Refuses a target that keeps no images, and to start an engine that would have nothing to do.
async fn check(context: &Context, starts: bool) -> Result<(), CliError> {
    let target = target::resolve(&context.settings)?;
    if !target.is_on_this_machine() {
        return Err(CliError::NoImagesThere(match target {
            Target::Endpoint { url, .. } => url,
            Target::Aws { .. } | Target::Engine => "AWS".to_owned(),
        }));
    }
    let data_dir = &context.settings.data_dir.value;
    if target == Target::Engine && !starts && RunningEngine::find(data_dir).await?.is_none() {
        return Err(CliError::NoEngine(data_dir.clone()));
    }
    Ok(())
}

async fn import(
    context: &Context,
    session: &Session,
    source: String,
    name: &str,
) -> Result<ExitCode, CliError> {
    let message = format!("importing {source}");
    let opened = open(&source).map_err(|error| CliError::Input {
        what: source,
        source: error,
    });
    let importing = session.import_image(opened?, name);
    let console = &context.console;
    let imported = watched(&*context.clock, console.quiet, message, importing).await?;
    console.result(&Images(imported))?;
    Ok(ExitCode::Yes)
}

/// The archive that a source stands for.
fn open(source: &str) -> io::Result<Box<dyn Read + Send>> {
    for (prefix, program) in ENGINES {
        if let Some(image) = source.strip_prefix(prefix) {
            return Ok(Box::new(Saved::start(program, image)?));
        }
    }
    if source == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let path = Path::new(source);
    if path.is_dir() {
        return packed(path);
    }
    Ok(Box::new(File::open(path)?))
}

/// A folder of the OCI's layout as an archive, which is written while it is read.
fn packed(folder: &Path) -> io::Result<Box<dyn Read + Send>> {
    if !folder.join("oci-layout").is_file() {
        let reason = "the folder has no file `oci-layout`: it is not an OCI image layout";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let (reader, writer) = io::pipe()?;
    let folder = folder.to_owned();
    let packing = std::thread::spawn(move || {
        let mut builder = tar::Builder::new(writer);
        builder.append_dir_all("", &folder)?;
        builder.finish()
    });
    Ok(Box::new(Packed {
        reader,
        packing: Some(packing),
    }))
}

/// An archive that a thread of ours writes.
struct Packed {
    reader: io::PipeReader,
    packing: Option<std::thread::JoinHandle<io::Result<()>>>,
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        if length == 0
            && !buffer.is_empty()
            && let Some(packing) = self.packing.take()
        {
            // An end may be one for a bad reason.
            let ended = packing.join();
            ended.map_err(|_| io::Error::other("the folder could not be packed"))??;
        }
        Ok(length)
    }
}

/// An archive that a container engine writes.
struct Saved {
    program: &'static str,
    child: Child,
    output: ChildStdout,
}

impl Saved {
    fn start(program: &'static str, image: &str) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(["save", "--", image])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("`{program}`: {error}")))?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| io::Error::other("no output"))?;
        Ok(Self {
            program,
            child,
            output,
        })
    }
}

impl Read for Saved {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.output.read(buffer)?;
        if length == 0 && !buffer.is_empty() {
            let status = self.child.wait()?;
            if !status.success() {
                let reason = format!("`{} save` ended with {status}", self.program);
                return Err(io::Error::other(reason));
            }
        }
        Ok(length)
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        // It has ended, or nobody reads what it writes any more.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
