//! `lambdalab config show`: every setting, its value, and who said it.

use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::{Render, lines, table};
use crate::settings::Row;

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown(Vec<Row>);

impl Render for Shown {
    fn text(&self) -> String {
        let mut table = table(["setting", "value", "from", "what it does"]);
        for row in &self.0 {
            let unset = || format!("({})", row.unset);
            let value = row.value.clone().unwrap_or_else(unset);
            table.add_row([row.name, &value, &row.origin, row.about]);
        }
        lines(&table)
    }
}

pub(crate) fn show(context: &Context) -> Result<ExitCode, CliError> {
    context.console.result(&Shown(context.settings.rows()))?;
    Ok(ExitCode::Yes)
}
