//! What the generated shapes are made of: their JSON form and their enums.
//!
//! Written as macros, so that the generated code stays a table of names. `derive(Deserialize)` is
//! not used for structures because it also accepts an array in place of an object, and refuses a
//! member given twice; AWS does neither. Structures and maps are told apart both ways, because the
//! query protocol writes them differently.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// An enum of a service's model: a closed set in the model, an open one on the wire.
pub trait StringEnum: From<String> {
    /// The model's values, in the model's order. AWS prints them in an order of its own.
    const VALUES: &'static [&'static str];
    /// The value as it is written.
    fn as_str(&self) -> &str;
    /// Whether the model has the value.
    fn is_known(&self) -> bool;
}

/// An object's key, borrowed from the document where it holds no escapes.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Shows that a sensitive member is there, not what it holds.
pub(crate) struct Redacted<'a, T>(pub(crate) &'a Option<T>);

impl<T> fmt::Debug for Redacted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Some(<redacted>)",
            None => "None",
        })
    }
}

/// Gives structures their document form: the members listed, each an `Option`, absent when `None`.
/// Members that travel elsewhere (path, query, headers, payload) are not listed.
macro_rules! document {
    ($($name:ident { $($member:ident: $key:literal,)* })*) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[allow(unused_imports, reason = "some structures have no members in the document")]
                use serde::ser::SerializeStruct as _;
                let present = 0 $(+ usize::from(self.$member.is_some()))*;
                #[allow(unused_mut, reason = "some structures have no members in the document")]
                let mut document = serializer.serialize_struct(stringify!($name), present)?;
                $(if let Some(value) = &self.$member {
                    document.serialize_field($key, value)?;
                })*
                document.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Document;

                impl<'de> serde::de::Visitor<'de> for Document {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut members: A,
                    ) -> Result<$name, A::Error> {
                        #[allow(unused_mut, reason = "some structures have no members in the document")]
                        let mut shape = $name::default();
                        while let Some(key) = members.next_key::<$crate::shape::Key<'de>>()? {
                            match &*key.0 {
                                $($key => shape.$member = members.next_value()?,)*
                                _ => {
                                    members.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(shape)
                    }
                }

                deserializer.deserialize_struct(stringify!($name), &[$($key),*], Document)
            }
        }
    )*};
}

/// Declares enums of a model.
macro_rules! string_enums {
    ($($name:ident { $($variant:ident = $value:literal,)* })*) => {$(
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($variant,)*
            /// A value that the model does not have.
            Unknown(String),
        }

        impl $name {
            /// The value as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Unknown(value) => value,
                }
            }
        }

        impl $crate::StringEnum for $name {
            const VALUES: &'static [&'static str] = &[$($value,)*];

            fn as_str(&self) -> &str {
                Self::as_str(self)
            }

            fn is_known(&self) -> bool {
                !matches!(self, Self::Unknown(_))
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    _ => Self::Unknown(value.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(value: String) -> Self {
                match value.as_str() {
                    $($value => Self::$variant,)*
                    _ => Self::Unknown(value),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Ok(Self::from(value))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }

        impl $crate::protocol::Text for $name {
            const KIND: &'static str = "a string";

            fn read(text: &str) -> Option<Self> {
                Some(Self::from(text))
            }

            fn write(&self) -> std::borrow::Cow<'_, str> {
                std::borrow::Cow::Borrowed(self.as_str())
            }
        }
    )*};
}

pub(crate) use {document, string_enums};

#[cfg(test)]
#[expect(
    unreachable_pub,
    reason = "the macro declares what the generated modules export"
)]
mod tests {
    #[derive(Debug, Default, PartialEq)]
    struct Pair {
        left: Option<i32>,
        right: Option<Vec<String>>,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Empty {}

    document! {
        Pair { left: "Left", right: "Right", }
        Empty {}
    }

    string_enums! { Side { Left = "left", Right = "right", } }

    fn read(text: &str) -> Result<Pair, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_members_are_skipped_and_null_is_absence() {
        let pair = read(r#"{"Left": null, "Else": {"deep": [1]}, "Right": ["a"]}"#).unwrap();
        assert_eq!(pair.left, None);
        assert_eq!(pair.right, Some(vec!["a".to_owned()]));
        assert_eq!(serde_json::to_string(&pair).unwrap(), r#"{"Right":["a"]}"#);
        assert_eq!(serde_json::to_string(&Empty::default()).unwrap(), "{}");
    }

    #[test]
    fn an_array_is_no_object() {
        assert!(read("[1, []]").unwrap_err().contains("expected an object"));
        assert!(
            read(r#"{"Left": "1"}"#)
                .unwrap_err()
                .contains("invalid type")
        );
    }

    #[test]
    fn the_last_of_two_equal_members_counts() {
        assert_eq!(read(r#"{"Left": 1, "Left": 2}"#).unwrap().left, Some(2));
    }

    #[test]
    fn escaped_keys_are_found() {
        assert_eq!(read(r#"{"\u004ceft": 3}"#).unwrap().left, Some(3));
    }

    #[test]
    fn an_enum_keeps_what_it_does_not_know() {
        assert_eq!(Side::from("left"), Side::Left);
        let odd: Side = serde_json::from_str(r#""up""#).unwrap();
        assert_eq!(odd, Side::Unknown("up".to_owned()));
        assert_eq!(serde_json::to_string(&odd).unwrap(), r#""up""#);
    }
}
