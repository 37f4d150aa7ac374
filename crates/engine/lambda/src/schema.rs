//! The tables of this crate, each kept beside what reads it.

use store::Schema;

use crate::asynchronous::{outbox, queue};
use crate::function::{
    code_signing, event_invoke, provisioned, resource_policy, settings, tables, url,
};
use crate::layer;

/// The tables of this crate. Migrations are only ever added, at the end.
pub const SCHEMA: Schema = Schema {
    component: "lambda",
    migrations: &[
        tables::MIGRATION,
        queue::MIGRATION,
        settings::MIGRATION,
        resource_policy::MIGRATION,
        code_signing::MIGRATION,
        layer::tables::MIGRATION,
        layer::tables::SIZES,
        tables::FORMER,
        url::MIGRATION,
        event_invoke::MIGRATION,
        outbox::MIGRATION,
        provisioned::MIGRATION,
    ],
};
