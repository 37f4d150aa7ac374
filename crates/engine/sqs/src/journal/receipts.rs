//! Who has received what.

use rusqlite::{Connection, params};

use crate::error::JournalError;
use crate::seq::Seq;

/// The last receiving of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// How often it was received.
    pub(crate) receives: u32,
    /// When first, in milliseconds since the epoch.
    pub(crate) first: i64,
    /// When last.
    pub(crate) received: i64,
    /// When it becomes visible again.
    pub(crate) until: i64,
    /// Which one it was.
    pub(crate) stamp: i64,
}

/// Writes receipts. A message that was deleted meanwhile gets none: its deletion is queued later,
/// or was taken out of the ledger.
pub(crate) fn write(
    connection: &Connection,
    receipts: &[(Seq, Receipt)],
) -> Result<(), JournalError> {
    let mut write = connection
        .prepare_cached("INSERT OR REPLACE INTO sqs_receipt VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (seq, receipt) in receipts {
        write.execute(params![
            seq.0,
            receipt.receives,
            receipt.first,
            receipt.received,
            receipt.until,
            receipt.stamp,
        ])?;
    }
    Ok(())
}
