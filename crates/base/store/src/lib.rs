//! SQLite with group commit, content-addressed blobs, migrations.
