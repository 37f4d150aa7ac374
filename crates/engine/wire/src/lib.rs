//! AWS's protocols: shapes, validation, routing, codecs, errors, and the Dispatch trait.
