//! Tasks that move messages from a dead-letter queue back to where they were.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::messages::{self, Move, Moving};
use crate::error::JournalError;
use crate::queue::Waiting;
use crate::seq::Seq;

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) id: String,
    /// The dead-letter queue, by ARN.
    pub(crate) source: String,
    /// Where messages go, by ARN; without it each goes to the queue that it came from.
    pub(crate) destination: Option<String>,
    /// How many a second at most.
    pub(crate) rate: Option<i32>,
    pub(crate) status: Status,
    pub(crate) moved: i64,
    /// How many there were when it was started.
    pub(crate) total: i64,
    /// The last message that it moves: those that come later stay.
    pub(crate) upto: Seq,
    /// Milliseconds since the epoch.
    pub(crate) started: i64,
    pub(crate) failure: Option<String>,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    Completed,
    Cancelled,
    Failed,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    fn read(text: &str) -> Self {
        let all = [Self::Running, Self::Completed, Self::Cancelled];
        all.into_iter()
            .find(|status| status.as_str() == text)
            .unwrap_or(Self::Failed)
    }
}

const COLUMNS: &str = "id, source, destination, rate, status, moved, total, upto, started, failure";

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        source: row.get(1)?,
        destination: row.get(2)?,
        rate: row.get(3)?,
        status: Status::read(&row.get::<_, String>(4)?),
        moved: row.get(5)?,
        total: row.get(6)?,
        upto: Seq(row.get(7)?),
        started: row.get(8)?,
        failure: row.get(9)?,
    })
}

/// Adds a task, unless one is running on its queue: whether it was added.
pub(crate) fn add(connection: &Connection, task: &Task) -> Result<bool, JournalError> {
    let added = connection.execute(
        "INSERT INTO sqs_move_task
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE NOT EXISTS
             (SELECT 1 FROM sqs_move_task WHERE source = ?2 AND status = 'RUNNING')",
        params![
            task.id,
            task.source,
            task.destination,
            task.rate,
            task.status.as_str(),
            task.moved,
            task.total,
            task.upto.0,
            task.started,
            task.failure,
        ],
    )?;
    Ok(added > 0)
}

/// The task of that id.
pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Task>, JournalError> {
    let sql = format!("SELECT {COLUMNS} FROM sqs_move_task WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([id], task).optional()?)
}

/// The last tasks on a queue, the latest first.
pub(crate) fn of_source(
    connection: &Connection,
    source: &str,
    limit: i32,
) -> Result<Vec<Task>, JournalError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM sqs_move_task WHERE source = ?1 ORDER BY started DESC, id LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let tasks = statement.query_map((source, limit), task)?;
    Ok(tasks.collect::<Result<_, _>>()?)
}

/// Every task that is not over.
pub(crate) fn running(connection: &Connection) -> Result<Vec<Task>, JournalError> {
    let sql = format!("SELECT {COLUMNS} FROM sqs_move_task WHERE status = 'RUNNING'");
    let mut statement = connection.prepare(&sql)?;
    let tasks = statement.query_map([], task)?;
    Ok(tasks.collect::<Result<_, _>>()?)
}

/// Ends a task that is running: whether it was.
pub(crate) fn end(
    connection: &Connection,
    id: &str,
    status: Status,
    failure: Option<&str>,
) -> Result<bool, JournalError> {
    let ended = connection.execute(
        "UPDATE sqs_move_task SET status = ?2, failure = ?3 WHERE id = ?1 AND status = 'RUNNING'",
        params![id, status.as_str(), failure],
    )?;
    Ok(ended > 0)
}

/// Forgets tasks that were started before that time and are over.
pub(crate) fn forget(connection: &Connection, before: i64) -> Result<(), JournalError> {
    connection.execute(
        "DELETE FROM sqs_move_task WHERE started < ?1 AND status <> 'RUNNING'",
        [before],
    )?;
    Ok(())
}

/// Moves messages for a task and counts them.
pub(crate) fn shift(
    connection: &Connection,
    id: &str,
    moving: &Moving,
    moves: &[Move],
) -> Result<Vec<Waiting>, JournalError> {
    let moved = messages::shift(connection, moving, moves)?;
    connection
        .prepare_cached("UPDATE sqs_move_task SET moved = moved + ?2 WHERE id = ?1")?
        .execute((id, i64::try_from(moved.len()).unwrap_or_default()))?;
    Ok(moved)
}
