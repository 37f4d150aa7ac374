//! What a single value must satisfy.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::Pattern;
use crate::StringEnum;

/// The constraints on one value.
pub trait Constraint<T: ?Sized> {
    /// Those that `value` breaks, in AWS's words.
    fn broken(&self, value: &T) -> Vec<String>;
    /// All of them, in AWS's words.
    fn all(&self) -> Vec<String>;
    /// The value as a message shows it.
    fn show(&self, value: &T) -> String;

    /// Whether messages must not show the value.
    fn sensitive(&self) -> bool {
        false
    }
}

/// The size of a list or map, or the length of a text in characters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Size {
    /// At least this many.
    pub min: Option<usize>,
    /// At most this many.
    pub max: Option<usize>,
}

impl Size {
    /// Any size.
    pub const ANY: Self = Self {
        min: None,
        max: None,
    };

    fn at_most(max: usize) -> String {
        format!("Member must have length less than or equal to {max}")
    }

    fn at_least(min: usize) -> String {
        format!("Member must have length greater than or equal to {min}")
    }

    pub(super) fn broken(self, size: usize) -> Vec<String> {
        let above = self.max.filter(|max| size > *max).map(Self::at_most);
        let below = self.min.filter(|min| size < *min).map(Self::at_least);
        above.into_iter().chain(below).collect()
    }

    fn all(self) -> Vec<String> {
        let above = self.max.map(Self::at_most);
        let below = self.min.map(Self::at_least);
        above.into_iter().chain(below).collect()
    }
}

/// Text with a length, a pattern, or both.
#[derive(Debug)]
pub struct Text {
    /// The length in characters.
    pub size: Size,
    /// What the whole text must match.
    pub pattern: Option<Pattern>,
    /// Whether messages must not show it.
    pub sensitive: bool,
}

impl Text {
    fn pattern_text(pattern: &Pattern) -> String {
        format!(
            "Member must satisfy regular expression pattern: {}",
            pattern.source()
        )
    }
}

impl Constraint<str> for Text {
    fn broken(&self, value: &str) -> Vec<String> {
        let mut broken = if matches!((self.size.min, self.size.max), (None, None)) {
            Vec::new()
        } else {
            self.size.broken(value.chars().count())
        };
        if let Some(pattern) = &self.pattern
            && !pattern.matches(value)
        {
            broken.push(Self::pattern_text(pattern));
        }
        broken
    }

    fn all(&self) -> Vec<String> {
        let mut all = self.size.all();
        all.extend(self.pattern.as_ref().map(Self::pattern_text));
        all
    }

    fn show(&self, value: &str) -> String {
        value.to_owned()
    }

    fn sensitive(&self) -> bool {
        self.sensitive
    }
}

impl Constraint<String> for Text {
    fn broken(&self, value: &String) -> Vec<String> {
        Constraint::<str>::broken(self, value)
    }

    fn all(&self) -> Vec<String> {
        Constraint::<str>::all(self)
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn sensitive(&self) -> bool {
        self.sensitive
    }
}

/// A number with bounds.
#[derive(Debug, Clone, Copy)]
pub struct Number<N> {
    /// The least.
    pub min: Option<N>,
    /// The greatest.
    pub max: Option<N>,
}

impl<N: Debug> Number<N> {
    // Debug, because it writes a whole double as Java does: `1.0`.
    fn at_most(max: N) -> String {
        format!("Member must have value less than or equal to {max:?}")
    }

    fn at_least(min: N) -> String {
        format!("Member must have value greater than or equal to {min:?}")
    }
}

impl<N: PartialOrd + Debug + Copy> Constraint<N> for Number<N> {
    fn broken(&self, value: &N) -> Vec<String> {
        let above = self.max.filter(|max| value > max).map(Self::at_most);
        let below = self.min.filter(|min| value < min).map(Self::at_least);
        above.into_iter().chain(below).collect()
    }

    fn all(&self) -> Vec<String> {
        let above = self.max.map(Self::at_most);
        let below = self.min.map(Self::at_least);
        above.into_iter().chain(below).collect()
    }

    fn show(&self, value: &N) -> String {
        format!("{value:?}")
    }
}

/// A value of an enum that the model has.
#[derive(Debug, Clone, Copy)]
pub struct Choice;

impl<E: StringEnum> Constraint<E> for Choice {
    fn broken(&self, value: &E) -> Vec<String> {
        if value.is_known() {
            Vec::new()
        } else {
            Constraint::<E>::all(self)
        }
    }

    fn all(&self) -> Vec<String> {
        vec![format!(
            "Member must satisfy enum value set: [{}]",
            E::VALUES.join(", ")
        )]
    }

    fn show(&self, value: &E) -> String {
        value.as_str().to_owned()
    }
}

/// A map's key that must be a value of an enum; keys are text in Rust.
#[derive(Debug, Clone, Copy)]
pub struct KeyChoice<E>(pub PhantomData<E>);

impl<E: StringEnum> Constraint<String> for KeyChoice<E> {
    fn broken(&self, value: &String) -> Vec<String> {
        Choice.broken(&E::from(value.clone()))
    }

    fn all(&self) -> Vec<String> {
        Constraint::<E>::all(&Choice)
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// Text without constraints, as the other half of a map that has some.
#[derive(Debug, Clone, Copy)]
pub struct Free {
    /// Whether messages must not show it.
    pub sensitive: bool,
}

impl Constraint<String> for Free {
    fn broken(&self, _: &String) -> Vec<String> {
        Vec::new()
    }

    fn all(&self) -> Vec<String> {
        Vec::new()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn sensitive(&self) -> bool {
        self.sensitive
    }
}
