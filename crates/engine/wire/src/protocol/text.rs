//! Members as text: in paths, query strings and headers.

use std::borrow::Cow;

/// A value that travels as text outside the document.
pub trait Text: Sized {
    /// What the text must be, for error messages: `an integer`.
    const KIND: &'static str;
    /// The value, unless the text is none.
    fn read(text: &str) -> Option<Self>;
    /// The text.
    fn write(&self) -> Cow<'_, str>;
}

impl Text for String {
    const KIND: &'static str = "a string";

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

macro_rules! text_by_parsing {
    ($($type:ty: $kind:literal,)*) => {$(
        impl Text for $type {
            const KIND: &'static str = $kind;

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn write(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        }
    )*};
}

text_by_parsing! {
    i32: "an integer",
    i64: "an integer",
    f64: "a number",
    bool: "a boolean",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        assert_eq!(i32::read(&(-7).write()), Some(-7));
        assert_eq!(bool::read(&true.write()), Some(true));
        assert_eq!(f64::read(&0.25.write()), Some(0.25));
        assert_eq!(i32::read("3.0"), None);
        assert_eq!(bool::read("TRUE"), None);
    }
}
