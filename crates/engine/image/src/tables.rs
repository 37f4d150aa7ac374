//! Which images there are, by which names, and which blobs belong to them.

use rusqlite::{Connection, OptionalExtension, params};
use store::{Digest, Migration, Schema};

use crate::error::ImageError;

/// The tables of this crate.
pub const SCHEMA: Schema = Schema {
    component: "image",
    migrations: &[Migration {
        name: "images, their names and blobs",
        sql: "
            CREATE TABLE image (
                digest BLOB NOT NULL PRIMARY KEY,
                origin TEXT
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE image_blob (
                image BLOB NOT NULL REFERENCES image (digest) ON DELETE CASCADE,
                blob BLOB NOT NULL,
                size INTEGER NOT NULL,
                PRIMARY KEY (image, blob)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX image_blob_blob ON image_blob (blob);
            CREATE TABLE image_name (
                name TEXT NOT NULL,
                architecture TEXT NOT NULL,
                image BLOB NOT NULL REFERENCES image (digest),
                PRIMARY KEY (name, architecture)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX image_name_image ON image_name (image);
        ",
    }],
};

/// A transaction's view of the tables.
pub(crate) struct Tables<'c>(pub(crate) &'c Connection);

type Outcome<T> = Result<T, ImageError>;

/// An image by one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameRow {
    pub(crate) name: String,
    pub(crate) architecture: String,
    pub(crate) image: Digest,
    /// Bytes of all its blobs.
    pub(crate) size: u64,
}

impl Tables<'_> {
    /// Adds an image, or says anew from where it can be had.
    pub(crate) fn put_image(
        &self,
        digest: &Digest,
        origin: Option<&str>,
        blobs: &[(Digest, u64)],
    ) -> Outcome<()> {
        self.0
            .prepare_cached(
                "INSERT INTO image (digest, origin) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET origin = coalesce(excluded.origin, origin)",
            )?
            .execute(params![digest, origin])?;
        let mut insert = self.0.prepare_cached(
            "INSERT OR IGNORE INTO image_blob (image, blob, size) VALUES (?1, ?2, ?3)",
        )?;
        for (blob, size) in blobs {
            let size = i64::try_from(*size).unwrap_or(i64::MAX);
            insert.execute(params![digest, blob, size])?;
        }
        Ok(())
    }

    /// Whether there is such an image, and then from where it came.
    pub(crate) fn image(&self, digest: &Digest) -> Outcome<Option<Option<String>>> {
        Ok(self
            .0
            .prepare_cached("SELECT origin FROM image WHERE digest = ?1")?
            .query_row([digest], |row| row.get(0))
            .optional()?)
    }

    /// Every image.
    pub(crate) fn images(&self) -> Outcome<Vec<Digest>> {
        let mut statement = self.0.prepare_cached("SELECT digest FROM image")?;
        let found = statement.query_map([], |row| row.get(0))?;
        found.map(|row| Ok(row?)).collect()
    }

    /// Whether an image has a name.
    pub(crate) fn is_named(&self, digest: &Digest) -> Outcome<bool> {
        Ok(self
            .0
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM image_name WHERE image = ?1)")?
            .query_row([digest], |row| row.get(0))?)
    }

    /// Removes an image, and returns the blobs that no other has.
    pub(crate) fn remove_image(&self, digest: &Digest) -> Outcome<Vec<Digest>> {
        let mut statement = self.0.prepare_cached(
            "SELECT blob FROM image_blob AS own WHERE image = ?1 AND NOT EXISTS
                 (SELECT 1 FROM image_blob WHERE blob = own.blob AND image <> ?1)",
        )?;
        let blobs: Result<Vec<Digest>, _> =
            statement.query_map([digest], |row| row.get(0))?.collect();
        self.0
            .prepare_cached("DELETE FROM image_blob WHERE image = ?1")?
            .execute([digest])?;
        self.0
            .prepare_cached("DELETE FROM image WHERE digest = ?1")?
            .execute([digest])?;
        Ok(blobs?)
    }

    /// Whether any image has this blob.
    pub(crate) fn uses_blob(&self, blob: &Digest) -> Outcome<bool> {
        Ok(self
            .0
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM image_blob WHERE blob = ?1)")?
            .query_row([blob], |row| row.get(0))?)
    }

    /// Gives a name to images, one for each architecture, and returns those that it named before.
    pub(crate) fn put_name(&self, name: &str, images: &[(String, Digest)]) -> Outcome<Vec<Digest>> {
        let before = self.remove_name(name)?;
        let mut insert = self.0.prepare_cached(
            "INSERT INTO image_name (name, architecture, image) VALUES (?1, ?2, ?3)",
        )?;
        for (architecture, image) in images {
            insert.execute(params![name, architecture, image])?;
        }
        Ok(before)
    }

    /// Removes a name, and returns the images that it named.
    pub(crate) fn remove_name(&self, name: &str) -> Outcome<Vec<Digest>> {
        let mut statement = self
            .0
            .prepare_cached("DELETE FROM image_name WHERE name = ?1 RETURNING image")?;
        let removed = statement.query_map([name], |row| row.get(0))?;
        removed.map(|row| Ok(row?)).collect()
    }

    /// What a name stands for, or every name where none is given.
    pub(crate) fn names(&self, name: Option<&str>) -> Outcome<Vec<NameRow>> {
        let mut statement = self.0.prepare_cached(
            "SELECT name, architecture, image,
                 (SELECT coalesce(sum(size), 0) FROM image_blob AS b WHERE b.image = n.image)
             FROM image_name AS n WHERE ?1 IS NULL OR name = ?1 ORDER BY name, architecture",
        )?;
        let found = statement.query_map([name], |row| {
            Ok(NameRow {
                name: row.get(0)?,
                architecture: row.get(1)?,
                image: row.get(2)?,
                size: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })?;
        found.map(|row| Ok(row?)).collect()
    }
}
