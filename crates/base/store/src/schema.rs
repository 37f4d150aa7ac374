//! Migrations: how a file comes to have the tables that this release expects.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::disk::sync_folder;
use crate::{Digest, OpenError, StoreOptions};

/// The tables of one component, as the steps that lead to them.
///
/// Step 1 makes the first tables, step *n* turns what step *n* − 1 left into what is needed now.
/// Released steps never change; the store refuses a file whose steps differ from these.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Whose tables: `lambda`, `states`, ….
    pub component: &'static str,
    /// The steps, oldest first.
    pub migrations: &'static [Migration],
}

/// One step forward.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// What it does, for error messages and the log: `add the alias table`.
    pub name: &'static str,
    /// One or more SQL statements. They must not end the transaction that they run in.
    pub sql: &'static str,
}

/// `LamL` in ASCII: what `file` and SQLite call the application id.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"LamL");

/// The version of what this module itself keeps in the file.
const FORMAT: u32 = 1;

const FORMAT_TABLES: &str = "
    CREATE TABLE store_migration (
        component TEXT NOT NULL,
        version INTEGER NOT NULL,
        name TEXT NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (component, version)
    ) STRICT, WITHOUT ROWID;
";

/// One schema and how much of it the file has.
struct Plan<'a> {
    schema: &'a Schema,
    applied: u32,
}

impl Schema {
    fn version(&self) -> u32 {
        u32::try_from(self.migrations.len()).unwrap_or(u32::MAX)
    }

    /// The steps behind version `applied`, each with the version that it leads to.
    fn behind(&self, applied: u32) -> impl Iterator<Item = (u32, &'static Migration)> + use<> {
        (1..).zip(self.migrations).skip(applied as usize)
    }
}

/// Refuses a file that is not ours to open, without changing it.
pub(crate) fn check(connection: &Connection, options: &StoreOptions) -> Result<(), OpenError> {
    let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let path = options.path();
    if is_new(connection).map_err(failed(&path))? {
        return Ok(());
    }
    let application = read("application_id").map_err(failed(&path))?;
    let format = read("user_version").map_err(failed(&path))?;
    if application != APPLICATION_ID {
        let found = application;
        return Err(OpenError::Foreign { path, found });
    }
    let format = u32::try_from(format).unwrap_or(u32::MAX);
    if format > FORMAT {
        return Err(OpenError::Newer {
            path,
            component: "format".to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    plan(connection, options).map(|_| ())
}

/// Brings a checked file forward: all steps of all components in one transaction, after a copy
/// of a file that held something.
pub(crate) fn migrate(
    connection: &mut Connection,
    options: &StoreOptions,
) -> Result<(), OpenError> {
    let path = options.path();
    let new = is_new(connection).map_err(failed(&path))?;
    let plans = if new {
        let fresh = |schema| Plan { schema, applied: 0 };
        options.schemas.iter().map(fresh).collect()
    } else {
        plan(connection, options)?
    };
    if !new && plans.iter().all(Plan::is_done) {
        return Ok(());
    }
    if !new && options.vfs.is_none() {
        back_up(connection, &path, &plans)?;
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Exclusive)
        .map_err(failed(&path))?;
    if new {
        found_file(&transaction).map_err(failed(&path))?;
    }
    for Plan { schema, applied } in plans {
        for (version, migration) in schema.behind(applied) {
            apply(&transaction, schema.component, version, migration).map_err(|source| {
                OpenError::Migration {
                    component: schema.component.to_owned(),
                    version,
                    name: migration.name.to_owned(),
                    source,
                }
            })?;
            if !new {
                tracing::info!(
                    component = schema.component,
                    version,
                    migration.name,
                    "migrated"
                );
            }
        }
    }
    transaction.commit().map_err(failed(&path))
}

impl Plan<'_> {
    fn is_done(&self) -> bool {
        self.applied == self.schema.version()
    }
}

fn failed(path: &Path) -> impl FnOnce(rusqlite::Error) -> OpenError + '_ {
    move |source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    }
}

fn is_new(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}

fn found_file(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.execute_batch(FORMAT_TABLES)
}

fn apply(
    transaction: &Transaction<'_>,
    component: &str,
    version: u32,
    migration: &Migration,
) -> rusqlite::Result<()> {
    transaction.execute_batch(migration.sql)?;
    transaction.execute(
        "INSERT INTO store_migration (component, version, name, digest) VALUES (?1, ?2, ?3, ?4)",
        (
            component,
            version,
            migration.name,
            Digest::of(migration.sql.as_bytes()),
        ),
    )?;
    Ok(())
}

/// How far each schema is applied; refuses a file from a newer release or with other steps.
///
/// A component that this release does not know counts as newer: the blobs that its rows name
/// would look unused to us.
fn plan<'a>(
    connection: &Connection,
    options: &'a StoreOptions,
) -> Result<Vec<Plan<'a>>, OpenError> {
    let path = options.path();
    let versions: Vec<(String, u32)> = connection
        .prepare("SELECT component, max(version) FROM store_migration GROUP BY component")
        .and_then(|mut statement| {
            statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .map_err(failed(&path))?;
    for (component, found) in &versions {
        let schema = options.schemas.iter().find(|s| s.component == component);
        let known = schema.map_or(0, Schema::version);
        if *found > known {
            return Err(OpenError::Newer {
                path,
                component: component.clone(),
                found: *found,
                known,
            });
        }
    }
    let mut plans = Vec::new();
    for schema in &options.schemas {
        let found = versions.iter().find(|(name, _)| name == schema.component);
        let applied = found.map_or(0, |(_, version)| *version);
        for (version, migration) in (1..=applied).zip(schema.migrations) {
            let digest: Option<Digest> = connection
                .query_row(
                    "SELECT digest FROM store_migration WHERE component = ?1 AND version = ?2",
                    (schema.component, version),
                    |row| row.get(0),
                )
                .optional()
                .map_err(failed(&path))?;
            if digest != Some(Digest::of(migration.sql.as_bytes())) {
                return Err(OpenError::Edited {
                    path,
                    component: schema.component.to_owned(),
                    version,
                    name: migration.name.to_owned(),
                });
            }
        }
        plans.push(Plan { schema, applied });
    }
    Ok(plans)
}

/// Copies the file aside, durably, under a name that says which versions are in it:
/// `control.db.bak-lambda2-states1`, with only those that are about to change.
fn back_up(connection: &Connection, path: &Path, plans: &[Plan<'_>]) -> Result<(), OpenError> {
    let versions: Vec<String> = plans
        .iter()
        .filter(|plan| !plan.is_done())
        .map(|plan| format!("{}{}", plan.schema.component, plan.applied))
        .collect();
    let with_suffix = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let target = with_suffix(&format!(".bak-{}", versions.join("-")));
    let unfinished = with_suffix(".bak-unfinished");
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io {
            action,
            path,
            source,
        }
    };
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io("remove", &unfinished)(error));
        }
        _ => {}
    }
    let name = unfinished.to_str().ok_or_else(|| {
        let reason = "the path is not UTF-8, which the copy needs";
        io("copy", path)(std::io::Error::other(reason))
    })?;
    connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(failed(path))?;
    File::open(&unfinished)
        .and_then(|file| file.sync_all())
        .map_err(io("flush", &unfinished))?;
    std::fs::rename(&unfinished, &target).map_err(io("move into place", &target))?;
    if let Some(folder) = target.parent() {
        sync_folder(folder).map_err(io("flush", folder))?;
    }
    tracing::info!(backup = %target.display(), "copied the store before migrating it");
    Ok(())
}
