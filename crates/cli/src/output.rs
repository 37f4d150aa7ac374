//! What is printed, and where: results to standard output, everything about them to standard
//! error, so that a result can be piped.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::error::CliError;
use crate::format::Format;

/// A result: one structure that gives both forms.
pub(crate) trait Render: Serialize {
    /// For people.
    fn text(&self) -> String;
}

/// The two streams, and how talkative the program is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    pub format: Format,
    pub quiet: bool,
}

impl Console {
    /// Prints a result.
    pub(crate) fn result(&self, result: &impl Render) -> Result<(), CliError> {
        match self.format {
            Format::Table => self.write(result.text().as_bytes()),
            Format::Json => {
                let json = serde_json::to_vec_pretty(result).map_err(io::Error::from);
                self.write(&json.map_err(CliError::Output)?)
            }
        }
    }

    /// Prints bytes as a result, ended by a line break.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        let mut attempt = || -> io::Result<()> {
            out.write_all(bytes)?;
            if !bytes.ends_with(b"\n") {
                out.write_all(b"\n")?;
            }
            out.flush()
        };
        Self::or_closed(attempt())
    }

    /// Prints a part of a result at once.
    pub(crate) fn write_part(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        Self::or_closed(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Says something about the result; silent with `--quiet`.
    pub(crate) fn note(&self, text: &str) -> Result<(), CliError> {
        if self.quiet {
            return Ok(());
        }
        self.tell(text)
    }

    /// Says something that matters even with `--quiet`.
    pub(crate) fn tell(&self, text: &str) -> Result<(), CliError> {
        Self::or_closed(writeln!(io::stderr().lock(), "{text}"))
    }

    /// Whoever reads may stop reading (`| head`): that is no failure.
    fn or_closed(written: io::Result<()>) -> Result<(), CliError> {
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
            _ => Ok(()),
        }
    }
}

/// A table in the one style that all commands share: no lines, the head in capitals.
pub(crate) fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head.map(str::to_uppercase));
    if let Some(width) = terminal_width() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table
}

/// A table of names and values.
pub(crate) fn pairs<S: Into<String>>(rows: impl IntoIterator<Item = (&'static str, S)>) -> String {
    let rows: Vec<(&str, String)> = rows
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or_default();
    let line =
        |(name, value): &(&str, String)| format!("{name:<width$}  {value}").trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Sets columns flush right: figures.
pub(crate) fn flush_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table as text, without the blanks that fill its lines.
pub(crate) fn lines(table: &Table) -> String {
    let line = |line: &str| {
        line.trim_end()
            .strip_prefix(' ')
            .unwrap_or(line.trim_end())
            .to_owned()
    };
    table
        .lines()
        .map(|text| line(&text))
        .collect::<Vec<_>>()
        .join("\n")
}

/// How wide the terminal is, where standard output is one.
fn terminal_width() -> Option<u16> {
    if !io::stdout().is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| size.ws_col)
        .filter(|width| *width >= 40)
}
