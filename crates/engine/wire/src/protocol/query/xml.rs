//! Documents as XML: a structure's members are elements, a list's elements are called `member`, a
//! map's entries `entry` with `key` and `value`. Flattened ones have no element of their own: each
//! of theirs stands in its place, by a name of its own.
//!
//! XML crates with serde support repeat a list's own name instead, so this is a small serializer of
//! our own. Nothing here reads XML.

use std::fmt::{self, Error, Write as _};

use serde::Serialize;
use serde::ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use crate::protocol::QueryNames;

/// The document as the content of an element.
pub(super) fn text<T: Serialize>(
    document: &T,
    names: Option<(&'static QueryNames, &'static str)>,
) -> Result<String, Error> {
    let mut out = String::new();
    document.serialize(Content {
        out: &mut out,
        names,
        flattened: None,
    })?;
    Ok(out)
}

/// Text, escaped where it is displayed.
pub(super) struct Xml<'t>(pub(super) &'t str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // A reader makes other line breaks of it.
                '\r' => f.write_str("&#xD;")?,
                '\t' | '\n' => f.write_char(c)?,
                // XML 1.0 has no way to write these.
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?;
                }
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The inside of an element.
struct Content<'o> {
    out: &'o mut String,
    /// What is flattened, in the answers of which operation.
    names: Option<(&'static QueryNames, &'static str)>,
    /// What the elements of the list or map that is written are called, and the keys of the latter.
    flattened: Option<(String, &'static str)>,
}

impl Content<'_> {
    fn within(&mut self, flattened: Option<(String, &'static str)>) -> Content<'_> {
        Content {
            out: self.out,
            names: self.names,
            flattened,
        }
    }

    fn element<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        write!(self.out, "<{name}>")?;
        value.serialize(self.within(None))?;
        write!(self.out, "</{name}>")
    }

    /// What an entry of the map is called, and its key and value.
    fn entry(&self) -> (String, &'static str, &'static str) {
        match &self.flattened {
            Some((name, key)) => (name.clone(), key, "Value"),
            None => ("entry".to_owned(), "key", "value"),
        }
    }
}

macro_rules! displayed {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            write!(self.out, "{value}")
        }
    )*};
}

impl<'o> Serializer for Content<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Error>;

    displayed! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        write!(self.out, "{}", Xml(value))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Error> {
        Err(Error)
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(Error)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(Error)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Err(Error)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(Error)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(Error)
    }
}

impl SerializeSeq for Content<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let name = self.flattened.as_ref().map(|(name, _)| name.clone());
        self.element(name.as_deref().unwrap_or("member"), value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

impl SerializeMap for Content<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Error> {
        let (entry, name, _) = self.entry();
        write!(self.out, "<{entry}>")?;
        self.element(name, key)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let (entry, _, name) = self.entry();
        self.element(name, value)?;
        write!(self.out, "</{entry}>")
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

impl SerializeStruct for Content<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let flattened = self
            .names
            .and_then(|(names, operation)| names.element(name, operation));
        match flattened {
            Some(flattened) => value.serialize(self.within(Some(flattened))),
            None => self.element(name, value),
        }
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}
